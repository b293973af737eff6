"""Mamba: a decay per channel and state element, token by token (Gu & Dao 2023, arXiv 2312.00752)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from moecalc.ir.blocks.mamba import Mamba
from moecalc.ir.roles import Role
from moecalc.profile.builder.cache import LayerCache
from moecalc.profile.builder.convolution import convolved
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.refusal import check_fields
from moecalc.profile.builder.tensors import Module, Store

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.numerics import Numerics
    from moecalc.profile.builder.step import Call

KNOWN = [
    "intermediate_size",
    "state_size",
    "dt_rank",
    "conv_kernel",
    "bias",
    "conv_bias",
    "parameter_norms",
    "state_dtype",
    "heads",
]


class SelectiveScan(Module):
    """A plain loop over tokens: fused scan kernels, which torch does not ship, are faster on prompts."""

    def __init__(self, block: Mamba, store: Store, numerics: Numerics) -> None:
        super().__init__()
        check_fields(block, KNOWN)
        self._block = block
        bias = Role.RECURRENT_BIAS
        self.into, self.into_bias = store.take(Role.RECURRENT_IN), store.take_if(block.bias, bias)
        self.conv, self.conv_bias = store.take(Role.RECURRENT_CONV), store.take_if(block.conv_bias, bias)
        self.select = store.take(Role.RECURRENT_PROJECTION)
        self.norms = None
        if block.parameter_norms:
            self.norms = torch.nn.ModuleList(
                [Norm("rms", Role.RECURRENT_NORM, store, numerics) for _ in ("dt", "b", "c")]
            )
        self.dt, self.dt_bias = store.take(Role.RECURRENT_PROJECTION), store.take(bias)
        self.a_log, self.skip = store.take(Role.RECURRENT_PARAMETER), store.take(Role.RECURRENT_PARAMETER)
        self.out, self.out_bias = store.take(Role.RECURRENT_OUT), store.take_if(block.bias, bias)

    def forward(self, x: Tensor, call: Call, cache: LayerCache) -> Tensor:
        """[batch, new, hidden] from the normed residual stream, of the same shape."""
        block = self._block
        with named("recurrent"):
            values, gate = functional.linear(x, self.into, self.into_bias).chunk(2, -1)
            conv_state = cache[Role.RECURRENT_CONV_STATE]
            values = functional.silu(convolved(values, self.conv, self.conv_bias, conv_state))
            by_head = values.unflatten(-1, (block.heads, -1)).flatten(0, 1).transpose(0, 1)
            selected = torch.bmm(by_head, self.select.transpose(1, 2)).split(
                (block.dt_rank, block.state_size, block.state_size), -1
            )
            if self.norms is not None:
                selected = tuple(norm(part) for norm, part in zip(self.norms, selected, strict=True))
            dt, b, c = selected
            dt = torch.bmm(dt, self.dt.unflatten(0, (block.heads, -1)).transpose(1, 2))
            dt, b, c = (part.transpose(0, 1).unflatten(0, x.shape[:2]) for part in (dt, b, c))
            size = functional.softplus((dt.flatten(2) + self.dt_bias).float())
            rates = -self.a_log.float().exp()
            state, parts = cache[Role.RECURRENT_STATE], []
            added = size * values.float()
            for token in range(call.new):
                decay = (size[:, token, :, None] * rates).exp()
                new = (
                    added[:, token].unflatten(-1, (block.heads, -1))[..., None] * b[:, token, :, None].float()
                )
                behind = state * decay.unflatten(1, (block.heads, -1)) + new
                state.copy_(behind)
                read = torch.bmm(behind.flatten(0, 1), c[:, token].float().flatten(0, 1)[..., None])
                parts.append(read.view(len(x), -1, 1))
            made = torch.cat(parts, 2).transpose(1, 2) + values.float() * self.skip.float()
            return functional.linear(made.to(x.dtype) * functional.silu(gate), self.out, self.out_bias)
