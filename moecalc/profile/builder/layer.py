"""A layer: its norms, its mixer and its feed-forward around the residual stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.moe import MoE
from moecalc.ir.roles import Role
from moecalc.profile.builder.altup import Laurel
from moecalc.profile.builder.cache import LayerCache
from moecalc.profile.builder.convolution import added
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.embedded import Affine
from moecalc.profile.builder.mixture import Mixture
from moecalc.profile.builder.parts import made_feed_forward, made_mixer
from moecalc.profile.builder.per_layer import LayerInput
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.refusal import check_fields, refused
from moecalc.profile.builder.rwkv import ChannelMixing
from moecalc.profile.builder.shared_blocks import Entry
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from moecalc.ir.blocks.stack import Layer
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.routing import Forced
    from moecalc.profile.builder.step import Call

KNOWN = (
    "mixer",
    "mixer_beside",
    "ffn",
    "norm",
    "norm_placement",
    "norm_behind_ffn",
    "gated_norms",
    "norm_gate_rank",
    "shared",
    "residual_scales",
    "residual_scaling",
    "scalar",
    "beside",
    "beside_wiring",
    "extra_norms",
    "laurel",
    "per_layer_input",
    "gates",
    "cross_attention",
    "before",
    "conv_kernel",
    "ngram",
    "input_mixes",
)


EXTRA_NORMS: dict[str | None, int] = {"own_norms": 3, "behind_mixer": 1}
"""Norms that a second feed-forward's wiring wants."""


class Sublayers(Module):
    """One layer. `pre` norms a sublayer's input, `post` its output, `sandwich` both; `parallel` norms once for all."""

    def __init__(
        self, layer: Layer, store: Store, numerics: Numerics, index: int, forced: Forced | None
    ) -> None:
        super().__init__()
        _check(layer)
        self._placement, self._wiring, self._index = layer.norm_placement, layer.beside_wiring, index

        def norm(there: object) -> Norm | None:
            return Norm(layer.norm, Role.NORM, store, numerics) if there else None

        before = self._placement in ("pre", "sandwich")
        after = self._placement in ("post", "sandwich")
        self._scaled_convolutions = numerics.scaled_convolutions
        self.mixer_norm = norm(layer.mixer and (before or self._placement == "parallel"))
        self.mixer_after = norm(layer.mixer and after)
        self.ffn_norm = norm(layer.ffn and (before or self._placement == "ffn"))
        self.ffn_after = norm(layer.ffn and (after or layer.norm_behind_ffn))
        own = self._wiring == "own_norms"
        self.norms = [self.mixer_norm, *(norm(there=True) for _ in range(layer.input_mixes - 1))]
        for number, more in enumerate(self.norms[1:]):
            self.add_module(f"mixer_norm_{number + 1}", more)
        self.dense_after = norm(own)
        self.beside_norm = norm(own or self._wiring == "behind_mixer")
        self.beside_after = norm(own)
        scaling = layer.residual_scaling
        self.mixer_scaling = ResidualScaling(store) if scaling and layer.mixer else None
        self.ffn_scaling = ResidualScaling(store) if scaling and layer.ffn else None
        # Their rows stand before those of the mixer, whose keys and values may have convolutions of their own.
        self.mixer_conv = store.take_if(layer.conv_kernel and layer.mixer, Role.RECURRENT_CONV)
        self.ffn_conv = store.take_if(layer.conv_kernel and layer.ffn, Role.RECURRENT_CONV)
        mixers = [mixer for mixer in (layer.mixer, layer.mixer_beside) if mixer is not None]
        self._crosses = layer.cross_attention
        self.mixers = [
            made_mixer(mixer, store, numerics, index, forced, crosses=self._crosses) for mixer in mixers
        ]
        for number, mixer in enumerate(self.mixers):
            self.add_module(f"mixer_{number}", mixer)
        self.entry: Entry | None = None
        """The way through a block shared with other layers, where the layer has one."""
        self.ffn = made_feed_forward(layer.ffn, store, numerics, index, forced)
        self.beside = made_feed_forward(layer.beside, store, numerics, index, forced)
        self.laurel = Laurel(store, numerics) if layer.laurel else None
        self.told = LayerInput(store, numerics) if layer.per_layer_input else None
        self.mixer_scale = store.take_if(layer.residual_scales and layer.mixer, Role.RESIDUAL_SCALE)
        self.ffn_scale = store.take_if(layer.residual_scales and layer.ffn, Role.RESIDUAL_SCALE)
        self.mixer_gate = store.take_if(layer.gates and layer.mixer, Role.RESIDUAL_SCALE)
        self.ffn_gate = store.take_if(layer.gates and layer.ffn, Role.RESIDUAL_SCALE)
        gated = [one for one in (self.mixer_norm, self.ffn_norm) if one is not None][: layer.gated_norms]
        if len(gated) < layer.gated_norms:
            raise refused(
                f"`Layer` with `gated_norms: {layer.gated_norms}`, more than norms before sublayers"
            )
        for one in gated:
            one.gate_by(store.take(Role.NORM_GATE), store.take(Role.NORM_GATE))
        self.scalar = store.take_if(layer.scalar, Role.RESIDUAL_SCALE)

    def forward(self, x: Tensor, call: Call, caches: Sequence[LayerCache]) -> Tensor:
        """The residual stream [batch, new, hidden] behind the layer."""
        if self._crosses and all(cache.is_empty for cache in caches):
            return x
        x = self.run(x, call, caches)
        if self.told is not None:
            with named("ffn"):
                x = x + self.told(x, self.own(call))
        return _scaled(x, self.scalar)

    def own(self, call: Call) -> Tensor:
        """What the layer is told of each token [batch, new, width]."""
        if call.told is None:
            raise refused("`per_layer_input` without an embedding's `per_layer`")
        return call.told[:, :, self._index]

    def run(self, x: Tensor, call: Call, caches: Sequence[LayerCache]) -> Tensor:
        """The stream behind the sublayers."""
        joining, call.handed.joining = call.handed.joining, None
        entered = x if self.entry is None else x + self.entry(x, call, caches[len(self.mixers)])
        normed = through(self.mixer_norm, entered)
        made = self.mixed(normed, call, caches[: len(self.mixers)])
        convolved = [] if self.mixer_conv is None else caches[-1].every(Role.RECURRENT_CONV_STATE)
        if made is not None and convolved:
            made = self.behind(made, self.mixer_conv, convolved[0])
        if self._wiring == "behind_mixer" and made is not None and self.beside is not None:
            behind = x + made
            return behind + self.beside(through(self.beside_norm, behind)) + self.fed(x, call, caches)
        if self._placement == "parallel" and self.ffn is not None:
            return x + made + self._feed(normed, call, caches)
        if made is not None:
            made = _gated(through(self.mixer_after, made), self.mixer_gate)
            x = _joined(_scaled(x, self.mixer_scale), made, self.mixer_scaling)
        if self.laurel is not None:
            x = (x + self.laurel(normed)) * 2**-0.5
        del entered, normed, made  # a feed-forward is where most memory is held
        if self.ffn is not None:
            made = self.fed(x, call, caches)
            made = self.behind(made, self.ffn_conv, convolved[-1]) if convolved else made
            made = _gated(through(self.ffn_after, made), self.ffn_gate)
            x = _joined(_scaled(x, self.ffn_scale), made, self.ffn_scaling)
        return x if joining is None else x + joining

    def behind(self, made: Tensor, weight: Tensor | None, state: Tensor) -> Tensor:
        """What a sublayer made, with its convolution added."""
        return added(made, weight, state, scaled=self._scaled_convolutions)

    def mixed(self, normed: Tensor, call: Call, caches: Sequence[LayerCache]) -> Tensor | None:
        """What the mixers make of the normed stream; None where there is none."""
        made = None
        for mixer, cache in zip(self.mixers, caches, strict=True):
            part = mixer(normed, call, cache)
            made = part if made is None else made + part
        return made

    def fed(self, x: Tensor, call: Call, caches: Sequence[LayerCache]) -> Tensor:
        """What the feed-forwards make of the stream."""
        normed = through(self.ffn_norm, x)
        made = self._feed(normed, call, caches)
        if self.beside is None or self._wiring == "behind_mixer":
            return made
        if self._wiring == "shortcut":
            call.handed.joining = self.beside(normed)
            return made
        other = self.beside(through(self.beside_norm, x), x)
        return through(self.dense_after, made) + through(self.beside_after, other)

    def _feed(self, normed: Tensor, call: Call, caches: Sequence[LayerCache]) -> Tensor:
        also: dict[str, object] = {}
        if isinstance(self.ffn, Mixture):
            also |= {"ids": call.ids, "handed": call.handed}
        elif isinstance(self.ffn, ChannelMixing):
            also["cache"] = caches[-1]
        made: Tensor = self.ffn(normed, **also)  # type: ignore[misc] # called where there is one
        return made


class ResidualScaling(Module):
    """What a sublayer made, and the stream it joins, each with a bias and a scale by channel (ZAYA)."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.made, self.stream = Affine(Role.RESIDUAL_SCALE, store), Affine(Role.RESIDUAL_SCALE, store)

    def forward(self, x: Tensor, made: Tensor) -> Tensor:
        """The stream [batch, new, hidden] behind the sublayer."""
        joined: Tensor = self.made(made) + self.stream(x)
        return joined


def reads_keys(layer: Layer) -> bool:
    """Whether the layer attends to keys and values of an earlier one."""
    return isinstance(layer.mixer, GQA) and layer.mixer.shared_kv


def _check(layer: Layer) -> None:
    """Raise InputError for parts that are not built, or not with one another."""
    check_fields(layer, KNOWN)
    if layer.norm_placement == "parallel":
        if not (layer.mixer and layer.ffn):
            raise refused("a `parallel` layer of one sublayer")
        for name in ("residual_scales", "residual_scaling", "beside", "laurel", "gates"):
            if getattr(layer, name):
                raise refused(f"a `parallel` layer with `{name}`")
    if layer.conv_kernel and not (layer.mixer and layer.ffn and layer.norm_placement == "pre"):
        raise refused("`Layer` with `conv_kernel` and not a `pre` norm of a mixer and of a feed-forward")
    if layer.before and (not layer.mixer or layer.norm_placement != "pre"):
        raise refused("`Layer` with `before` and no `pre` norm of a mixer behind it")
    _check_beside(layer)
    if layer.extra_norms != EXTRA_NORMS.get(layer.beside_wiring, 0) + layer.input_mixes - 1:
        raise refused(f"`Layer` with `extra_norms: {layer.extra_norms}`")


def _check_beside(layer: Layer) -> None:
    """Raise InputError for a second feed-forward whose wiring is not told, or not built of these parts."""
    if not layer.beside:
        return
    if not (layer.beside_wiring and layer.ffn):
        raise refused("`Layer` with `beside` whose `beside_wiring` is not told")
    if layer.beside_wiring == "behind_mixer":
        others = (layer.residual_scales, layer.gates, layer.laurel, layer.before, layer.norm_behind_ffn)
        if layer.norm_placement != "pre" or not layer.mixer or any(others):
            raise refused("`Layer` with `beside` `behind_mixer` and more than a `pre` norm of each sublayer")
    elif not isinstance(layer.beside, MoE):
        raise refused(
            f"`Layer` with `beside_wiring: {layer.beside_wiring}` of a feed-forward without experts"
        )


def through(norm: Norm | None, x: Tensor) -> Tensor:
    """Normed, where there is a norm."""
    return x if norm is None else norm(x)


def _joined(x: Tensor, made: Tensor, scaling: ResidualScaling | None) -> Tensor:
    """The stream and what a sublayer made of it."""
    return x + made if scaling is None else scaling(x, made)


def _scaled(x: Tensor, scale: Tensor | None) -> Tensor:
    return x if scale is None else x * scale


def _gated(x: Tensor, gate: Tensor | None) -> Tensor:
    """Times the hyperbolic tangent of a learned number (Llama 3.2's cross-attention layers)."""
    return x if gate is None else x * torch.tanh(gate)
