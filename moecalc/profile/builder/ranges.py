"""Names for what runs, seen by torch's profiler: `moecalc.attention`, `moecalc.routed`, as the ledger groups roles."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def named(group: str) -> AbstractContextManager[Any]:
    """A range of that name while a profiler watches; nothing, and no time, while none does."""
    if torch.autograd._profiler_enabled():  # noqa: SLF001 - torch offers no public question
        made: AbstractContextManager[Any] = torch.profiler.record_function(f"moecalc.{group}")
        return made
    return nullcontext()
