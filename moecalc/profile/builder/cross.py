"""Cross-attention: queries of the tokens against keys and values of a source, an image's vectors (Llama 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from moecalc.ir.blocks.attention import GQA
from moecalc.ir.roles import Role
from moecalc.profile.builder.cache import LayerCache, Seen
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.refusal import check_fields
from moecalc.profile.builder.softmax import attend
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call


class CrossAttention(Module):
    """Keys and values are made with the first tokens of a sequence and kept; no position turns them."""

    def __init__(self, block: GQA, store: Store, numerics: Numerics) -> None:
        super().__init__()
        check_fields(block, ("heads", "kv_heads", "head_dim", "v_head_dim", "qk_norm"))
        self._block = block
        self.q, self.k = store.take(Role.ATTENTION_Q), store.take(Role.ATTENTION_K)
        self.v, self.o = store.take(Role.ATTENTION_V), store.take(Role.ATTENTION_O)
        self.q_norm: Norm | None = None
        self.k_norm: Norm | None = None
        if block.qk_norm:
            self.q_norm = Norm(block.qk_norm, Role.ATTENTION_QK_NORM, store, numerics)
            self.k_norm = Norm(block.qk_norm, Role.ATTENTION_QK_NORM, store, numerics)

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        with named("attention"):
            block = self._block
            stored = cache[Role.ATTENTION_KEY_STATE], cache[Role.ATTENTION_VALUE_STATE]
            if call.source is not None:
                k = functional.linear(call.source, self.k).unflatten(-1, (block.kv_heads, -1))
                stored[0].copy_(k if self.k_norm is None else self.k_norm(k))
                stored[1].copy_(functional.linear(call.source, self.v).unflatten(-1, (block.kv_heads, -1)))
            q = functional.linear(x, self.q).unflatten(-1, (block.heads, -1))
            q = q if self.q_norm is None else self.q_norm(q)
            seen = Seen(list(stored), causal=False, allowed=None)
            mixed = attend(q, *stored, seen, scale=block.head_dim**-0.5)
            return functional.linear(mixed.flatten(-2), self.o)
