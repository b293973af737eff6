"""Queries, keys and masks of fused attention's tests, and the check against plain matmuls."""

import torch

from moecalc.profile.builder.pairs import Pairs, plain

SINKS = torch.linspace(2, 6, 6)


def pairs_of(*, new=150, keys=150, mask=None, softcap=None, values=16, dtype=torch.float32, batch=3):
    generator = torch.Generator().manual_seed(1)
    normal = lambda *shape: torch.randn(*shape, generator=generator).to(dtype)  # noqa: E731 - said once
    allowed = None
    if mask == "window":
        ones = torch.ones(new, keys, dtype=torch.bool)
        allowed = ones.tril(keys - new) & ~ones.tril(keys - new - 20)
    elif mask == "by sequence":
        allowed = torch.rand(batch, 1, new, keys, generator=generator) < 0.3
        allowed[..., 0] = True
    q, k = normal(batch, 6, new, 16), normal(batch, 2, keys, 16)
    return Pairs(q, k, normal(batch, 2, keys, values), mask == "causal", allowed, 0.3, softcap)


def check(made, pairs, sinks):
    torch.testing.assert_close(made, plain(pairs, sinks, 64), rtol=2e-5, atol=2e-6)
