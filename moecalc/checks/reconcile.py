"""A config held against a checkpoint's header: every row of the ledger against every stored tensor.

Rows and tensors meet within a layer by what the Layout reads in the names. A tensor of the row's exact shape is the
row; so are several that make it up end to end (three convolutions for one). Names that are not of the checkpoint's
own code stand for no row. What is left over is a finding.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial

import msgspec

from moecalc.checks.expected import Unit, Units, expected_rows
from moecalc.checks.findings import Finding, FindingKind, Findings, sides
from moecalc.checks.matching import Matcher, Names, Original
from moecalc.checks.naming import Naming
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Kind, Ledger, Weight
from moecalc.sources.headers.tensors import Header
from moecalc.sources.layouts.breakdown import Breakdown, break_down
from moecalc.sources.layouts.bundles import Bundle, bundle
from moecalc.sources.layouts.layout import Place
from moecalc.sources.layouts.lift import lift, template_of
from moecalc.sources.layouts.vocabularies import KNOWN_NORMS
from moecalc.specs.formats import Placement, Precision
from moecalc.units import format_counted

TOWERS = (Component.VISION, Component.AUDIO)

_OUTSIDE = (Component.LANGUAGE, None)


class Reconciliation(msgspec.Struct, frozen=True):
    """What holding a config against a header gave."""

    header: Header
    layout: str
    against: str
    """What the header was held against, in a word."""
    findings: tuple[Finding, ...]
    breakdown: Breakdown
    placements: tuple[Placement, ...] = ()
    """Where the header stores rows in a plain dtype that the config does not say."""
    agreeing: int = 0
    """Rows stored plainly, in the dtype the config says."""

    @property
    def disagreements(self) -> tuple[Finding, ...]:
        """The findings that contradict the config."""
        return tuple(finding for finding in self.findings if finding.disagrees)

    @property
    def agrees(self) -> bool:
        """Whether every stored tensor is explained, and every row stored as the config says."""
        return not self.disagreements

    @property
    def summary(self) -> str:
        """One sentence for a reader who did not ask."""
        tensors = format_counted(len(self.header.tensors), "tensor")
        explained = Counter(
            f.kind for f in self.findings if f.kind in {"copy", "buffer", "by sum"} for _ in range(f.tensors)
        )
        beside = ", ".join(f"{count:,} {_counted(kind, count)}" for kind, count in explained.items())
        kinds: dict[str, int] = {}
        for finding in self.disagreements:
            if finding.kind != "index":
                kinds[finding.kind] = kinds.get(finding.kind, 0) + max(1, finding.tensors)
        index = "the index says otherwise than the files"
        if kinds:
            said = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
            more = f"; {index}" if self.header.contradictions else ""
            return f"{self.against} and header disagree: {said} of {tensors}{more}"
        more = f", but {index}" if self.header.contradictions else ""
        if self.header.misstatements:
            more += "; the index's total_size is another than their sum"
        return f"{self.against} and header agree on {tensors}" + (f" ({beside})" if beside else "") + more

    def stored_precision(self, precision: Precision) -> Precision:
        """The config's precision, put right where the header stores rows in another plain dtype."""
        formats = {placement.format for placement in self.placements}
        if len(formats) == 1 and not self.agreeing:
            return msgspec.structs.replace(precision, default=formats.pop())
        return msgspec.structs.replace(precision, placements=(*self.placements, *precision.placements))

    def stored_ledger(self, ledger: Ledger) -> Ledger:
        """The ledger, put right where rows have a format of their own and all layers are stored in another."""
        weights = tuple(map(self._as_stored, ledger.weights))
        return msgspec.structs.replace(ledger, weights=weights)

    def _as_stored(self, weight: Weight) -> Weight:
        if weight.stored_as is None:
            return weight
        formats = {
            next((p.format for p in self.placements if p.names(weight) and p.covers(weight, layer)), None)
            for layer in weight.indices or (0,)
        }
        stored = formats.pop() if len(formats) == 1 else None
        return weight if stored is None else msgspec.structs.replace(weight, stored_as=stored)


def _counted(kind: str, count: int) -> str:
    if kind == "by sum":
        return "of towers by their sum alone"
    if kind == "copy":
        return "copy" if count == 1 else "copies"
    return "buffer no ledger has" if count == 1 else "buffers no ledger has"


def reconcile(
    ledger: Ledger,
    precision: Precision,
    header: Header,
    against: str = "config",
    norms: frozenset[str] = KNOWN_NORMS,
) -> Reconciliation:
    """Hold a ledger against a header.

    `against` says in a word where the ledger comes from. `norms` are the names that the model's code may give the
    norms of its layers, of those that the vocabularies know.
    """
    lifted = lift(header)
    rows = expected_rows(ledger)
    bundles = bundle(lifted.parts)
    found = Findings()
    tied = {weight.role for weight in ledger.weights if weight.tied_to}
    by_unit: dict[Unit, list[Bundle]] = {}
    for each in bundles:
        if each.component is None:
            found.add("unknown name", each, each.elements())
        elif each.component not in TOWERS:
            layer = None if each.component is Component.MTP else each.layer
            by_unit.setdefault((each.component, layer), []).append(each)
    _follow(rows, by_unit.get(_OUTSIDE, []))
    naming = Naming(lifted, rows, by_unit, KNOWN_NORMS if lifted.layout.foreign else norms)
    originals = _originals(ledger, bundles, header)
    whole = [component for component in Component if _is_beside(component, ledger, bundles)]
    for unit in dict.fromkeys([*rows, *by_unit]):
        if unit[0] not in whole:
            names = Names(partial(naming.spell, unit), naming.strays(unit))
            own, stored = rows.get(unit, []), by_unit.get(unit, [])
            Matcher(own, stored, precision, found, names, originals, tied).match()
    for component in whole:
        _hold_whole(component, ledger, [each for each in bundles if each.component is component], found)
    _hold_files(header, found)
    buffers = {weight.role for weight in ledger.weights if weight.kind is Kind.BUFFER}
    return Reconciliation(
        header=header,
        layout=lifted.layout.name,
        against=against,
        findings=tuple(found.collapsed()),
        breakdown=break_down(bundles, buffers, tied, found.bits, found.idle, header.duplicates),
        placements=found.placements(),
        agreeing=found.agreeing,
    )


def _hold_files(header: Header, found: Findings) -> None:
    """The files against one another: names stored twice, and an index that says otherwise."""
    stored = {tensor.name: tensor for tensor in header.tensors} if header.duplicates else {}
    for tensor in header.duplicates:
        first = stored[tensor.name]
        same = (tensor.dtype, tensor.shape) == (first.dtype, first.shape)
        said = ", ".join(f"{sides(each.shape)} {each.dtype} in {each.file}" for each in (first, tensor))
        template, layer, _ = template_of(tensor.name)
        found.say(
            Finding(
                "copy" if same else "duplicate",
                template,
                () if layer is None else (layer,),
                stored=said,
                tensors=1,
                elements=tensor.elements,
                bytes=tensor.bytes,
            )
        )
    for text in header.contradictions:
        found.say(Finding("index", text))
    for text in header.misstatements:
        found.say(Finding("total size", text))


def _originals(ledger: Ledger, bundles: Sequence[Bundle], header: Header) -> dict[Role, Original]:
    """What copies of each tensor of the language model must be like.

    llama.cpp quantizes a copy as it likes; a copy in safetensors is the tensor itself, saved twice.
    """
    stored: dict[Role, set[str]] = {}
    for each in bundles:
        if header.format == "safetensors" and each.component is Component.LANGUAGE and each.layer is None:
            for role in _roles(each)[:1]:
                stored.setdefault(role, set()).update(part.dtype for part in each.values)
    made: dict[Role, Original] = {}
    for weight in ledger.weights:
        if weight.component is Component.LANGUAGE and weight.role in {Role.EMBEDDING_TOKENS, Role.HEAD}:
            shape = tuple(int(side.size) for side in weight.shape)
            made[weight.role] = Original(shape, frozenset(stored.get(weight.tied_to or weight.role, ())))
    return made


def _follow(rows: Units, outside: Sequence[Bundle]) -> None:
    """Rows of layers go where the checkpoint keeps them: with a block that several layers share."""
    for role in {role for each in outside if _is_kept_outside(each) for role in _roles(each)}:
        if any(row.weight.role is role for row in rows.get(_OUTSIDE, [])):
            continue
        for unit in [unit for unit in rows if unit[0] is Component.LANGUAGE]:
            moved = [row for row in rows[unit] if row.weight.role is role]
            rows[unit] = [row for row in rows[unit] if row.weight.role is not role]
            rows.setdefault(_OUTSIDE, []).extend(moved)


def _is_kept_outside(each: Bundle) -> bool:
    return each.entry is not None and each.entry.place is Place.OUTSIDE


def _roles(each: Bundle) -> tuple[Role, ...]:
    return each.entry.roles if each.entry else ()


def _is_beside(component: Component, ledger: Ledger, bundles: Sequence[Bundle]) -> bool:
    """Whether a component is held as a whole: towers always, prediction modules where one side has none."""
    if component is not Component.MTP:
        return component in TOWERS
    return not (
        any(weight.component is component for weight in ledger.weights)
        and any(each.component is component for each in bundles)
    )


def _hold_whole(component: Component, ledger: Ledger, bundles: Sequence[Bundle], found: Findings) -> None:
    """A component by its sum, and said to be: the rows of a tower have no names.

    What the config says nothing of stands beside the model; the rest must agree.
    """
    expected = int(sum(w.elements for w in ledger.weights if w.component is component))
    stored = sum(each.elements() for each in bundles)
    tensors, size = sum(each.tensors for each in bundles), sum(each.bytes for each in bundles)
    kind: FindingKind = "other shape"
    if expected == stored:
        if not expected:
            return
        kind = "by sum"
    elif not expected:
        kind = "beside"
    elif not stored:
        kind = "missing"
    found.say(
        Finding(
            kind,
            "MTP modules" if component is Component.MTP else f"{component.value} tower",
            expected=f"{expected:,} elements" if expected else "says nothing of them",
            stored=f"{stored:,} elements",
            tensors=tensors,
            elements=stored or expected,
            bytes=size,
        )
    )
