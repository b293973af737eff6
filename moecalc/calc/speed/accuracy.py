"""How accurate expectations are on measurements they had not seen, and whether anything beats the ceiling."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from moecalc.report import Answer, Report
from moecalc.specs.expectations import EXPECTED_AS, HARDWARE, Ceiling, Hardware, Judged, LeftOut

TARGETS = {
    "decode-b1-single": 0.10,
    "decode-b1-tp": 0.15,
    "decode-static-batch": 0.15,
    "served": 0.18,
    "prefill-b1": 0.20,
}
"""Median errors to reach, set before anything was fitted (docs/accuracy.md)."""

MOSTLY = 0.9
"""From this share of one engine's measurements on, a verdict is said to be of that engine."""


class RegimeAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """The left-out errors of a regime, of all engines or of one class, on all hardware or on one class."""

    regime: str
    engine_class: str
    """`all` where every measurement of the regime counts, each by the fit of its engine's class; `any` where each is
    predicted by the fit over all engines, which answers where no engine is named."""
    judged: Judged
    alone: float | None
    """The median error of fits on this regime's measurements alone; None where they are too few."""
    target: float | None
    sources: tuple[str, ...]
    """Keys of the measurements' `sources.yaml`."""
    hardware: Hardware | None = None
    """None where it is all of it."""
    factor: float | None = None
    """By which half of the predictions are off, either way: in percent what is too fast is off by 100% at most."""
    engine_rows: dict[str, int] = {}
    """Measurements by the program that ran them, most first."""
    source_rows: dict[str, int] = {}
    """Measurements by source, most first."""

    @property
    def is_reached(self) -> bool | None:
        """Whether the median error is within the target; None where there is none."""
        return None if self.target is None else self.judged.median_error <= self.target

    @property
    def mostly_of(self) -> str | None:
        """The engine of nearly all measurements: what is reached is reached on that one."""
        name, rows = next(iter(self.engine_rows.items()), (None, 0))
        return name if rows >= MOSTLY * self.judged.rows else None


class CeilingCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many measurements of a kind there are, and how many were faster than the ceiling."""

    regime: str
    rows: int
    beaten: tuple[str, ...]
    """Measurements faster than the ceiling that holds whatever the routing."""
    beaten_uniform: int
    """Those faster than the one under uniform routing."""


class NotHeld(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements that are kept and held against nothing."""

    reason: str
    rows: int
    regimes: dict[str, int]
    """Rows of each."""


WHOLE_REQUESTS = "output per second of whole requests, prompts among them: no step is timed"
NO_LENGTH = "prompts of a length, or in a number, that is not stated"


class Accuracy(Answer, msgspec.Struct, frozen=True, kw_only=True):
    """What `moecalc accuracy` says."""

    regimes: tuple[RegimeAccuracy, ...]
    ceilings: tuple[CeilingCount, ...]
    not_held: tuple[NotHeld, ...] = ()


class Known(msgspec.Struct, frozen=True):
    """Of a measurement what its prediction does not say."""

    regime: str
    model: str
    device: str
    source: str
    engine: str
    metric: str


def accuracy_of(
    predictions: Iterable[LeftOut], limits: Iterable[Ceiling], known: Mapping[str, Known]
) -> Accuracy:
    """The errors of each regime, class of engines and class of hardware, and the ceilings beaten.

    `known` is by id of the measurement.
    """
    every = list(predictions)
    lines: list[RegimeAccuracy] = []
    for regime in sorted({row.regime for row in every}):
        of_regime = [row for row in every if row.regime == regime]
        named = [row for row in of_regime if row.engine_class != "any"]
        classes = sorted({row.engine_class for row in of_regime} - {"any"})
        lines.append(_line(regime, "all", named, known))
        if len(classes) == 1:
            lines += _by_hardware(regime, "all", named, known)
            continue
        for name in (*classes, "any"):
            rows = [row for row in of_regime if row.engine_class == name]
            if rows:
                lines += [_line(regime, name, rows, known), *_by_hardware(regime, name, rows, known)]
    held: dict[str, list[Ceiling]] = {}
    for limit in limits:
        regime = known[limit.id].regime
        held.setdefault(EXPECTED_AS.get(regime, regime), []).append(limit)
    return Accuracy(
        regimes=tuple(lines),
        ceilings=tuple(_count(regime, limits) for regime, limits in sorted(held.items())),
        not_held=_not_held(
            known, {row.id for row in every} | {one.id for found in held.values() for one in found}
        ),
    )


def _not_held(known: Mapping[str, Known], judged: set[str]) -> tuple[NotHeld, ...]:
    """Why the others cannot be: a prediction is of a decode step, or of a prompt."""
    found: dict[str, Counter[str]] = {}
    for name, row in known.items():
        if name not in judged:
            reason = WHOLE_REQUESTS if row.metric.startswith("output") else NO_LENGTH
            found.setdefault(reason, Counter())[row.regime] += 1
    return tuple(
        NotHeld(reason=reason, rows=regimes.total(), regimes=dict(sorted(regimes.items())))
        for reason, regimes in sorted(found.items(), key=lambda entry: -entry[1].total())
    )


def _by_hardware(
    regime: str, class_: str, rows: list[LeftOut], known: Mapping[str, Known]
) -> Iterable[RegimeAccuracy]:
    found = [name for name in HARDWARE if any(row.hardware == name for row in rows)]
    if len(found) > 1:
        for name in found:
            yield _line(regime, class_, [row for row in rows if row.hardware == name], known, name)


def _line(
    regime: str,
    class_: str,
    rows: list[LeftOut],
    known: Mapping[str, Known],
    hardware: Hardware | None = None,
) -> RegimeAccuracy:
    groups = {row.id: (known[row.id].model, known[row.id].device) for row in rows}
    together = _of(rows, "phase")
    alone = _of(rows, "regime")
    return RegimeAccuracy(
        regime=regime,
        engine_class=class_,
        judged=judged(together, groups),
        factor=_rounded(quantile(sorted(max(of, 1 / of) for of in ratios(together)), 0.5)),
        alone=_rounded(quantile(_off(ratios(alone)), 0.5)) if alone else None,
        target=TARGETS.get(regime) if class_ == "all" and hardware is None else None,
        hardware=hardware,
        sources=tuple(sorted({known[row.id].source for row in together})),
        engine_rows=_counted(known[row.id].engine for row in together),
        source_rows=_counted(known[row.id].source for row in together),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    """How often each comes, most first, and equals by name."""
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def _of(rows: list[LeftOut], fitted_on: Literal["phase", "regime"]) -> list[LeftOut]:
    return [row for row in rows if row.fitted_on == fitted_on]


def _count(regime: str, limits: list[Ceiling]) -> CeilingCount:
    return CeilingCount(
        regime=regime,
        rows=len(limits),
        beaten=tuple(limit.id for limit in limits if limit.measured < limit.unconditional),
        beaten_uniform=sum(limit.measured < limit.uniform for limit in limits),
    )


def ratios(predictions: Iterable[LeftOut]) -> list[float]:
    """Predicted over measured, in order, of every prediction: one without the model, one without the device."""
    return sorted(
        predicted / row.measured
        for row in predictions
        for predicted in (row.without_model, row.without_device)
        if predicted is not None
    )


def judged(predictions: Iterable[LeftOut], groups: Mapping[str, tuple[str, str]]) -> Judged:
    """The errors of left-out predictions; `groups` are the model and device groups of each measurement."""
    rows = list(predictions)
    found = ratios(rows)
    off = _off(found)
    inverse = sorted(1 / ratio for ratio in found)
    return Judged(
        rows=len(rows),
        models=tuple(sorted({groups[row.id][0] for row in rows})),
        devices=tuple(sorted({groups[row.id][1] for row in rows})),
        median_error=_rounded(quantile(off, 0.5)),
        p90_error=_rounded(quantile(off, 0.9)),
        bias=_rounded(quantile(found, 0.5) - 1),
        low=_rounded(quantile(inverse, 0.1)),
        high=_rounded(quantile(inverse, 0.9)),
    )


def quantile(ordered: list[float], share: float) -> float:
    """The quantile of ordered values, linear between two of them (Hyndman and Fan 1996, definition 7)."""
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def _off(found: list[float]) -> list[float]:
    return sorted(abs(ratio - 1) for ratio in found)


def _rounded(value: float) -> float:
    return round(value, 4)


def accuracy_report(found: Accuracy) -> Report:
    """`moecalc accuracy` as a report."""
    return Report(command="accuracy", models=(), extra=msgspec.to_builtins(found))
