"""Layers of a stack whose residual stream is several: what they read of them, and what they write back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import torch

from moecalc.profile.builder.altup import Alternation, Copies
from moecalc.profile.builder.gated_streams import GatedReading
from moecalc.profile.builder.hyper import Connection, Streams
from moecalc.profile.builder.layer import Sublayers, through
from moecalc.profile.builder.ngram import NGrams
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.refusal import check_fields, refused
from moecalc.profile.builder.residual_mixes import LastMix, MixedLayer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from moecalc.ir.blocks.hyper import HyperConnections
    from moecalc.ir.blocks.stack import Layer, Stack
    from moecalc.ir.rows import Row
    from moecalc.ir.site import Site
    from moecalc.profile.builder.cache import LayerCache
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.routing import Forced
    from moecalc.profile.builder.step import Call
    from moecalc.profile.builder.tensors import Store


def layer_rows(stack: Stack, layer: Layer, site: Site) -> Iterator[Row]:
    """The rows of one layer and of what stands around it."""
    yield from msgspec.structs.replace(layer, before=None).lower(site)
    if stack.residual:
        yield from stack.residual.lower_sublayers(layer.sublayers, site)
    if stack.altup:
        yield from stack.altup.lower_layer(site)
    if stack.attention_residual:
        yield from stack.attention_residual.lower_layer(layer.input_mixes, site)


def stack_rows(stack: Stack, site: Site) -> Iterator[Row]:
    """The rows of what leads from the embedding to the streams and back."""
    if stack.residual:
        yield from stack.residual.lower_collapse(site)
    if stack.altup:
        yield from stack.altup.lower_around(site)
    if stack.attention_residual:
        yield from stack.attention_residual.lower_final(len(stack.kinds), site)


def layer_of(
    stack: Stack, layer: Layer, store: Store, numerics: Numerics, index: int, forced: Forced | None
) -> Sublayers:
    """The module of one layer, of the stack's number of streams."""
    if stack.residual:
        return ConnectedLayer(stack.residual, layer, store, numerics, index, forced)
    if stack.attention_residual:
        return MixedLayer(stack.attention_residual, layer, store, numerics, index, forced)
    if stack.altup:
        return AlternatedLayer(stack.altup.streams, layer, store, numerics, index, forced)
    return Sublayers(layer, store, numerics, index, forced)


def streams_of(
    stack: Stack, store: Store, numerics: Numerics
) -> Copies | GatedReading | LastMix | Streams | None:
    """What makes streams of the embedding, and one of them again; None where there is one all along."""
    if stack.attention_residual:
        return LastMix(store)
    if stack.residual and stack.residual.rank:
        return GatedReading(stack.residual, store, numerics, writes=False)
    if stack.residual:
        return Streams(stack.residual, store, numerics)
    return Copies(stack.altup.streams, store) if stack.altup else None


class AlternatedLayer(Sublayers):
    """A layer that works on the first of several copies; the others it predicts, corrects, and tells of the token."""

    def __init__(
        self,
        streams: int,
        layer: Layer,
        store: Store,
        numerics: Numerics,
        index: int,
        forced: Forced | None,
    ) -> None:
        super().__init__(layer, store, numerics, index, forced)
        self.alternation = Alternation(streams, store, numerics)

    def forward(self, x: Tensor, call: Call, caches: Sequence[LayerCache]) -> Tensor:
        """Copies of the stream [batch, new, streams, hidden] behind the layer."""
        with named("residual"):
            predicted = self.alternation.predict(x)
        made = self.run(predicted[:, :, 0], call, caches)
        with named("residual"):
            corrected = self.alternation.correct(predicted, made)
        if self.told is None:
            return corrected
        first = corrected[:, :, 0] * self.alternation.scale
        return self.alternation.tell(corrected, self.told(first, self.own(call)))


class ConnectedLayer(Sublayers):
    """A layer each of whose sublayers reads a mix of all streams and writes back to all."""

    def __init__(
        self,
        residual: HyperConnections,
        layer: Layer,
        store: Store,
        numerics: Numerics,
        index: int,
        forced: Forced | None,
    ) -> None:
        check_fields(residual, ("streams", "mix", "stored_as", "rank"))
        for name in (
            "beside",
            "laurel",
            "per_layer_input",
            "residual_scales",
            "residual_scaling",
            "scalar",
            "gates",
            "cross_attention",
            "before",
        ):
            if getattr(layer, name):
                raise refused(f"`Stack` with `residual` around a layer with `{name}`")
        if layer.ngram and layer.ngram.streams != residual.streams:
            raise refused(
                f"`Stack` with {residual.streams} `streams` around `ngram` of {layer.ngram.streams}"
            )
        if layer.norm_placement == "parallel" or (residual.rank and layer.norm != "unweighted"):
            raise refused("`Stack` with `residual` around a layer with norms of its own, or a `parallel` one")
        super().__init__(layer, store, numerics, index, forced)
        if residual.rank:  # the streams have norms of their own, in place of the layer's
            self.mixer_norm = self.ffn_norm = None
            made = [GatedReading(residual, store, numerics, writes=True) for _ in range(layer.sublayers)]
        else:
            made = [Connection(residual, store, numerics) for _ in range(layer.sublayers)]
        self.connections = torch.nn.ModuleList(made)
        self.ngrams = NGrams(layer.ngram, store, numerics) if layer.ngram else None

    def forward(self, x: Tensor, call: Call, caches: Sequence[LayerCache]) -> Tensor:
        """Streams [batch, new, streams, hidden] behind the layer."""
        if self.ngrams is not None:
            x = x + self.ngrams(x, call, caches[len(self.mixers)])
        connections = iter(self.connections)
        if self.mixers:
            with named("residual"):
                reading = next(connections).read(x)
            made = self.mixed(through(self.mixer_norm, reading.x), call, caches[: len(self.mixers)])
            with named("residual"):
                x = reading.written(through(self.mixer_after, made))
        if self.ffn is not None:
            with named("residual"):
                reading = next(connections).read(x)
            made = self.fed(reading.x, call, caches)
            with named("residual"):
                x = reading.written(through(self.ffn_after, made))
        return x
