"""The table of stored profiler runs in the README: measured beside computed, from `tests/validation/runs`."""

import re
from pathlib import Path

from moecalc.render.markdown import markdown_table
from moecalc.render.rates import duration
from moecalc.specs.runs import Run, read_all
from moecalc.units import format_bytes_decimal
from tests.console import ROOT

RUNS = ROOT / "tests" / "validation" / "runs"

BLOCK = re.compile(r"(?<=<!-- measured runs -->\n).*?(?=<!-- end of measured runs -->)", re.DOTALL)

HEAD = ["model", "device", "parameters, bytes, FLOPs", "peak memory, prefill", "prefill", "decode step"]


def rewritten_runs(document: str) -> str:
    """The document with its table of runs made afresh."""
    made, times = BLOCK.subn(lambda _: f"{table(RUNS)}\n", document)
    assert times == 1, "one table of runs"
    return made


def table(folder: Path) -> str:
    """A row for each stored run, at batch 1: what was measured, and its ratio to what was computed."""
    return markdown_table([HEAD, *(_row(run) for run in read_all(folder).values())])


def _row(run: Run) -> list[str]:
    device = f"{run.device.name}, {run.device.threads} threads" if run.device.threads else run.device.name
    exact = [figure for figure in run.figures if figure.tolerance == 0 and figure.label != "experts touched"]
    held = sum(figure.verdict == "exact" for figure in exact)
    peak = run.figure("prefill.peak_bytes", 1)
    assert peak.ratio is not None and peak.measured is not None  # noqa: PT018 - both are there, or neither
    return [
        f"{run.model}, {run.dtype}, {run.layers}",
        f"{device}, {run.date.date()}",
        f"{held} of {len(exact)} equal",
        f"{format_bytes_decimal(peak.measured)}, {peak.ratio:.3f}x",
        _timed(run, "prefill", f"{run.prompt:,} tokens"),
        _timed(run, "decode", f"at {run.context:,}"),
    ]


def _timed(run: Run, phase: str, words: str) -> str:
    """The median, and how many times the least that it can take at the rates of the same run."""
    figure = run.figure(f"{phase}.seconds", 1)
    if figure.measured is None or figure.ratio is None:
        return "not measured"
    return f"{words}: {duration(figure.measured)}, {figure.ratio:.1f}x the least"
