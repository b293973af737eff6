"""A learned prompt before the text: what kind of token stands where, and biases on scores by distance (CPM-Ant).

Source of the formulas: the reference implementation in transformers 5.23, models/cpmant; the buckets of distances are
T5's (Raffel et al. 2020, arXiv 1910.10683, section 2.1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.embedding import Embedding, ScoreBias
from moecalc.ir.roles import Role
from moecalc.profile.builder.refusal import refused
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from moecalc.ir.blocks.stack import Layer

PROMPT, TEXT = 0, 2
"""The types of a learned prompt's tokens and of those behind it; 1 is given to none of either."""


class TokenTypes(Module):
    """A vector by the kind of token, added to its embedding."""

    def __init__(self, embedding: Embedding, store: Store) -> None:
        super().__init__()
        self._prompt = _prompt_of(embedding)
        self.table = store.take(Role.EMBEDDING_OTHER)

    def forward(self, past: int, new: int) -> Tensor:
        """[new, hidden] of the tokens behind `past` ones."""
        return functional.embedding(types_of(past, past + new, self._prompt, self.table.device), self.table)


class ScoreBiases(Module):
    """Of a query and a key of one type by their distance, of two types by the pair of these, for each head."""

    def __init__(self, block: ScoreBias, embedding: Embedding, store: Store) -> None:
        super().__init__()
        self._types = embedding.types or 0
        self._prompt = _prompt_of(embedding) if self._types else 0
        self._distances = block.buckets - self._types**2
        self._farthest = block.max_distance
        self.table = store.take(Role.ATTENTION_RELATIVE)

    def forward(self, past: int, new: int) -> Tensor:
        """[1, heads, new, past + new]: what is added to scores of the new tokens."""
        device = self.table.device
        places = torch.arange(past + new, device=device)
        rows = self._buckets(places - places[past:, None])
        if self._types:
            key = types_of(0, past + new, self._prompt, device)
            query = key[past:, None]
            rows = torch.where(query == key, rows, self._distances + query * self._types + key)
        return functional.embedding(rows, self.table).permute(2, 0, 1)[None]

    def _buckets(self, distance: Tensor) -> Tensor:
        """Of key positions less query positions: half of them for each sign, exact ones first, then by logarithm."""
        half = self._distances // 2
        exact = half // 2
        far = distance.abs()
        share = torch.log(far.clamp(min=1).float() / exact) / math.log(self._farthest / exact)
        spread = (exact + (share * (half - exact)).long()).clamp(max=half - 1)
        return (distance > 0) * half + torch.where(far < exact, far, spread)


def types_of(first: int, last: int, prompt: int, device: torch.device) -> Tensor:
    """[last - first]: the types of the tokens in those places, of which the first `prompt` are the learned one."""
    return torch.where(torch.arange(first, last, device=device) < prompt, PROMPT, TEXT)


def check_biased(embedding: Embedding, layers: Iterable[Layer]) -> None:
    """Raise InputError for layers whose scores the embedding's biases are not built for."""
    bias = embedding.score_bias
    if bias is None:
        return
    for layer in layers:
        for mixer in (layer.mixer, layer.mixer_beside):
            if mixer is None:
                continue
            if not isinstance(mixer, GQA) or mixer.kv_heads != bias.heads or mixer.heads != bias.heads:
                raise refused(
                    "`Embedding` with `score_bias` and a mixer without a key head for each of its heads"
                )
            for name in ("window", "chunk", "sinks", "dynamic_mask", "indexer", "shared_kv"):
                if getattr(mixer, name):
                    raise refused(f"`Embedding` with `score_bias` and `gqa` with `{name}`")


def _prompt_of(embedding: Embedding) -> int:
    """Tokens of the learned prompt. Raises InputError where nothing says which token is of which type."""
    if embedding.prompt is None or embedding.types is None or embedding.types <= TEXT:
        raise refused(f"`Embedding` with `types: {embedding.types}` and `prompt: {embedding.prompt}`")
    return embedding.prompt
