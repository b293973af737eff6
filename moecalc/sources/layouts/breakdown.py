"""What a checkpoint's stored elements are: parameters, buffers, copies, scales, by component."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from moecalc.ir.roles import Component, Role
from moecalc.sources.headers.tensors import StoredTensor
from moecalc.sources.layouts.bundles import Bundle

BUFFER_ROLES = frozenset({Role.ROUTER_CORRECTION, Role.ROUTER_TABLE})
"""Roles that are buffers in most models; a config's ledger knows better."""


class Amount(msgspec.Struct, frozen=True):
    """Elements (packed values unpacked), bytes and tensors."""

    elements: int = 0
    bytes: int = 0
    tensors: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.elements + other.elements, self.bytes + other.bytes, self.tensors + other.tensors)


class Breakdown(msgspec.Struct, frozen=True):
    """Every stored element once."""

    parameters: Amount = Amount()
    """Of the language model."""
    buffers: Amount = Amount()
    """Of the language model."""
    copies: Amount = Amount()
    """Tensors that repeat another, outside prediction modules: a tied head that is stored all the same."""
    mtp: Amount = Amount()
    """Prediction modules, their buffers and their copies of embedding and head included."""
    mtp_copies: Amount = Amount()
    """Those copies; counted in `mtp`."""
    vision: Amount = Amount()
    audio: Amount = Amount()
    scales: Amount = Amount()
    """Block scales, of every component."""
    others: Amount = Amount()
    """What else quantizers store: zero points, orders, look-up tables, zeros for biases that there are not."""
    unknown: Amount = Amount()
    """Tensors whose names no layout knows."""

    language_bytes: int = 0
    """Bytes of the language model as it is run: its parameters, buffers, scales and whatever else quantizers store.

    Without copies, and without buffers that no ledger has (rotary frequencies, masks)."""

    @property
    def total(self) -> Amount:
        """Everything."""
        return sum((getattr(self, name) for name in _ADDED), Amount())


_ADDED = (
    "parameters",
    "buffers",
    "copies",
    "mtp",
    "vision",
    "audio",
    "scales",
    "others",
    "unknown",
)


def break_down(
    bundles: Iterable[Bundle],
    buffers: Collection[Role] = BUFFER_ROLES,
    tied: Collection[Role] = (),
    bits: Mapping[str, int] | None = None,
    idle: Collection[str] = (),
    repeated: Iterable[StoredTensor] = (),
) -> Breakdown:
    """Sum the bundles by what they are.

    `buffers` are roles that are no parameters, `tied` those whose own tensor is a copy. `bits` per value by template
    is needed only where the stored tensors leave it open. `idle` are templates that stand for nothing in the model,
    `repeated` tensors that are stored again under a name there is already.
    """
    sums: dict[str, Amount] = {}
    language = 0

    def add(name: str, amount: Amount) -> None:
        sums[name] = sums.get(name, Amount()) + amount

    for tensor in repeated:
        add("copies", Amount(tensor.elements, tensor.bytes, 1))
    for each in bundles:
        size = sum(part.bytes for part in each.values)
        own = Amount(
            each.elements((bits or {}).get(each.template)), size, sum(p.tensors for p in each.values)
        )
        name = "others" if each.template in idle else _sort(each, buffers, tied)
        add(name, own)
        if name == "mtp" and each.entry is not None and each.entry.copy_of is not None:
            add("mtp_copies", own)
        for kind, elements in (("scale", each.scales), ("other", each.others)):
            parts = [part for part in each.companions if part.kind == kind]
            if parts:
                beside = Amount(elements, sum(p.bytes for p in parts), sum(p.tensors for p in parts))
                add("scales" if kind == "scale" else "others", beside)
        is_buffer = each.entry is not None and each.entry.is_buffer
        if each.template in idle or (name in {"parameters", "buffers"} and not is_buffer):
            language += each.bytes
    return Breakdown(**sums, language_bytes=language)


def _sort(each: Bundle, buffers: Collection[Role], tied: Collection[Role]) -> str:
    if each.component is None:
        return "unknown"
    if each.component is not Component.LANGUAGE:
        return str(each.component.value)
    entry = each.entry
    if entry is None:
        return "unknown"
    if entry.copy_of is not None or (entry.roles and set(entry.roles) <= set(tied)):
        return "copies"
    return "buffers" if entry.is_buffer or set(entry.roles) & set(buffers) else "parameters"
