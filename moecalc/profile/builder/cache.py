"""What a network remembers of its sequences: tensors allocated from the ledger's State rows, to the byte.

A state of one slot per token is a run of slots; a window and a chunk are rings, whose slot of position p is p modulo
their size. Positions have been rotated into keys before they are stored, so their order in a ring does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from moecalc.errors import InputError
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row, Slots, SlotsKind, State
from moecalc.profile.builder.refusal import refused
from moecalc.profile.builder.tensors import dtype_of

if TYPE_CHECKING:
    from torch import Tensor

JOINED = (Role.ATTENTION_LATENT_STATE, Role.ATTENTION_ROPE_KEY_STATE)
"""Rows that lie end to end in one tensor: absorbed attention reads both as its key, the first as its value."""

GROWING = (SlotsKind.REMAINDER, SlotsKind.OVERLAP)
"""Kinds whose slots come and go with the length of a sequence, and not only up to it."""

ROWS = (SlotsKind.FULL, SlotsKind.WINDOW, SlotsKind.CHUNK)
"""Kinds whose slots are tokens."""


class LayerCache:
    """The states of one mixer: [batch, slots, ...] each, of a recurrence [batch, ...]."""

    def __init__(
        self,
        rows: Iterable[Row],
        batch: int,
        slots: int,
        dtype: torch.dtype,
        device: torch.device,
        source: int = 0,
    ) -> None:
        """`source` counts the vectors that cross-attention reads."""
        self._tensors: dict[Role, list[Tensor]] = {}
        self._growing: list[tuple[list[Tensor], int, Slots]] = []
        states = [row for row in rows if isinstance(row, State)]
        joined = [state for state in states if state.role in JOINED]
        if joined:
            widths = sum(int(state.elements_per_slot) for state in joined)
            count = int(joined[0].slots.count(slots))
            made = torch.zeros(batch, count, widths, dtype=dtype, device=device)
            self._tensors[joined[0].role] = [made]
        for state in states:
            if state.role in JOINED:
                continue
            sizes = [int(dim.size) for dim in state.dims]
            if state.slots.kind is not SlotsKind.CONSTANT:
                from_source = state.slots.kind is SlotsKind.SOURCE
                sizes.insert(0, source if from_source else int(state.slots.count(slots)))
            own = dtype_of(state.stored_as, dtype)
            made = torch.zeros(batch, *sizes, dtype=own, device=device)
            of_role = self._tensors.setdefault(state.role, [])
            of_role.append(made)
            if state.slots.kind in GROWING:
                self._growing.append((of_role, len(of_role) - 1, state.slots))

    def every(self, role: Role) -> list[Tensor]:
        """All states of that role; one whose slots come and go is replaced in this list."""
        return self._tensors[role]

    def resize(self, length: int) -> None:
        """Give states whose slots come and go the slots of that many tokens."""
        for of_role, number, slots in self._growing:
            old, count = of_role[number], int(slots.count(length))
            if old.shape[1] != count:
                made = old.new_zeros(old.shape[0], count, *old.shape[2:])
                kept = min(count, old.shape[1])
                made[:, :kept] = old[:, :kept]
                of_role[number] = made

    def __getitem__(self, role: Role) -> Tensor:
        """The only state of that role."""
        (tensor,) = self._tensors[role]
        return tensor

    @property
    def is_empty(self) -> bool:
        """Whether no state has a slot."""
        return not any(tensor.numel() for tensor in self.tensors())

    def tensors(self) -> Iterator[Tensor]:
        """Every state."""
        for tensors in self._tensors.values():
            yield from tensors


class Cache:
    """The states of all layers for `batch` sequences of at most `slots` tokens, of which `length` are seen."""

    def __init__(self, layers: Sequence[Sequence[LayerCache]], batch: int, slots: int) -> None:
        self.layers = layers
        self.batch = batch
        self.slots = slots
        self._length = 0

    def tensors(self) -> Iterator[Tensor]:
        """Every state of every layer."""
        for mixers in self.layers:
            for cache in mixers:
                yield from cache.tensors()

    @property
    def nbytes(self) -> int:
        """Bytes allocated."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors())

    def reset(self) -> None:
        """Forget everything."""
        self.length = 0
        for tensor in self.tensors():
            tensor.zero_()

    @property
    def length(self) -> int:
        """The tokens that are seen; setting it back leaves what was stored of them, as far as there are slots."""
        return self._length

    @length.setter
    def length(self, length: int) -> None:
        self._length = length
        for mixers in self.layers:
            for cache in mixers:
                cache.resize(length)

    def check(self, batch: int, new: int) -> None:
        """Raise InputError where a step does not fit."""
        if batch != self.batch:
            raise InputError(
                f"a cache of {self.batch:,} sequences got {batch:,}", hint="make one with `new_state`"
            )
        if self.length + new > self.slots:
            raise InputError(
                f"the cache holds {self.slots:,} tokens of a sequence: {self.length:,} and {new:,} are too many",
                hint="a larger `--context`, or a shorter `--prompt`",
            )


class Seen(NamedTuple):
    """Keys and what goes with them, and which of them each new token sees."""

    tensors: list[Tensor]
    """[batch, keys, ...] each."""
    causal: bool
    """Each new token sees the keys up to its own, and there are none behind the first."""
    allowed: Tensor | None
    """[new, keys], or more axes before these where sequences differ, if `causal` does not say it; None where every new
    token sees every key."""

    def masked(self, scores: Tensor, start: int = 0) -> Tensor:
        """Scores [..., queries, keys] of new tokens from `start` on, minus infinity for keys that one does not see."""
        queries, keys = scores.shape[-2:]
        allowed = None if self.allowed is None else self.allowed[..., start : start + queries, :]
        if self.causal:
            allowed = torch.ones(queries, keys, dtype=torch.bool, device=scores.device).tril(start)
        return scores if allowed is None else scores.masked_fill(~allowed, float("-inf"))


def remember(slots: Slots, stored: Sequence[Tensor], new: Sequence[Tensor], past: int) -> Seen:
    """Store new entries [batch, new, ...] behind `past` tokens, and return all that the new tokens may see."""
    if slots.kind not in ROWS:
        raise refused(f"attention over `{slots.kind.value}` slots")
    count, ring = new[0].shape[1], stored[0].shape[1]
    total, size = past + count, int(slots.size)
    device = new[0].device
    if slots.kind is SlotsKind.FULL or total <= min(size, ring):
        for kept, entry in zip(stored, new, strict=True):
            kept[:, past:total] = entry
        allowed = None if count == 1 or past == 0 else _band(count, past, total, device)
        return Seen([kept[:, :total] for kept in stored], count > 1 and past == 0, allowed)
    if count == 1:
        at = past % ring
        for kept, entry in zip(stored, new, strict=True):
            kept[:, at] = entry[:, 0]
        held = min(total, ring)
        seen = [kept[:, :held] for kept in stored]
        if slots.kind is SlotsKind.CHUNK and past % size + 1 < held:
            return Seen(seen, causal=False, allowed=(torch.arange(held, device=device) <= past % size)[None])
        return Seen(seen, causal=False, allowed=None)
    behind = min(past, size - 1)
    old = torch.arange(past - behind, past, device=device) % ring
    seen = [torch.cat([kept[:, old], entry], 1) for kept, entry in zip(stored, new, strict=True)]
    last = min(count, ring)
    where = torch.arange(total - last, total, device=device) % ring
    for kept, entry in zip(stored, new, strict=True):
        kept[:, where] = entry[:, count - last :]
    allowed = _band(count, past, behind + count, device, slots)
    return Seen(seen, causal=False, allowed=allowed)


def positions(slots: Slots, past: int, new: int, keys: int, device: torch.device) -> Tensor:
    """[keys]: which token of a sequence each of the keys is that `remember` returned."""
    size = int(slots.size)
    if slots.kind is SlotsKind.FULL or past + new <= size:
        return torch.arange(keys, device=device)
    if new == 1:  # a ring: what lies in a slot is the last token whose place it is
        slot = torch.arange(keys, device=device)
        return past - (past - slot) % size
    return torch.arange(past + new - keys, past + new, device=device)


def _band(count: int, past: int, keys: int, device: torch.device, slots: Slots | None = None) -> Tensor:
    """[count, keys]: which of the last `keys` tokens each of the `count` new ones sees."""
    query = torch.arange(past, past + count, device=device)[:, None]
    key = torch.arange(past + count - keys, past + count, device=device)[None]
    allowed = key <= query
    if slots is not None and slots.kind is SlotsKind.WINDOW:
        allowed = allowed & (key > query - int(slots.size))
    elif slots is not None and slots.kind is SlotsKind.CHUNK:
        allowed = allowed & (key // int(slots.size) == query // int(slots.size))
    return allowed
