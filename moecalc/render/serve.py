"""`moecalc serve`: the answer in a sentence, one device's memory line by line, state three ways, the engine's words."""

from fractions import Fraction

from moecalc.calc.deploy.budget import MOST_SEQUENCES
from moecalc.calc.deploy.fitted import capacity_of
from moecalc.calc.serving.served import Serving
from moecalc.calc.serving.serving import RankBudget
from moecalc.calc.serving.serving_lines import PADDING, overheads, peak_range, rule_words
from moecalc.calc.serving.serving_words import launch_command, log_lines
from moecalc.ir.numeric import Number
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.report import Report
from moecalc.specs.workload import LONGEST
from moecalc.units import format_bytes_binary, format_int

_GIB = 2**30


def serve_text(serving: Serving, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(heading(serving)), *paragraph(verdict(serving), columns, "  "), ""]
    rows = budget_rows(serving)
    lines += [*_laid(rows, columns), ""]
    lines += _laid(state_rows(serving), columns)
    for remark in _remarks(serving):
        lines += paragraph(remark, columns, "  ")
    words = log_lines(serving)
    if words:
        lines += ["", bold(f"in {serving.engine.name}'s own log"), *words]
    command = launch_command(serving)
    if command is not None:
        lines += ["", *_command(command, columns)]
    elif serving.engine.launch is not None:
        lines += [
            "",
            f"no command to paste: {'see the warning' if serving.state.fits else 'it does not fit'}",
        ]
    lines += ["", *[dim(line) for remark in _sources(serving) for line in paragraph(remark, columns, "  ")]]
    for warning in serving.warnings:
        lines += paragraph(f"warning: {warning}", columns, "  ")
    return "\n".join(lines)


def _laid(rows: list[list[str]], columns: int) -> list[str]:
    """A table whose last column is what each figure rests on: where that is too wide, it goes below its row."""
    laid = table(rows, "<><")
    if max(map(len, laid)) > columns:
        narrow = table([row[:2] for row in rows], "<>")
        laid = []
        for row, line in zip(rows, narrow, strict=True):
            laid += [line, *(dim(part) for part in paragraph(f"  {row[2]}", columns, "  ") if row[2])]
    return [bold(laid[0]), *laid[1:]]


def serve_markdown(serving: Serving, report: Report) -> str:
    """The same as Markdown."""
    parts = [f"**{heading(serving)}**: {verdict(serving)}", markdown_table(budget_rows(serving))]
    parts += [markdown_table(state_rows(serving)), *_remarks(serving)]
    words = log_lines(serving)
    if words:
        parts.append("\n".join(["```text", *words, "```"]))
    command = launch_command(serving)
    if command is not None:
        parts.append(f"```sh\n{command}\n```")
    return "\n\n".join([*parts, *_sources(serving), *(f"warning: {warning}" for warning in report.warnings)])


def heading(serving: Serving) -> str:
    """Model, devices and plan."""
    plan = f", {serving.plan.words}" if serving.plan.devices > 1 else ""
    return f"{serving.model} on {serving.fleet.describe()}{plan}, {serving.engine.label}"


def verdict(serving: Serving) -> str:
    """How many tokens and requests, or what is missing."""
    state, budget = serving.state, serving.tightest
    context = serving.scheduler.context
    if budget.available_bytes <= 0:
        return f"does not fit: each {serving.fleet.noun} lacks {_gib(-budget.available_bytes)} GiB before any state"
    left = f"{_gib(budget.available_bytes)} GiB of each {serving.fleet.noun} are left for state"
    if not state.fits:
        paged = state.blocks is not None
        needed = f"a request of {context:,} tokens" if paged else "the state that is asked for"
        longest = f"; the longest context that fits is {state.max_context:,}" if state.max_context else ""
        short = state.request_rank_bytes if paged else max(state.rank_bytes)
        return f"does not fit: {left}, and {needed} takes {_gib(short)}{longest}"
    if state.buffers:
        return (
            f"fits: {left}, of which {_sequences(serving.scheduler.sequences)} of {context:,} tokens take "
            f"{_gib(max(state.rank_bytes))}; {_bound(state.max_sequences, MOST_SEQUENCES)} would fit"
        )
    copies = f" in each of {serving.plan.data} copies" if serving.plan.data > 1 else ""
    if state.concurrency >= MOST_SEQUENCES:
        return f"fits: {left}, and state hardly counts"
    return (
        f"fits: {left}{copies} = {format_int(state.tokens)} tokens of cache = "
        f"{float(state.concurrency):,.1f} requests of {context:,} tokens at once"
    )


def budget_rows(serving: Serving) -> list[list[str]]:
    """A header, and the memory of the device with the least left for state, part by part."""
    budget, scheduler = serving.tightest, serving.scheduler
    plan = serving.plan
    where = f", stage {budget.stage + 1} of {plan.pipeline}" if plan.pipeline > 1 else ""
    first = budget.stage * plan.stage_devices
    device = min(serving.fleet.devices[first : first + plan.stage_devices], key=capacity_of)
    groups = ", ".join(f"{group} {_gib(size)}" for group, size in budget.by_group[:3])
    rows = [[f"one {device.name}{where}", "GiB", ""]]
    usable = device.usable_bytes()
    rows.append(["usable", _gib(budget.capacity_bytes), usable.note if usable else ""])
    if scheduler.utilization < 1:
        rows.append(
            ["share that is filled", _gib(budget.granted_bytes), f"{float(scheduler.utilization):g} of it"]
        )
    rows.append(["weights", _gib(budget.weight_bytes), f"{serving.precision}: {groups}"])
    rows.append(["activation peak", _gib(budget.activation_bytes), _peak_words(serving, budget)])
    for part in overheads(serving):
        outside = part.name == "CUDA context" and budget.context_outside
        words = ["assumed"]
        if part.low is not None and part.high is not None:
            words.append(f"logs have {_gib(part.low)} to {_gib(part.high)}")
        if part.name == PADDING:
            words.append("of the experts, whose sides are rounded up to the kernels' tiles")
        if outside:
            words.append("beside that share")
        rows.append([part.name, _gib(part.bytes), ", ".join(words)])
    rows.append(["left for state", _gib(budget.available_bytes), serving.kv_dtype])
    return rows


def state_rows(serving: Serving) -> list[list[str]]:
    """A header, and the state of one request three ways."""
    state = serving.state
    rows = [[f"state of a request of {serving.scheduler.context:,} tokens", "", ""]]
    rows.append(["logical", format_bytes_binary(serving.logical_bytes), "what the architecture needs"])
    spread = (
        f"over the {serving.plan.tensor * serving.plan.pipeline} {serving.fleet.noun}s of a copy"
        if serving.plan.tensor * serving.plan.pipeline > 1
        else ""
    )
    name = "reserved" if serving.engine.name == "generic" else f"reserved by {serving.engine.name}"
    rows.append([name, format_bytes_binary(state.request_bytes), spread])
    if serving.naive_bytes is not None and serving.naive_bytes != serving.logical_bytes:
        naive = "2 x hidden size x layers x tokens, as other tools print"
        rows.append(["naive", format_bytes_binary(serving.naive_bytes), naive])
    return rows


def _peak_words(serving: Serving, budget: RankBudget) -> str:
    scheduler, peak = serving.scheduler, budget.activations
    sampled = "all" if serving.engine.reservation.rule == "cells" else f"{scheduler.sequences:,} sequences'"
    by_logits = budget.activation_bytes - peak.stream_bytes > peak.widest_bytes
    widest = f"{sampled} logits in float32" if by_logits else f"{peak.widest} outputs"
    copies = serving.engine.overheads.sampler_copies
    ends = peak_range(serving, budget)
    if by_logits and copies is not None and copies.value != 1:
        widest += f", {copies.value} times (assumed)"
    if ends is not None:
        widest += f", logs have {_gib(ends[0])} to {_gib(ends[1])}"
    return f"estimate: a step of {scheduler.batched_tokens:,} tokens, {widest}"


def _remarks(serving: Serving) -> list[str]:
    state = serving.state
    said = [f"reserved: {rule_words(serving)}"] if serving.engine.name != "generic" else []
    if state.fits:
        longest = _bound(state.max_context, LONGEST)
        for_all = _sequences(serving.scheduler.sequences) if state.buffers else "one request"
        trained = f" (trained for {serving.trained_length:,})" if serving.trained_length else ""
        said.append(f"longest context of {for_all}: {longest}{trained}")
    return [*said, *(f"note: {note}" for note in serving.notes)]


def _sources(serving: Serving) -> list[str]:
    said = [f"{part.name}, assumed: {part.source}" for part in overheads(serving)]
    copies = serving.engine.overheads.sampler_copies
    if copies is not None and any(budget.activations.logits_bytes for budget in serving.budgets):
        said.append(f"copies of the logits at the sampler's peak, {copies.value}, assumed: {copies.source}")
    chosen = ", ".join(
        f"{name} {_value(value)}"
        for name, value in serving.defaults.items()
        if name not in {"engine", "context", "routing"}
    )
    if "context" in serving.defaults and serving.trained_length is not None:
        said.append(
            f"context, assumed: the trained length, {serving.scheduler.context:,}; `--context` sets another, and "
            f"{serving.engine.name} itself takes what the checkpoint's config says"
        )
    if "routing" in serving.defaults:
        said.append(
            "routing, assumed: uniform: all expert-parallel ranks get as many tokens; `--skew` sets another"
        )
    if chosen:
        said.append(f"{serving.engine.name}'s defaults, not chosen here: {chosen}")
    return said


def _command(command: str, columns: int) -> list[str]:
    """Broken between options, so that what is pasted runs."""
    lines, line = [], ""
    for part in command.replace(" -", "\n-").split("\n"):
        if line and len(line) + len(part) + 3 > columns:
            lines.append(line + " \\")
            line = "    " + part
        else:
            line = f"{line} {part}" if line else part
    return [*lines, line]


def _value(value: object) -> str:
    if isinstance(value, Fraction):
        return f"{float(value):g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _sequences(count: int) -> str:
    return "1 sequence" if count == 1 else f"{count:,} sequences"


def _bound(value: int, limit: int) -> str:
    return "any number" if value >= limit else f"{value:,}"


def _gib(size: Number) -> str:
    return f"{float(size) / _GIB:,.2f}"
