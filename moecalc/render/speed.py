"""`moecalc speed`: ceiling and expectation first, then what binds, then where the time goes."""

from collections.abc import Iterable, Sequence

from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.speculation import UNMEASURED, Speculation
from moecalc.calc.speed.speed import Speed
from moecalc.calc.speed.speed_groups import GroupTime
from moecalc.calc.speed.speed_lines import assumed, ceiling_words, no_peak, warnings
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.render.rates import duration, rate
from moecalc.render.speed_remarks import remarks
from moecalc.units import format_bytes_decimal, format_flops

SHOWN = 8
"""Components that the table names; the rest of a model's step is a few per cent."""

WORDS = {"kv_dtype": "KV"}
"""What defaults are called where it is not their name."""


def speed_text(speed: Speed, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(line) for line in paragraph(heading(speed), columns, "  ")]
    lines += [*paragraph(verdict(speed), columns, "  "), ""]
    lines += [*_laid(answer_rows(speed), "<>>><", columns), ""]
    for remark in remarks(speed):
        lines += paragraph(remark, columns, "  ")
    if speed.groups and speed.is_held:
        lines += ["", *_laid(group_rows(speed), "<>>>><", columns)]
    if speed.hybrid is not None:
        lines += ["", *_laid(part_rows(speed), "<>>", columns)]
    if speed.speculation is not None:
        lines += ["", *_laid(gain_rows(speed.speculation, speed), "<>>>>>", columns)]
        for remark in speculation_remarks(speed.speculation, speed):
            lines += paragraph(remark, columns, "  ")
    lines += ["", *[dim(line) for line in paragraph(_assumed(speed), columns, "  ")]]
    for warning in _warnings(speed):
        lines += paragraph(f"warning: {warning}", columns, "  ")
    return "\n".join(lines)


def speed_markdown(speed: Speed) -> str:
    """The same as Markdown."""
    parts = [f"**{heading(speed)}**: {verdict(speed)}", markdown_table(answer_rows(speed)), *remarks(speed)]
    if speed.groups and speed.is_held:
        parts.append(markdown_table(group_rows(speed)))
    if speed.hybrid is not None:
        parts.append(markdown_table(part_rows(speed)))
    if speed.speculation is not None:
        parts.append(markdown_table(gain_rows(speed.speculation, speed)))
        parts += speculation_remarks(speed.speculation, speed)
    return "\n\n".join([*parts, _assumed(speed), *(f"warning: {warning}" for warning in _warnings(speed))])


def heading(speed: Speed) -> str:
    """Model, devices, plan and what they are asked."""
    plan = f", {speed.plan.words}" if speed.devices > 1 else ""
    decode = speed.decode
    sequences = "1 sequence" if decode.batch == 1 else f"{decode.batch:,} sequences"
    return f"{speed.model} on {speed.fleet.describe()}{plan}: {sequences} of {decode.context:,} tokens"


def verdict(speed: Speed) -> str:
    """What can be had at most, and what is expected."""
    decode = speed.decode
    said = "" if speed.is_held else "does not fit; on devices with more memory: "
    said += f"decode: at most {rate(decode.ceiling_tokens_per_second_per_user)} tokens/s"
    if decode.batch > 1:
        said += f" per sequence, {rate(decode.ceiling_tokens_per_second)} in all"
    conditions = ["under this plan"] if speed.devices > 1 else []
    conditions += ["without speculation"] if speed.speculation is not None else []
    said += f", {' and '.join(conditions)}" if conditions else ""
    said += f"; {_expected(speed.expected, decode.batch)}"
    if isinstance(speed.expected, Expected) and speed.expected is not decode.expected:
        said += " under continuous batching"
    if speed.first is None or speed.prefill is None:
        return f"{said}. prefill: not known, {no_peak(speed)}"
    least = duration(float(speed.first.ceiling.seconds))
    said += f". prompt of {speed.workload.prompt:,}: first token after at least {least}"
    if isinstance(speed.first.expected, Expected):
        e = speed.first.expected
        said += f", expected {duration(e.seconds)} ({duration(e.low_seconds)} to {duration(e.high_seconds)})"
    return said


def answer_rows(speed: Speed) -> list[list[str]]:
    """A header, and ceiling and expectation of decoding and of reading prompts."""
    decode = speed.decode
    rows = [["tokens/s", "per sequence", "in all", "takes", ""]]
    routed = speed.touched_share is not None
    rows.append(
        [
            "decode, ceiling",
            rate(decode.ceiling_tokens_per_second_per_user),
            rate(decode.ceiling_tokens_per_second),
            duration(float(decode.ceiling.seconds)),
            f"{speed.routing.words} routing" if routed else "",
        ]
    )
    if routed and decode.batch > 1:
        rows.append(
            [
                "  whatever the routing",
                rate(decode.unconditional_tokens_per_second / decode.batch),
                rate(decode.unconditional_tokens_per_second),
                duration(float(decode.unconditional.seconds)),
                "all share experts",
            ]
        )
    for words, found in (("  expected", decode.expected), ("  expected, served", speed.served)):
        if isinstance(found, Expected):
            rows.append(
                [
                    words,
                    rate(1 / found.seconds),
                    rate(decode.batch / found.seconds),
                    duration(found.seconds),
                    f"{duration(found.low_seconds)} to {duration(found.high_seconds)}",
                ]
            )
    for name, of in (("prefill", speed.prefill), ("one prompt alone", speed.first)):
        if of is None or (of is speed.first and speed.plan.replicas == 1 and name != "prefill"):
            continue
        at_once = "to the first token" if of.prompts == 1 else f"{of.prompts} prompts at once"
        rows.append(
            [
                f"{name}, ceiling",
                "",
                rate(of.ceiling_tokens_per_second),
                duration(float(of.ceiling.seconds)),
                at_once,
            ]
        )
        if isinstance(of.expected, Expected):
            e = of.expected
            rows.append(
                [
                    "  expected",
                    "",
                    rate(of.prompts * of.prompt / e.seconds),
                    duration(e.seconds),
                    f"{duration(e.low_seconds)} to {duration(e.high_seconds)}",
                ]
            )
    if isinstance(speed.loaded, Expected):
        e = speed.loaded
        interval = f"{duration(e.low_seconds)} to {duration(e.high_seconds)}"
        rows.append(["TTFT under load, expected", "", "", duration(e.seconds), interval])
    return rows


def group_rows(speed: Speed) -> list[list[str]]:
    """A header, and the components that take longest: what one device reads and multiplies in a decode step."""
    where = "per device" if speed.plan.pipeline == 1 else "over all stages"
    if speed.turns is not None:
        stage = speed.turns.stage
        where = "one micro-batch" if stage is None else f"stage {stage + 1} of {speed.plan.pipeline}"
    rows = [[f"a decode step, {where}", "reads", "takes", "multiplies", "takes", "at the peak of"]]
    shown = speed.groups[:SHOWN]
    rows += [_group_row(speed, group) for group in shown]
    rest = speed.groups[SHOWN:]
    if rest:
        rows.append(
            [
                f"{len(rest)} others",
                format_bytes_decimal(sum(group.bytes for group in rest)),
                _time(sum(group.memory_seconds for group in rest)),
                _flops(sum(group.flops for group in rest)),
                _time(sum(group.compute_seconds for group in rest)),
                "",
            ]
        )
    return rows


def part_rows(speed: Speed) -> list[list[str]]:
    """A header, and what each GPU and the RAM contribute to a decode step."""
    assert speed.hybrid is not None
    rows = [["a decode step", "reads", "takes"]]
    return rows + [
        [part.name, format_bytes_decimal(part.bytes), duration(part.seconds)] for part in speed.hybrid.parts
    ]


def gain_rows(found: Speculation, speed: Speed) -> list[list[str]]:
    """A header, and plain against speculative decoding over batch sizes."""
    head = ["tokens/s per sequence, ceiling", "plain", "speculative", "speedup", "draft", "verify"]
    rows = [head]
    most = speed.held.max_sequences
    for gain in found.gains:
        beyond = ", does not fit" if most is None or gain.batch > most else ""
        rows.append(
            [
                f"batch {gain.batch:,}{beyond}",
                rate(1 / gain.plain_seconds),
                rate(1 / gain.seconds_per_token),
                f"{gain.speedup:.2f}x",
                duration(gain.draft_seconds) if gain.draft_seconds else "-",
                duration(gain.verify_seconds),
            ]
        )
    return rows


def speculation_remarks(found: Speculation, speed: Speed) -> list[str]:
    """What was drafted and what is assumed of it, why nothing is expected, and how many sequences fit."""
    most, context = speed.held.max_sequences, speed.decode.context
    fit = "not one sequence fits" if most is None else f"at most {most:,} sequences fit"
    return [
        f"speculation: {found.words}; draft: {found.draft}",
        f"speculation: no expectation: {UNMEASURED}",
        f"of {context:,} tokens {fit}",
    ]


def _expected(expected: Expected | NoExpectation | None, batch: int) -> str:
    if not isinstance(expected, Expected):
        return "no expectation"
    each = "" if batch == 1 else " per sequence"
    return (
        f"expected {rate(1 / expected.seconds)}{each} "
        f"({rate(1 / expected.high_seconds)} to {rate(1 / expected.low_seconds)})"
    )


def _group_row(speed: Speed, group: GroupTime) -> list[str]:
    peak = ""
    if group.formats:
        name = group.formats[0]
        number = speed.roofline.machine(0).peaks.get(name)
        arithmetic = speed.arithmetic.get(name)
        known = f"{arithmetic}, {format_flops(number)}/s" if number else "not known"
        peak = f"{name}: {known}" if name != arithmetic else known
    return [
        group.name,
        format_bytes_decimal(group.bytes) if group.bytes else "",
        _time(group.memory_seconds),
        _flops(group.flops),
        _time(group.compute_seconds) if group.compute_seconds else "",
        peak,
    ]


def _flops(flops: float) -> str:
    return format_flops(flops) if flops else ""


def _time(seconds: float) -> str:
    return duration(seconds) if seconds else ""


def _assumed(speed: Speed) -> str:
    said = ", ".join(
        f"{WORDS.get(name, name)} {f'{value:,}' if isinstance(value, int) else value}"
        for name, value in assumed(speed).items()
        if (name != "routing" or speed.touched_share is not None) and (name != "plan" or speed.devices > 1)
    )
    return f"ceiling: {ceiling_words(speed)}; perfect overlap, no communication, no latency; estimate. assumed: {said}"


def _warnings(speed: Speed) -> Iterable[str]:
    yield from warnings(speed)
    yield from speed.warnings


def _laid(rows: Sequence[Sequence[str]], align: str, columns: int) -> list[str]:
    """The table, without its last columns where they do not fit."""
    kept = len(align)
    laid = table(rows, align)
    while max(map(len, laid)) > columns and kept > 2:
        kept -= 1
        laid = table([row[:kept] for row in rows], align[:kept])
    return [bold(laid[0]), *laid[1:]]
