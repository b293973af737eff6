"""Fit what is expected of speed on the published measurements: `python -m tests.accuracy.fit`.

Writes `moecalc/specs/data/expectations`. By which rule is in docs/accuracy.md. Deterministic: a second run changes
nothing.
"""

import csv
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import msgspec
import numpy as np
import yaml

from moecalc.calc.speed.accuracy import judged
from moecalc.calc.speed.traffic import SHARED
from moecalc.specs.expectations import (
    FOLDER,
    LEAST_DEVICES,
    LEAST_ROWS,
    Ceiling,
    Coefficient,
    Fit,
    LeftOut,
    Range,
    Share,
    Spans,
)
from moecalc.specs.measurements import measurements
from tests.accuracy.folding import Table
from tests.accuracy.forms import CELLS, Cell
from tests.accuracy.rows import (
    DEVICE_GROUP,
    MODEL_GROUP,
    NO_CONTEXT,
    is_decode,
    is_loaded,
    is_prefill,
    roofline,
    row,
)

DIGITS = 5
"""Significant digits of what is written."""

GROUPS = {m.id: (MODEL_GROUP[m.model], DEVICE_GROUP[m.device]) for m in measurements()}


def table(cell: Cell, regime: str | None = None) -> Table:
    """The rows of a cell, or those of one of its regimes."""
    times = {"decode": is_decode, "prefill": is_prefill, "loaded": is_loaded}[cell.phase]
    rows = [
        row(measured)
        for measured in measurements()
        if measured.regime in cell.regimes and measured.metric in cell.metrics and times(measured)
    ]
    rows = [found for found in rows if regime in {None, found.regime}]
    return Table(cell, tuple(r for r in rows if cell.engine_class in {"any", r.engine_class}))


def regimes(data: Table) -> list[str]:
    """The regimes of its rows."""
    return sorted({found.regime for found in data.rows})


def enough(rows) -> bool:
    """Whether anything may be expected on the strength of the rows."""
    return len(rows) >= LEAST_ROWS and len({found.device for found in rows}) >= LEAST_DEVICES


def left_out(data: Table, fitted_on: str) -> list[LeftOut]:
    """What was predicted of each row by fits that had not seen its model, or its device."""
    by_model, by_device = data.left_out(data.models), data.left_out(data.devices)
    return [
        LeftOut(
            fitted_on=fitted_on,
            regime=found.regime,
            hardware=found.hardware,
            engine_class=data.cell.engine_class,
            id=found.id,
            measured=rounded(found.seconds),
            without_model=None if np.isnan(without_model) else rounded(without_model),
            without_device=None if np.isnan(without_device) else rounded(without_device),
        )
        for found, without_model, without_device in zip(data.rows, by_model, by_device, strict=True)
    ]


def fitted(data: Table, predictions: list[LeftOut]) -> Fit:
    """The fit on all rows, with the errors that the same procedure made on rows it had not seen."""
    (form, overlap), coefficients = data.choose(np.ones(len(data.rows), dtype=bool))
    return Fit(
        phase=data.cell.phase,
        engine_class=data.cell.engine_class,
        overlap=overlap,
        coefficients=tuple(
            Coefficient(term=term, value=rounded(value), hardware=hardware)
            for (term, hardware), value in zip(form, coefficients, strict=True)
        ),
        regimes={
            regime: Spans(
                batch=span(r.batch for r in data.rows if r.regime == regime),
                tokens=span(r.tokens for r in data.rows if r.regime == regime),
                reach=reach([r for r in data.rows if r.regime == regime]),
                devices=span(r.devices for r in data.rows if r.regime == regime),
                past=longest_past([r for r in data.rows if r.regime == regime]),
                judged=judged([p for p in predictions if p.regime == regime], GROUPS),
                hardware=by_hardware([p for p in predictions if p.regime == regime]),
                engines=by_engines(data, [p for p in predictions if p.regime == regime]),
            )
            for regime in regimes(data)
        },
        hardware=by_hardware(predictions),
        sources=tuple(sorted({found.source for found in data.rows})),
    )


def reach(rows) -> dict[str, Range]:
    """Tokens from the fewest to the most that were measured on each class of hardware."""
    classes = sorted({r.hardware for r in rows})
    return {name: span(r.tokens for r in rows if r.hardware == name) for name in classes}


def longest_past(rows) -> dict[str, int]:
    """The most cached tokens that a prompt stood behind on each class of hardware, where any did."""
    longest = {name: max(r.past for r in rows if r.hardware == name) for name in {r.hardware for r in rows}}
    return {name: past for name, past in sorted(longest.items()) if past}


def by_hardware(predictions: list[LeftOut]):
    """The errors of each class of hardware."""
    classes = sorted({p.hardware for p in predictions})
    return {name: judged([p for p in predictions if p.hardware == name], GROUPS) for name in classes}


def by_engines(data: Table, predictions: list[LeftOut]) -> dict[str, dict[str, Share]]:
    """How far a fit over all engines lies from each of their classes, on hardware where several were measured."""
    if data.cell.engine_class != "any":
        return {}
    class_of_row = {found.id: found.engine_class for found in data.rows}
    shares: dict[str, dict[str, Share]] = {}
    for hardware, name in sorted({(p.hardware, class_of_row[p.id]) for p in predictions}):
        own = [p for p in predictions if (p.hardware, class_of_row[p.id]) == (hardware, name)]
        of = judged(own, GROUPS)
        shares.setdefault(hardware, {})[name] = Share(rows=of.rows, bias=of.bias)
    return {hardware: of for hardware, of in shares.items() if len(of) > 1}


def work(cell: Cell, regime: str | None) -> tuple[Fit | None, list[LeftOut]]:
    """The fit of a cell and its left-out predictions; of a regime alone the predictions, where it has enough rows."""
    data = table(cell, regime)
    if regime is None:
        predictions = left_out(data, "phase")
        return fitted(data, predictions), predictions
    return None, left_out(data, "regime") if enough(data.rows) else []


def ceilings() -> list[Ceiling]:
    """Every measurement of a step beside its ceiling, at the batch that its source states."""
    found = []
    for measured in measurements():
        if is_decode(measured):
            of, at = roofline(measured).decode, (measured.batch, measured.context or NO_CONTEXT)
        elif is_prefill(measured):
            of, at = roofline(measured).prefill, (measured.prompt, measured.batch, measured.past)
        else:
            continue
        found.append(
            Ceiling(
                id=measured.id,
                measured=rounded(measured.step_seconds or measured.prefill_seconds),
                unconditional=rounded(of(*at, routing=SHARED).seconds),
                uniform=rounded(of(*at).seconds),
            )
        )
    return found


def rounded(value) -> float:
    """To the digits that are written."""
    return float(f"{value:.{DIGITS}g}")


def span(values) -> Range:
    """From the smallest to the largest."""
    found = list(values)
    return Range(low=min(found), high=max(found))


def write_yaml(path, fit: Fit) -> None:
    """As YAML that strict_yaml reads back."""
    head = "# Written by `python -m tests.accuracy.fit`.\n"
    plain = msgspec.to_builtins(fit)
    path.write_text(
        head + yaml.safe_dump(plain, sort_keys=False, width=110, default_flow_style=None), encoding="utf-8"
    )


def write_table(path, rows) -> None:
    """As tab-separated values, an empty cell for None."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        columns = rows[0].__struct_fields__
        writer.writerow(columns)
        for found in rows:
            values = (getattr(found, column) for column in columns)
            writer.writerow("" if value is None else value for value in values)


def main() -> None:
    """Fit every cell, on its phase and on each of its regimes alone, and write everything."""
    started = time.monotonic()
    FOLDER.mkdir(exist_ok=True)
    tasks = [(cell, None) for cell in CELLS]
    tasks += [
        (cell, regime) for cell in CELLS if cell.engine_class != "any" for regime in regimes(table(cell))
    ]
    with ProcessPoolExecutor(max_workers=2) as pool:
        done = list(pool.map(work, *zip(*tasks, strict=True)))
    for fit in (fit for fit, _ in done if fit is not None):
        write_yaml(FOLDER / f"{fit.phase}.{fit.engine_class}.yaml", fit)
    write_table(FOLDER / "left_out.tsv", [prediction for _, found in done for prediction in found])
    write_table(FOLDER / "ceilings.tsv", ceilings())
    sys.stderr.write(f"{len(measurements())} measurements, {time.monotonic() - started:.0f} s\n")


if __name__ == "__main__":
    main()
