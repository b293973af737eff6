"""A run as a report: what was computed and what was measured, line by line."""

from collections.abc import Iterator

from moecalc.report import Basis, Line, ModelReport, Report
from moecalc.specs.runs import Figure, Run


def run_report(run: Run, warnings: tuple[str, ...] = ()) -> Report:
    """`moecalc profile --json`: for each figure two lines, and the whole run beside them."""
    return Report(
        command="profile",
        models=(ModelReport(name=run.model, source=run.source, lines=tuple(_lines(run))),),
        defaults={"seed": run.seed, "repeats": run.repeats, "routing": run.routing},
        warnings=(*run.notes, *warnings),
        extra={
            "run": run.to_builtins(),
            "verdicts": [
                {
                    "id": figure.id,
                    "batch": figure.batch,
                    "ratio": figure.ratio,
                    "verdict": figure.verdict,
                    "tolerance": figure.tolerance,
                }
                for figure in run.figures
            ],
        },
    )


def _lines(run: Run) -> Iterator[Line]:
    for figure in run.figures:
        if figure.computed is not None:
            yield _line(figure, "computed", figure.computed, "exact" if figure.tolerance == 0 else "estimate")
        yield _line(figure, "measured", figure.measured, "measured", run)


def _line(figure: Figure, which: str, value: float | None, basis: Basis, run: Run | None = None) -> Line:
    where = f"batch {figure.batch:,}" if figure.batch is not None else ""
    on = f"{run.device.name}, {run.date:%Y-%m-%d}" if run else ""
    batch = "" if figure.batch is None else f".batch_{figure.batch}"
    return Line(
        id=f"profile.{figure.id}{batch}.{which}",
        label=f"{figure.label}, {which}",
        value=value,
        unit=figure.unit,
        basis=basis,
        note="; ".join(word for word in (where, on, figure.note if run else "") if word),
    )
