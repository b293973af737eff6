"""A layer: its norms, its mixer and its feed-forward around the residual stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.delta import GatedDeltaNet, KimiDelta
from moecalc.ir.blocks.ffn import Dense, Gated
from moecalc.ir.blocks.lightning import LightningAttention
from moecalc.ir.blocks.mamba import Mamba
from moecalc.ir.blocks.mamba2 import Mamba2
from moecalc.ir.blocks.mla import MLA
from moecalc.ir.blocks.moe import MoE
from moecalc.ir.blocks.rg_lru import RGLRU
from moecalc.ir.blocks.short_conv import ShortConv
from moecalc.ir.roles import Role
from moecalc.profile.build.attention import Attention
from moecalc.profile.build.cache import LayerCache
from moecalc.profile.build.delta import DeltaNet, KimiDeltaAttention
from moecalc.profile.build.elementwise import Norm
from moecalc.profile.build.feed_forward import FeedForward
from moecalc.profile.build.latent import LatentAttention
from moecalc.profile.build.lightning import LinearAttention
from moecalc.profile.build.mamba import SelectiveScan
from moecalc.profile.build.mamba2 import StateSpace
from moecalc.profile.build.mixture import Mixture
from moecalc.profile.build.refusal import check_fields, refused
from moecalc.profile.build.rg_lru import GatedRecurrence
from moecalc.profile.build.short_conv import GatedConvolution
from moecalc.profile.build.tensors import Module, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from moecalc.ir.blocks.base import Block
    from moecalc.ir.blocks.stack import Layer
    from moecalc.profile.build.numerics import Numerics
    from moecalc.profile.build.routing import Forced
    from moecalc.profile.build.step import Call

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
    "scalar",
)

MIXERS: dict[type[Block], type[Module]] = {
    GQA: Attention,
    MLA: LatentAttention,
    GatedDeltaNet: DeltaNet,
    KimiDelta: KimiDeltaAttention,
    Mamba2: StateSpace,
    Mamba: SelectiveScan,
    LightningAttention: LinearAttention,
    ShortConv: GatedConvolution,
    RGLRU: GatedRecurrence,
}
"""The modules that mix positions, by the block they run."""


class Sublayers(Module):
    """One layer. `pre` norms a sublayer's input, `post` its output, `sandwich` both; `parallel` norms once for all."""

    def __init__(
        self, layer: Layer, store: Store, numerics: Numerics, index: int, forced: Forced | None
    ) -> None:
        super().__init__()
        check_fields(layer, KNOWN)
        self._placement = layer.norm_placement

        def norm(there: object) -> Norm | None:
            return Norm(layer.norm, Role.NORM, store, numerics) if there else None

        before = self._placement in ("pre", "sandwich")
        after = self._placement in ("post", "sandwich")
        if self._placement == "parallel" and not (layer.mixer and layer.ffn):
            raise refused("a `parallel` layer of one sublayer")
        if self._placement == "parallel" and layer.residual_scales:
            raise refused("a `parallel` layer with `residual_scales`")
        self.mixer_norm = norm(layer.mixer and (before or self._placement == "parallel"))
        self.mixer_after = norm(layer.mixer and after)
        self.ffn_norm = norm(layer.ffn and (before or self._placement == "ffn"))
        self.ffn_after = norm(layer.ffn and (after or layer.norm_behind_ffn))
        mixers = [mixer for mixer in (layer.mixer, layer.mixer_beside) if mixer is not None]
        self.mixers = [_mixer(mixer, store, numerics) for mixer in mixers]
        for number, mixer in enumerate(self.mixers):
            self.add_module(f"mixer_{number}", mixer)
        self.ffn: Module | None = None
        if isinstance(layer.ffn, MoE):
            self.ffn = Mixture(layer.ffn, store, numerics, index, forced)
        elif isinstance(layer.ffn, Dense | Gated):
            self.ffn = FeedForward(layer.ffn, store, numerics)
        elif layer.ffn is not None:
            raise refused(f"a feed-forward `{layer.ffn.__struct_config__.tag}`")
        self.mixer_scale = store.take_if(layer.residual_scales and layer.mixer, Role.RESIDUAL_SCALE)
        self.ffn_scale = store.take_if(layer.residual_scales and layer.ffn, Role.RESIDUAL_SCALE)
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
        normed = _through(self.mixer_norm, x)
        made = None
        for mixer, cache in zip(self.mixers, caches, strict=True):
            part = mixer(normed, call, cache)
            made = part if made is None else made + part
        if self._placement == "parallel" and self.ffn is not None:
            return _scaled(x + made + self.ffn(normed), self.scalar)
        if made is not None:
            x = _scaled(x, self.mixer_scale) + _through(self.mixer_after, made)
        if self.ffn is not None:
            x = _scaled(x, self.ffn_scale) + _through(self.ffn_after, self.ffn(_through(self.ffn_norm, x)))
        return _scaled(x, self.scalar)


def _mixer(block: Block, store: Store, numerics: Numerics) -> Module:
    made = MIXERS.get(type(block))
    if made is None:
        raise refused(f"a mixer `{block.__struct_config__.tag}`")
    return made(block, store, numerics)


def _through(norm: Norm | None, x: Tensor) -> Tensor:
    return x if norm is None else norm(x)


def _scaled(x: Tensor, scale: Tensor | None) -> Tensor:
    return x if scale is None else x * scale
