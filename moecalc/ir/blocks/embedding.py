"""What stands before and after the layers: token and position embeddings, the language-model head."""

from collections.abc import Iterator

import msgspec

from moecalc.ir.blocks.base import Block, Norm, Size, norm_rows
from moecalc.ir.blocks.per_layer import PerLayerEmbedding
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Access, Row, Weight
from moecalc.ir.site import Site
from moecalc.ir.step import Domain, Extent

PER_LOGIT = Extent(Domain.LOGITS)


class ScoreBias(Block, frozen=True, kw_only=True):
    """A table [buckets, heads] of biases on the attention scores, which all layers share (CPM-Ant)."""

    buckets: Size
    heads: Size
    max_distance: Size = 2048
    """From which on all distances share the last bucket of their sign. It changes no count."""

    def lower(self, site: Site) -> Iterator[Row]:
        """The table: looked up, nothing multiplied."""
        shape = axis(Dim("buckets", self.buckets)), axis(Dim("heads", self.heads))
        yield site.weight(Role.ATTENTION_RELATIVE, *shape, access=Access.LOOKUP)


class Embedding(Block, frozen=True, kw_only=True):
    """Token embedding [vocab_size, d], optionally learned positions and a norm behind them."""

    vocab_size: Size
    positions: Size | None = None
    """Rows of a learned position table, offset included."""
    width: Size | None = None
    """Embedding width where it differs from the hidden size; a projection leads to the hidden size."""
    norm: Norm | None = None
    per_layer: PerLayerEmbedding | None = None
    """A second table, whose rows go to the layers one by one (Gemma 3n)."""
    affine: bool = False
    """A learned scale and bias per channel behind the embedding (ZAYA)."""
    types: Size | None = None
    """Rows of a table that is added by the kind of token: its segment (CPM-Ant) or language (XLM)."""
    prompt: Size | None = None
    """How many tokens at the start of every sequence are a learned prompt, of a type of their own (CPM-Ant). It
    changes no count, and without it the profiler builds no model with `types`."""
    score_bias: ScoreBias | None = None

    def lower(self, site: Site) -> Iterator[Row]:
        """Look-up tables (no FLOPs), an optional projection and norm."""
        vocab = axis(Dim("vocab_size", self.vocab_size))
        width = site.hidden_axis if self.width is None else axis(Dim("embedding_size", self.width))
        yield site.weight(Role.EMBEDDING_TOKENS, vocab, width, access=Access.LOOKUP)
        if self.width is not None:
            yield from site.linear(Role.EMBEDDING_PROJECTION, site.hidden_axis, width)
        if self.positions is not None:
            table = axis(Dim("positions", self.positions)), site.hidden_axis
            yield site.weight(Role.EMBEDDING_POSITIONS, *table, access=Access.LOOKUP)
        if self.types is not None:
            table = axis(Dim("types", self.types)), site.hidden_axis
            yield site.weight(Role.EMBEDDING_OTHER, *table, access=Access.LOOKUP)
        if self.score_bias is not None:
            yield from self.score_bias.lower(site)
        if self.norm:
            yield from norm_rows(self.norm, Role.NORM, site, site.hidden_axis)
        if self.affine:
            for _ in ("scale", "bias"):
                yield site.vector(Role.EMBEDDING_OTHER, site.hidden_axis)
        if self.per_layer is not None:
            yield from self.per_layer.lower(site)


class Head(Block, frozen=True, kw_only=True):
    """Language-model head [vocab_size, d]; `tied` stores nothing and multiplies by the token embedding."""

    tied: bool = False
    bias: bool = False
    vocab_size: Size | None = None
    """Where the head has another vocabulary than the embedding."""
    transform: Norm | None = None
    """A dense layer [d, d] and this norm before the head (ModernBERT)."""
    transform_bias: bool = False

    def lower_for(self, embedding: Embedding, site: Site) -> Iterator[Row]:
        """The head's matrix (tied or its own), its multiplication per logit position, its bias."""
        vocab = axis(Dim("vocab_size", self.vocab_size or embedding.vocab_size))
        width = site.hidden_axis
        if self.transform:
            bias = Role.HEAD_BIAS if self.transform_bias else None
            yield from site.linear(Role.HEAD_PROJECTION, width, width, extent=PER_LOGIT, bias=bias)
            yield from norm_rows(self.transform, Role.NORM, site, width)
        if embedding.width is not None:
            width = axis(Dim("embedding_size", embedding.width))
            yield from site.linear(Role.HEAD_PROJECTION, width, site.hidden_axis, extent=PER_LOGIT)
        for row in site.linear(Role.HEAD, vocab, width, extent=PER_LOGIT):
            if self.tied and isinstance(row, Weight):
                yield msgspec.structs.replace(row, tied_to=Role.EMBEDDING_TOKENS)
            else:
                yield row
        if self.bias:
            yield site.vector(Role.HEAD_BIAS, vocab)
