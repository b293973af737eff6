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

CEILINGS = (
    "The ceiling is that of tokens that share their experts, which holds whatever the routing; under uniform routing, "
    "an average, batches of MoE models can be faster."
)


def accuracy_text(found: Accuracy) -> str:
    """For the terminal."""
    columns = width()
    lines = table([HEADER, *map(_row, found.regimes)], "<<<>>>>>>>>")
    if max(map(len, lines)) > columns:
        kept = [row[:4] + row[6:8] + row[9:10] for row in [HEADER, *map(_row, found.regimes)]]
        lines = table(kept, "<<<>>>>")
    counts = table([["ceiling", "rows", "beaten", "uniform"], *map(_counts, found.ceilings)], "<>>>")
    parts = [bold(lines[0]), *lines[1:], "", *paragraph(NOTE, columns)]
    parts += ["", bold(counts[0]), *counts[1:], "", *paragraph(CEILINGS, columns)]
    return "\n".join([*parts, *_beaten(found, columns), *_sources(found, columns)])


def accuracy_markdown(found: Accuracy) -> str:
    """For documents, with the sources."""
    rows = [[*_row(line), ", ".join(line.sources)] for line in found.regimes]
    counts = [["ceiling", "rows", "beaten", "uniform"], *map(_counts, found.ceilings)]
    return "\n\n".join(
        [markdown_table([[*HEADER, "sources"], *rows]), NOTE, markdown_table(counts), CEILINGS]
    )


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


def _reached(line: RegimeAccuracy) -> str:
    assert line.target is not None
    return "reached" if line.judged.median_error <= line.target else "missed"


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
    lines = ["", *paragraph(f"sources: {', '.join(keys)}; docs/measurements.md has them in full", columns)]
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
