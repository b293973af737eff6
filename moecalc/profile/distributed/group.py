"""Ranks that exchange tensors through torch.distributed, and a count of what each of them sends.

An all-reduce of a vector is counted as a ring sends it: 2 (n - 1) / n of its bytes per rank, the least there is without
reduction in the switch (Patarasuk and Yuan 2009, doi 10.1016/j.jpdc.2008.09.002); NCCL or gloo may choose
another algorithm. An all-gather is (n - 1) times the rank's own part, an all-to-all what a rank has for the others.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.calc.speed.communication import all_reduce_bytes
from moecalc.profile.distributed.watch import Watch


class Sent(msgspec.Struct, kw_only=True):
    """What one rank has sent by one kind of exchange."""

    times: int = 0
    sent_bytes: Fraction | int = 0


class Group:
    """All ranks of a run. What is sent is counted under a name that the caller gives, as long as `counts` is set.

    As long as there is a `watch`, it times each exchange.
    """

    def __init__(self) -> None:
        import torch.distributed as dist

        self._dist = dist
        self.rank: int = dist.get_rank()
        self.size: int = dist.get_world_size()
        self.counts: dict[str, Sent] | None = None
        self.watch: Watch | None = None

    def barrier(self) -> None:
        """Wait for all ranks."""
        self._dist.barrier()

    def all_reduce(self, tensor: Any, name: str = "all-reduce") -> Any:
        """The sum over all ranks, in place."""
        self._count(name, all_reduce_bytes(self.size, Fraction(_bytes(tensor))))
        self._make(name, lambda: self._dist.all_reduce(tensor))
        return tensor

    def all_gather(self, tensor: Any, name: str = "all-gather") -> list[Any]:
        """The tensors of all ranks, which have the same shape, in their order."""
        import torch

        self._count(name, (self.size - 1) * _bytes(tensor))
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        own = tensor.contiguous()
        self._make(name, lambda: self._dist.all_gather(parts, own))
        return parts

    def all_to_all(self, rows: Any, to: list[int], come: list[int], name: str = "all-to-all") -> Any:
        """Rows for each rank in turn, `to` of them; those that the others have for this one, `come` of each."""
        row_bytes = rows[:1].numel() * rows.element_size() if len(rows) else 0
        self._count(name, (sum(to) - to[self.rank]) * row_bytes)
        received = rows.new_empty((sum(come), *rows.shape[1:]))
        own = rows.contiguous()
        self._make(name, lambda: self._dist.all_to_all_single(received, own, come, to))
        return received

    def shares(self, counts: list[int]) -> list[int]:
        """What each rank has for this one, given what this one has for each. Bookkeeping: not counted."""
        import torch

        device = "cuda" if self._dist.get_backend() == "nccl" else "cpu"
        mine = torch.tensor(counts, dtype=torch.int64, device=device)
        theirs = torch.empty_like(mine)
        self._dist.all_to_all_single(theirs, mine)
        return [int(count) for count in theirs.tolist()]

    def _make(self, name: str, call: Callable[[], object]) -> None:
        if self.watch is None:
            call()
        else:
            self.watch.around(name, call)

    def _count(self, name: str, sent: Fraction | int) -> None:
        if self.counts is not None:
            entry = self.counts.setdefault(name, Sent())
            entry.times += 1
            entry.sent_bytes += sent


def _bytes(tensor: Any) -> int:
    return int(tensor.numel() * tensor.element_size())
