"""Which module runs which block: mixers and feed-forwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.cca import CCA
from moecalc.ir.blocks.compressed import CompressedAttention
from moecalc.ir.blocks.delta import GatedDeltaNet, KimiDelta
from moecalc.ir.blocks.ffn import Dense, Gated
from moecalc.ir.blocks.lightning import LightningAttention
from moecalc.ir.blocks.mamba import Mamba
from moecalc.ir.blocks.mamba2 import Mamba2
from moecalc.ir.blocks.mla import MLA
from moecalc.ir.blocks.mlstm import MLSTM
from moecalc.ir.blocks.moa import MixtureOfAttention
from moecalc.ir.blocks.moe import MoE
from moecalc.ir.blocks.rg_lru import RGLRU
from moecalc.ir.blocks.rwkv import WKV, ChannelMix
from moecalc.ir.blocks.short_conv import ShortConv
from moecalc.profile.builder.attention import Attention
from moecalc.profile.builder.cca import ConvolvedAttention
from moecalc.profile.builder.compressed import WindowAndEntries
from moecalc.profile.builder.cross import CrossAttention
from moecalc.profile.builder.delta import DeltaNet, KimiDeltaAttention
from moecalc.profile.builder.feed_forward import FeedForward
from moecalc.profile.builder.latent import LatentAttention
from moecalc.profile.builder.lightning import LinearAttention
from moecalc.profile.builder.mamba import SelectiveScan
from moecalc.profile.builder.mamba2 import StateSpace
from moecalc.profile.builder.mixture import Mixture
from moecalc.profile.builder.mlstm import MatrixMemory
from moecalc.profile.builder.moa import AttentionExperts
from moecalc.profile.builder.refusal import refused
from moecalc.profile.builder.rg_lru import GatedRecurrence
from moecalc.profile.builder.rwkv import ChannelMixing, TimeMix
from moecalc.profile.builder.short_conv import GatedConvolution
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from moecalc.ir.blocks.base import Block
    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.routing import Forced

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
    CompressedAttention: WindowAndEntries,
    WKV: TimeMix,
    MLSTM: MatrixMemory,
    CCA: ConvolvedAttention,
}
"""The modules that mix positions, by the block they run."""


def made_feed_forward(
    block: Block | None, store: Store, numerics: Numerics, index: int, forced: Forced | None
) -> Module | None:
    """The module of a feed-forward; None where there is none. Raises InputError for one that is not built."""
    if isinstance(block, MoE):
        return Mixture(block, store, numerics, index, forced)
    if isinstance(block, Dense | Gated):
        return FeedForward(block, store, numerics)
    if isinstance(block, ChannelMix):
        return ChannelMixing(block, store)
    if block is not None:
        raise refused(f"a feed-forward `{block.__struct_config__.tag}`")
    return None


def made_mixer(
    block: Block, store: Store, numerics: Numerics, index: int, forced: Forced | None, *, crosses: bool
) -> Module:
    """The module of a mixer; `crosses` where it reads a source. Raises InputError for one that is not built."""
    if isinstance(block, MixtureOfAttention) and not crosses:
        return AttentionExperts(block, store, numerics, index, forced)
    if crosses and isinstance(block, GQA):
        return CrossAttention(block, store, numerics)
    made = None if crosses else MIXERS.get(type(block))
    if made is None:
        raise refused(f"a mixer `{block.__struct_config__.tag}`")
    return made(block, store, numerics)
