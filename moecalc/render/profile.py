"""`moecalc profile`: computed beside measured, then where the time goes, then what was measured on what."""

from collections.abc import Callable, Iterable, Sequence

from moecalc.calc.speed.calibrated import weakness
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.render.rates import digits, duration, rate
from moecalc.specs.runs import Calibration, Figure, Phase, Point, Run, RunDevice
from moecalc.units import (
    format_bytes_binary,
    format_flops,
    format_int,
    format_percent,
)

HEADER = ["", "computed", "measured", "ratio", ""]
ALIGN = "<>>><"
COMPONENTS_HEADER = ["component", "takes", "share"]
NOT_MEASURED = "-"
CALIBRATED_HEADER = [
    "calibrated",
    "x memory",
    "x arithmetic",
    "per operation",
    "half within",
]


def profile_text(run: Run, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(line) for line in paragraph(heading(run), columns, "  ")]
    lines += [*paragraph(device_words(run), columns, "  "), ""]
    lines += _laid(rows(run), columns)
    for point in shown_points(run):
        parts = component_rows(run, point.phase, point.batch)
        if parts:
            lines += ["", step_words(point), *table(parts, "<>>")]
    if run.calibration is not None:
        lines += ["", *table(calibration_rows(run.calibration), "<>>>>")]
        lines += paragraph(calibration_words(run.calibration), columns)
    lines += ["", *(dim(line) for line in paragraph(conditions(run), columns, "  "))]
    for note in run.notes:
        lines += paragraph(f"note: {note}", columns, "  ")
    return "\n".join(lines)


def profile_markdown(run: Run) -> str:
    """The same as Markdown."""
    parts = [f"**{heading(run)}**: {device_words(run)}", markdown_table(rows(run))]
    for point in shown_points(run):
        made = component_rows(run, point.phase, point.batch)
        if made:
            parts += [step_words(point), markdown_table(made)]
    if run.calibration is not None:
        parts += [markdown_table(calibration_rows(run.calibration)), calibration_words(run.calibration)]
    return "\n\n".join([*parts, conditions(run), *(f"note: {note}" for note in run.notes)])


def heading(run: Run) -> str:
    """Model, how it was run, and on what."""
    whole = "whole" if run.layers == "whole" else "composed of its kinds of layers"
    stored = "" if run.quant is None else f", matrices stored as {run.quant}"
    return f"{run.model} in {run.dtype}{stored}, {whole}, on {run.device.name}"


def device_words(run: Run) -> str:
    """What the device reached in this run."""
    of = run.ceilings
    return (
        f"measured now: copy {_bytes_per_second(of.copy_bytes_per_second)}, read "
        f"{_bytes_per_second(of.read_bytes_per_second)}, {format_flops(round(of.flops_per_second))}/s in {of.dtype}"
        + (f" ({of.matmul_form})" if of.matmul_form else "")
    )


def rows(run: Run) -> list[list[str]]:
    """A header and all lines, under a heading for each step."""
    made = [HEADER]
    made += [row(figure) for figure in run.figures if figure.batch is None]
    for point in shown_points(run):
        made.append([step_words(point)])
        made += [
            row(figure, indent="  ")
            for figure in run.figures
            if figure.batch == point.batch and figure.id.startswith(f"{point.phase}.")
        ]
    return made


def row(figure: Figure, indent: str = "") -> list[str]:
    """One line of the table."""
    ratio = figure.ratio
    return [
        indent + figure.label,
        _value(figure, figure.computed),
        _value(figure, figure.measured),
        "" if ratio is None else f"{ratio:.3f}",
        "; ".join(word for word in (verdict(figure), figure.note) if word),
    ]


def verdict(figure: Figure) -> str:
    """How a line is judged, with what it had to hold within."""
    said = figure.verdict
    if said == "reported":
        return ""
    if said in {"within", "outside"} and figure.tolerance:
        return f"{said} {format_percent(figure.tolerance)}"
    return "not equal" if said == "outside" else said


def shown_points(run: Run) -> list[Point]:
    """The steps that the table has: those of the prompt and the context that were asked for."""
    asked: dict[Phase, int] = {"prefill": run.prompt, "decode": run.context}
    return [point for point in run.points if point.tokens == asked[point.phase]]


def step_words(point: Point) -> str:
    """What a step is asked."""
    if point.phase == "decode":
        sequences = "1 sequence" if point.batch == 1 else f"{point.batch:,} sequences"
        return f"decode, {sequences}, {point.tokens:,} keys each"
    return f"prefill, {point.tokens:,} tokens"


def component_rows(run: Run, phase: Phase, batch: int) -> list[list[str]]:
    """A header and the components of a step, largest first; empty where the trace told none."""
    found = [time for time in run.components if (time.phase, time.batch) == (phase, batch)]
    if not found:
        return []
    return [
        COMPONENTS_HEADER,
        *([f"  {time.name}", duration(time.seconds), format_percent(time.share)] for time in found),
    ]


def calibration_rows(calibration: Calibration) -> list[list[str]]:
    """A header and the coefficients of each phase."""
    return [
        CALIBRATED_HEADER,
        *(
            [
                f"{phase}, {of.points} points",
                f"{of.memory:.2f}",
                f"{of.compute:.2f}",
                duration(of.operation_seconds) if of.operation_seconds else "0",
                "too few points" if of.median_error is None else format_percent(of.median_error),
            ]
            for phase, of in calibration.phases.items()
        ),
    ]


def calibration_words(calibration: Calibration) -> str:
    """What the table of coefficients says, and which of them little rests on."""
    weak = [f"{phase} ({words})" for phase, of in calibration.phases.items() if (words := weakness(of))]
    said = "a step takes the sum of its terms; half within: of points left out in turn"
    return f"{said}. Weak: {', '.join(weak)}" if weak else said


def conditions(run: Run) -> str:
    """Under which conditions all this was measured."""
    device = run.device
    said = [
        run.runner,
        f"torch {device.torch}",
        f"driver {device.driver}" if device.driver else "",
        f"{device.threads} threads" if device.threads else "",
        clock_words(device),
        arithmetic_words(run),
        device.system,
        f"{run.date:%Y-%m-%d %H:%M} UTC",
        _routing(run) if any(f.id.endswith(".experts") for f in run.figures) else "",
        f"up to {run.repeats} repeats, median",
        f"seed {run.seed}",
        "random weights",
        "ratio: measured / computed",
        "components: of a profiled step of their own, which is slower" if run.components else "",
    ]
    return "conditions: " + ", ".join(word for word in said if word)


def _routing(run: Run) -> str:
    """Whose choices of experts were timed, and under which law what stands beside was computed."""
    own = run.runner == "moecalc"
    return f"{run.routing} routing" if own else f"the library's own routing, computed as {run.routing}"


def arithmetic_words(run: Run) -> str:
    """What torch was allowed to do to products in the run's type; nothing where it has no say, or nobody knows."""
    of = run.arithmetic
    if of is None or run.device.kind == "cpu":
        return ""
    if run.dtype == "fp32":
        tf32 = {True: "in TF32", False: "in full fp32"}
        return f"products {tf32[bool(of.tf32_matmul)]}, convolutions {tf32[bool(of.tf32_convolution)]}"
    reduced = of.reduced_bf16_sums if run.dtype == "bf16" else of.reduced_fp16_sums
    return f"sums of products may be in {run.dtype}" if reduced else "sums of products in fp32"


def clock_words(device: RunDevice) -> str:
    """The clock under load of the highest; nothing of a processor, whose clock nobody asks."""
    if device.kind == "cpu":
        return ""
    if device.clock_mhz is None:
        return "clock unknown"
    most = f" of at most {format_int(device.clock_max_mhz)}" if device.clock_max_mhz is not None else ""
    return f"{format_int(device.clock_mhz)} MHz{most} under load"


def _laid(rows: Sequence[Sequence[str]], columns: int) -> Iterable[str]:
    """The rows as a table; remarks that do not fit go on a line of their own."""
    plain = [list(row[:4]) for row in rows]
    # Headings of steps may be longer than labels: they are not laid out in columns.
    laid = iter(table([row for row in plain if len(row) > 1], ALIGN[:4]))
    widest = 0
    lines: list[tuple[str, str]] = []
    for row in rows:
        line = row[0] if len(row) == 1 else next(laid)
        lines.append((line, row[4] if len(row) > 4 else ""))
        if len(row) > 1:
            widest = max(widest, len(line))
    for line, remark in lines:
        if not remark:
            yield line
        elif widest + 2 + len(remark) <= columns:
            yield f"{line:<{widest}}  {remark}"
        else:
            yield line
            yield from (f"      {part}" for part in paragraph(remark, columns - 6))


def _value(figure: Figure, value: float | None) -> str:
    if value is None:
        return NOT_MEASURED if figure.computed is not None else ""
    written = _WRITTEN.get(figure.unit)
    if written is not None:
        return written(value)
    return format_int(value) if isinstance(value, int) else digits(value)


_WRITTEN: dict[str, Callable[[float], str]] = {
    "bytes": lambda value: format_bytes_binary(int(value), digits=4),
    "FLOPs": lambda value: format_flops(int(value), digits=4),
    "s": duration,
    "tokens/s": rate,
    "share": format_percent,
}
"""How a value of a unit is written; a count as it is."""


def _bytes_per_second(value: float) -> str:
    return f"{digits(value / 1e9)} GB/s"
