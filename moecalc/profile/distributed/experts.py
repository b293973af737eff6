"""Routed experts dealt out to ranks: consecutive ones to each.

Where all ranks have the same tokens (tensor parallelism around the experts), each runs those of its own experts, and
the sublayer's all-reduce adds the parts up. Where each has tokens of its own (data parallelism), a token goes once to
every rank that has one of its experts, and what they make of it comes back (Lepikhin et al. 2020, arXiv 2006.16668,
section 3.2): two all-to-alls of vectors, and beside them which experts each token wants, by which weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.profile.builder.mixture import Mixture
    from moecalc.profile.distributed.group import Group

CHOICES = "all-to-all of choices"

Run = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""(tokens [rows, width], experts chosen [rows, top_k], their weights) -> mixed outputs [rows, width]."""


def dealt(mixture: Mixture, group: Group) -> Run:
    """What a rank adds to all tokens' outputs: its own experts' part."""

    def run(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        return _own(mixture, group.rank, x, chosen, weights)

    return run


def exchanged(mixture: Mixture, group: Group) -> Run:
    """The outputs of a rank's own tokens, whose experts may be anywhere."""

    def run(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        owner = chosen // len(mixture.up)
        reached = torch.zeros(len(x), group.size, dtype=torch.bool, device=x.device)
        reached.scatter_(1, owner, value=True)
        # By rank, and by token within each: what a sort of the pairs would give.
        tokens = reached.T.nonzero()[:, 1]
        to = [int(count) for count in reached.sum(0).tolist()]
        come = group.shares(to)
        rows = group.all_to_all(x[tokens], to, come)
        theirs = group.all_to_all(chosen[tokens], to, come, CHOICES)
        by = group.all_to_all(weights[tokens], to, come, CHOICES)
        back = group.all_to_all(_own(mixture, group.rank, rows, theirs, by), come, to)
        return torch.zeros_like(x).index_add_(0, tokens, back)

    return run


def _own(mixture: Mixture, rank: int, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """The part of the mixed outputs that the experts of one rank make: zero where a token has none of them."""
    count = len(mixture.up)
    mixed = torch.zeros_like(x)
    local = chosen - rank * count
    tokens, places = ((local >= 0) & (local < count)).nonzero(as_tuple=True)
    if not len(tokens):
        return mixed
    experts, order = local[tokens, places].sort(stable=True)
    tokens, places = tokens[order], places[order]
    ends = torch.searchsorted(experts, torch.arange(count, device=x.device), right=True, out_int32=True)
    made = mixture.run_experts(x[tokens], experts, ends)
    return mixed.index_add_(0, tokens, made * weights[tokens, places][:, None])
