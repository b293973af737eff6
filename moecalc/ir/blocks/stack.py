"""Layers and stacks: which block stands where, how often it is stored and how often it runs."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from moecalc.ir.blocks.altup import AltUp, Laurel
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.attention_residual import AttentionResidual
from moecalc.ir.blocks.base import Block, Count, Norm, Size, norm_rows, require
from moecalc.ir.blocks.cca import CCA
from moecalc.ir.blocks.compressed import CompressedAttention
from moecalc.ir.blocks.delta import GatedDeltaNet, KimiDelta, short_convolution
from moecalc.ir.blocks.ffn import Dense, Gated
from moecalc.ir.blocks.hyper import HyperConnections
from moecalc.ir.blocks.lightning import LightningAttention
from moecalc.ir.blocks.mamba import Mamba
from moecalc.ir.blocks.mamba2 import Mamba2
from moecalc.ir.blocks.mla import MLA
from moecalc.ir.blocks.mlstm import MLSTM
from moecalc.ir.blocks.moa import MixtureOfAttention
from moecalc.ir.blocks.moe import MoE
from moecalc.ir.blocks.ngram import NGramEmbedding
from moecalc.ir.blocks.pattern import expand
from moecalc.ir.blocks.per_layer import PerLayerInput
from moecalc.ir.blocks.rg_lru import RGLRU
from moecalc.ir.blocks.rwkv import WKV, ChannelMix
from moecalc.ir.blocks.shared import SharedBlocks
from moecalc.ir.blocks.short_conv import ShortConv
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Op, Row, Slots, SlotsKind, State
from moecalc.ir.site import Site
from moecalc.ir.step import Domain, Extent, Keys, KeysKind

Mixer = (
    GQA
    | MLA
    | CompressedAttention
    | Mamba
    | Mamba2
    | GatedDeltaNet
    | KimiDelta
    | LightningAttention
    | ShortConv
    | RGLRU
    | WKV
    | MLSTM
    | CCA
    | MixtureOfAttention
)
FFN = Dense | Gated | MoE | ChannelMix


class Layer(Block, frozen=True, kw_only=True):
    """One kind of layer: what mixes positions, what works on each, and the norms around them.

    `norm_placement`: `pre` or `post` has one norm per sublayer, `sandwich` one before and one after each,
    `parallel` one for all (Falcon, Cohere), `ffn` only the one before the feed-forward. `extra_norms` adds
    hidden-size norms that fit no pattern.
    """

    before: SharedBlocks | None = None
    """Blocks shared with other layers, run on the way into this layer's own mixer (Zamba)."""
    mixer: Mixer | None = None
    ffn: FFN | None = None
    beside: FFN | None = None
    """A second feed-forward in the same layer: LongCat's shortcut MoE, Arctic's residual MLP."""
    beside_wiring: Literal["shortcut", "own_norms", "behind_mixer"] | None = None
    """How it stands there. `shortcut`: it reads what `ffn` reads and joins the stream behind the next layer (LongCat);
    `own_norms`: it and its router read the stream itself, it through a norm, and both outputs are normed before they
    add up: three of the `extra_norms` (Gemma 4); `behind_mixer`: it reads the stream behind the mixer through a norm,
    one of the `extra_norms`, and `ffn` what came into the layer (Arctic's residual MLP beside its MoE:
    vllm, model_executor/models/arctic.py). It changes no count, and without it the profiler builds no layer."""
    mixer_beside: Mixer | None = None
    """A second mixer that reads the same normed input; both outputs add up (Falcon-H1)."""
    norm: Norm = "rms"
    norm_placement: Literal["pre", "post", "sandwich", "parallel", "ffn"] = "pre"
    extra_norms: Count = 0
    norm_behind_ffn: bool = False
    """One norm more, on the feed-forward's output alone (A.X K1)."""
    gated_norms: Count = 0
    """How many of the norms have a low-rank sigmoid gate behind them: [rank, d] and [d, rank] (A.X K2)."""
    norm_gate_rank: Size | None = None
    laurel: Laurel | None = None
    """A low-rank path beside attention (Gemma 3n)."""
    per_layer_input: PerLayerInput | None = None
    """Adds this layer's own embedding of the token (Gemma 3n)."""
    residual_scales: bool = False
    """A learned vector for each sublayer, which scales the stream it adds to (Doge)."""
    ngram: NGramEmbedding | None = None
    """Adds a hashed embedding of the last few tokens before the sublayers (Qwen4-Exp)."""
    scalar: bool = False
    """A stored number, no parameter, by which the layer's output is multiplied (Gemma 4)."""
    residual_scaling: bool = False
    """Each sublayer adds with a learned scale and bias per channel on both sides (ZAYA)."""
    conv_kernel: Size | None = None
    """A causal depthwise convolution of this kernel behind each sublayer (Inkling)."""
    input_mixes: Size = 1
    """With attention residuals: 3 where query, key and value read mixes (and have norms) of their own."""
    shared: bool = False
    """One stored copy that runs wherever the pattern names it (Zamba)."""
    gates: bool = False
    """A learned number that gates each sublayer (Llama 3.2's vision models)."""
    cross_attention: bool = False
    """The keys and values are an image's, and without one the layer is skipped (Llama 3.2's vision models)."""

    def __post_init__(self) -> None:
        require(self.mixer or self.ffn, "a layer needs a `mixer`, an `ffn` or both")
        require(
            bool(self.gated_norms) == bool(self.norm_gate_rank), "`norm_gate_rank` goes with `gated_norms`"
        )
        require(not self.beside_wiring or self.beside, "`beside_wiring` goes with `beside`")
        require(
            not self.norm_behind_ffn or (self.ffn and self.norm_placement in ("pre", "ffn")),
            "`norm_behind_ffn` needs an `ffn` whose `norm_placement` has no norm there yet: `pre` or `ffn`",
        )

    @property
    def sublayers(self) -> int:
        """Residual branches: mixer and feed-forward."""
        return (self.mixer is not None) + (self.ffn is not None)

    def lower(self, site: Site) -> Iterator[Row]:
        """Norms, mixer, feed-forwards."""
        for row in self._rows(site):
            yield crossing(row) if self.cross_attention else row

    def _rows(self, site: Site) -> Iterator[Row]:
        per_sublayer = {"pre": 1, "post": 1, "sandwich": 2}.get(self.norm_placement, 0)
        norms = per_sublayer * self.sublayers + (per_sublayer == 0) + self.extra_norms
        norms += self.norm_behind_ffn
        for _ in range(norms):
            yield from norm_rows(self.norm, Role.NORM, site, site.hidden_axis)
        if self.norm_gate_rank is not None:
            rank = axis(Dim("norm_gate_rank", self.norm_gate_rank))
            for _ in range(self.gated_norms):
                yield from site.linear(Role.NORM_GATE, rank, site.hidden_axis)
                yield from site.linear(Role.NORM_GATE, site.hidden_axis, rank)
        if self.residual_scaling:
            for _ in range(4 * self.sublayers):
                yield site.vector(Role.RESIDUAL_SCALE, site.hidden_axis)
        if self.conv_kernel is not None:
            for _ in range(self.sublayers):
                yield from short_convolution(Dim("conv_channels", site.hidden.size), self.conv_kernel, site)
        if self.before is not None:
            yield from self.before.lower(site)
        if self.mixer is not None:
            yield from self.mixer.lower(site)
        if self.mixer_beside is not None:
            yield from self.mixer_beside.lower(site)
        if self.ffn is not None:
            yield from self.ffn.lower(site)
        if self.beside is not None:
            yield from self.beside.lower(site)
        if self.laurel is not None:
            yield from self.laurel.lower(site)
        if self.per_layer_input is not None:
            yield from self.per_layer_input.lower(site)
        if self.residual_scales:
            for _ in range(self.sublayers):
                yield site.vector(Role.RESIDUAL_SCALE, site.hidden_axis)
        if self.gates:
            for _ in range(self.sublayers):
                yield site.vector(Role.RESIDUAL_SCALE, axis(Dim("gate", 1)))
        if self.ngram is not None:
            yield from self.ngram.lower(site)
        if self.scalar:
            yield site.buffer(Role.RESIDUAL_SCALE, axis(Dim("layer_scalar", 1)))


def crossing(row: Row) -> Row:
    """A row of a layer that reads a source: its keys and values are made once, and all else waits for a source."""
    if isinstance(row, Op):
        if row.role in (Role.ATTENTION_K, Role.ATTENTION_V):
            extent = Extent(Domain.SOURCE)
        elif row.role in (Role.ATTENTION_SCORES, Role.ATTENTION_MIX):
            extent = Extent(keys=Keys(KeysKind.CROSS))
        else:
            extent = Extent(keys=Keys(KeysKind.WITH_SOURCE))
        return msgspec.structs.replace(row, extent=extent)
    if isinstance(row, State):
        return msgspec.structs.replace(row, slots=Slots(SlotsKind.SOURCE))
    return row


class Stack(Block, frozen=True, kw_only=True):
    """Layers in the order `pattern` names them, run `applications` times over (HRM), then a final norm."""

    layers: dict[str, Layer]
    pattern: str
    applications: Size = 1
    final_norm: Norm | None = "rms"
    residual: HyperConnections | None = None
    attention_residual: AttentionResidual | None = None
    """Sublayers read a learned mix of the stream's earlier blocks (Inkling 2)."""
    altup: AltUp | None = None
    """Several copies of the residual stream, updated in turn (Gemma 3n)."""
    initial_state: bool = False
    """A stored vector of hidden size from which a looped stack starts (HRM)."""

    def __post_init__(self) -> None:
        kinds = set(expand(self.pattern))
        unknown, unused = sorted(kinds - self.layers.keys()), sorted(self.layers.keys() - kinds)
        require(not unknown, f"`pattern` names `{', '.join(unknown)}`; `layers` has {', '.join(self.layers)}")
        require(not unused, f"`layers` has `{', '.join(unused)}`, which `pattern` never names")

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kind of each layer, in order."""
        return expand(self.pattern)

    def lower(self, site: Site) -> Iterator[Row]:
        """The rows of each kind of layer once, with its multiplicity; then the final norm."""
        kinds = self.kinds
        if self.initial_state:
            yield site.vector(Role.RESIDUAL_INITIAL, site.hidden_axis)
        # Kinds in the order of their first layer, so the ledger reads as the model runs.
        for kind in dict.fromkeys(kinds):
            layer = self.layers[kind]
            indices = tuple(i for i, name in enumerate(kinds) if name == kind)
            stored, runs = (1, len(indices)) if layer.shared else (len(indices), 1)
            here = msgspec.structs.replace(
                site, layers=stored, applications=runs * self.applications, indices=indices
            )
            yield from layer.lower(here)
            if self.residual:
                yield from self.residual.lower_sublayers(layer.sublayers, here)
            if self.attention_residual:
                yield from self.attention_residual.lower_layer(layer.input_mixes, here)
            if self.altup:
                yield from self.altup.lower_layer(here)
        after = msgspec.structs.replace(site, layers=1, applications=self.applications)
        if self.residual:
            yield from self.residual.lower_collapse(after)
        if self.altup:
            yield from self.altup.lower_around(after)
        if self.attention_residual:
            yield from self.attention_residual.lower_final(len(kinds), after)
        if self.final_norm:
            yield from norm_rows(self.final_norm, Role.NORM_FINAL, after, site.hidden_axis)
