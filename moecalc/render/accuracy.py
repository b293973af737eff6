"""The table of `moecalc accuracy`."""

from moecalc.calc.speed.accuracy import Accuracy, CeilingCount, RegimeAccuracy
from moecalc.calc.speed.profiled import REGIMES
from moecalc.render.layout import bold, paragraph, table, width
from moecalc.render.markdown import markdown_table
from moecalc.specs.expectations import Hardware

RUNS = frozenset(REGIMES.values())

HEADER = [
    "regime",
    "engines",
    "hardware",
    "rows",
    "models",
    "devices",
    "median",
    "p90",
    "bias",
    "target",
    "alone",
]

HARDWARE: dict[Hardware | None, str] = {None: "", "hbm": "NVIDIA HBM", "gddr": "GDDR", "metal": "Apple"}
ENGINES = {"any": "not named"}

NOTE = (
    "Of each measurement two predictions, by fits without its model and without its device: their error against it "
    "(median, and 9 in 10 are below p90), bias above 0 is too slow. alone: the median where only this regime is "
    "fitted; not named: one fit over all engines, which answers without `--engine`; GDDR or LPDDR."
)

WIDE = 0.5
"""A median error beyond which a line is called an order of magnitude."""

CEILINGS = (
    "The ceiling is that of tokens that share their experts, which holds whatever the routing; under uniform routing, "
    "an average, batches of MoE models can be faster."
)


def accuracy_text(found: Accuracy) -> str:
    """For the terminal."""
    columns = width()
    rows = [_nested(row) for row in [HEADER, *map(_row, found.regimes)]]
    lines = table(rows, "<>>>>>><>")
    if max(map(len, lines)) > columns:
        lines = table([[*row[:2], *row[4:6], row[7]] for row in rows], "<>>><")
    counts = table([["ceiling", "rows", "beaten", "uniform"], *map(_counts, found.ceilings)], "<>>>")
    behind = table([["behind it", "engines (rows)", "sources (rows)"], *map(_behind, _whole(found))], "<<<")
    parts = [bold(lines[0]), *lines[1:], "", *paragraph(NOTE, columns), *_wide(found, columns)]
    parts += ["", bold(behind[0]), *behind[1:]]
    parts += ["", bold(counts[0]), *counts[1:], "", *paragraph(CEILINGS, columns)]
    parts += _beaten(found, columns)
    if found.not_held:
        parts += ["", *(line for said in _not_held(found) for line in paragraph(said, columns))]
    return "\n".join([*parts, *_sources(found, columns)])


def accuracy_markdown(found: Accuracy) -> str:
    """For documents, with the sources."""
    rows = [
        [*_row(line), _all(line.engine_rows), _all(line.source_rows) or ", ".join(line.sources)]
        for line in found.regimes
    ]
    counts = [["ceiling", "rows", "beaten", "uniform"], *map(_counts, found.ceilings)]
    return "\n\n".join(
        [
            markdown_table([[*HEADER, "engines (rows)", "sources (rows)"], *rows]),
            *[NOTE, *_imprecise(found)],
            *[markdown_table(counts), CEILINGS],
            *_not_held(found),
        ]
    )


def _not_held(found: Accuracy) -> list[str]:
    """What is kept of the measurements and held against nothing."""
    return [
        f"kept and held against nothing: {entry.rows} rows ({_all(entry.regimes)}): {entry.reason}"
        for entry in found.not_held
    ]


def _row(line: RegimeAccuracy) -> list[str]:
    of = line.judged
    target = "-" if line.target is None else f"{line.target:.0%} {_reached(line)}"
    return [
        line.regime if line.engine_class == "all" and line.hardware is None else "",
        "" if line.hardware else ENGINES.get(line.engine_class, line.engine_class),
        HARDWARE[line.hardware],
        f"{of.rows:,}",
        str(len(of.models)),
        str(len(of.devices)),
        f"{of.median_error:.1%}",
        f"{of.p90_error:.0%}",
        f"{of.bias:+.0%}",
        target,
        "-" if line.alone is None else f"{line.alone:.1%}",
    ]


def _nested(row: list[str]) -> list[str]:
    """A row of the terminal's: engines and hardware stand under their regime."""
    regime, engines, hardware, *figures = row
    return [regime or (f"    {hardware}" if hardware else f"  {engines}"), *figures]


def _whole(found: Accuracy) -> list[RegimeAccuracy]:
    """The lines of whole regimes that say what stands behind them; runs are named below the table."""
    return [
        line
        for line in found.regimes
        if line.engine_class == "all" and line.hardware is None and line.source_rows
    ]


def _behind(line: RegimeAccuracy) -> list[str]:
    """The engine and the source of most measurements, and how much else there is."""
    (engine, rows), *_ = line.engine_rows.items()
    others = line.judged.rows - rows
    (source, most), *more = line.source_rows.items()
    return [
        line.regime,
        f"{engine} {rows}" + (f", other {others}" if others else ""),
        f"{source} {most}" + (f" +{len(more)}" if more else ""),
    ]


def _all(rows: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in rows.items())


def _imprecise(found: Accuracy) -> list[str]:
    """Which regimes are too far off to be called accurate."""
    return [
        f"{line.regime}: half of the predictions are off by more than {line.judged.median_error:.0%}"
        + (f", either way by more than {line.factor:.1f}x" if line.factor else "")
        + ": an order of magnitude, not an accurate figure."
        for line in _whole(found)
        if line.judged.median_error > WIDE
    ]


def _wide(found: Accuracy, columns: int) -> list[str]:
    return [line for words in _imprecise(found) for line in ["", *paragraph(words, columns)]]


def _reached(line: RegimeAccuracy) -> str:
    if not line.is_reached:
        return "missed"
    return f"reached, on {line.mostly_of}" if line.mostly_of else "reached"


def _counts(count: CeilingCount) -> list[str]:
    return [count.regime, f"{count.rows:,}", str(len(count.beaten)), str(count.beaten_uniform)]


def _beaten(found: Accuracy, columns: int) -> list[str]:
    of_runs = [name for count in found.ceilings if count.regime in RUNS for name in count.beaten]
    ids = [name for count in found.ceilings if count.regime not in RUNS for name in count.beaten]
    if of_runs:
        words = f"beaten by runs: {', '.join(of_runs)}: what they read lies in caches, or the device was not steady"
        return [*_beaten(_published(found), columns), "", *paragraph(words, columns)]
    if not ids:
        return []
    words = f"beaten: {', '.join(ids)}: more requests at once than memory holds, so the batch was smaller"
    return ["", *paragraph(f"{words} (docs/accuracy.md)", columns)]


def _sources(found: Accuracy, columns: int) -> list[str]:
    keys = sorted({key for line in found.regimes if line.regime not in RUNS for key in line.sources})
    words = f"sources: {', '.join(keys)}; docs/measurements.md has them in full, `--json` the rows of each"
    lines = ["", *paragraph(words, columns)]
    runs = sorted({key for line in found.regimes if line.regime in RUNS for key in line.sources})
    if runs:
        words = "each predicted by fits on runs of other models on its device"
        lines += ["", *paragraph(f"runs: {', '.join(runs)}; {words}", columns)]
    return lines


def _published(found: Accuracy) -> Accuracy:
    """The table without stored runs."""
    return Accuracy(
        regimes=tuple(line for line in found.regimes if line.regime not in RUNS),
        ceilings=tuple(count for count in found.ceilings if count.regime not in RUNS),
    )
