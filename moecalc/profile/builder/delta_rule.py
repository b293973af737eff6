"""The delta rule by chunks and by steps (Yang et al. 2024, arXiv 2406.06484 and 2412.06464), in float32.

Queries, keys and values are [batch, heads, tokens, ...]; `decay` is the logarithm of each token's, [..., 1] for one per
head and [..., key] for one per channel; `rate` [..., 1] is the step size; the state is [batch, heads, key, value].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor


class Inputs(NamedTuple):
    """What the rule reads of some tokens."""

    q: Tensor
    k: Tensor
    v: Tensor
    decay: Tensor
    rate: Tensor

    def part(self, start: int, size: int) -> Inputs:
        """Of the tokens of one chunk."""
        return Inputs(*(tensor[:, :, start : start + size] for tensor in self))


def run_rule(inputs: Inputs, state: Tensor, chunk: int, *, step: bool) -> Tensor:
    """Outputs [batch, heads, tokens, value]; the state is replaced by the one behind the last token."""
    if step:
        mixed, behind = _step(inputs, state)
    else:
        parts, behind = [], state
        for start in range(0, inputs.q.shape[2], chunk):
            made, behind = _chunk(inputs.part(start, chunk), behind)
            parts.append(made)
        mixed = torch.cat(parts, 2)
    state.copy_(behind)
    return mixed


def _step(inputs: Inputs, state: Tensor) -> tuple[Tensor, Tensor]:
    """One token: decay, predict its value, correct the state by the error, read out; all of it elementwise."""
    q, k, v, decay, rate = (tensor[:, :, 0] for tensor in inputs)
    state = state * decay.exp()[..., None]
    error = (v - (state * k[..., None]).sum(-2)) * rate
    state = state + k[..., None] * error[..., None, :]
    return (state * q[..., None]).sum(-2)[:, :, None], state


def _chunk(inputs: Inputs, state: Tensor) -> tuple[Tensor, Tensor]:
    """A chunk at once: the corrections of its tokens depend on each other by a triangular system."""
    q, k, v, decay, rate = inputs
    since = decay.cumsum(2)
    inside = since.exp()
    if decay.shape[-1] == 1:
        later = torch.ones(q.shape[2], q.shape[2], dtype=torch.bool, device=q.device).triu(1)
        between = (since - since.transpose(-1, -2)).masked_fill(later, float("-inf")).exp()
        of_keys, of_queries = (k @ k.transpose(-1, -2)) * between, (q @ k.transpose(-1, -2)) * between
    else:
        turned = (k * (-since).exp()).transpose(-1, -2)
        of_keys, of_queries = (k * inside) @ turned, ((q * inside) @ turned).tril()
    system = (of_keys * rate).tril(-1)
    wanted = torch.cat([v, k * inside], -1) * rate
    solved = torch.linalg.solve_triangular(system, wanted, upper=False, unitriangular=True)
    values, keys = solved.split((v.shape[-1], k.shape[-1]), -1)
    corrected = values - keys @ state
    mixed = (q * inside) @ state + of_queries @ corrected
    last = since[:, :, -1:]
    kept = state * last.exp().transpose(-1, -2)
    return mixed, kept + (k * (last - since).exp()).transpose(-1, -2) @ corrected
