"""`moecalc fit` with devices: the answer first, then the fullest rank, then what else would fit."""

from moecalc.calc.deploy.budget import MOST_SEQUENCES
from moecalc.calc.deploy.fitted import Fit, Option
from moecalc.render.fit_bars import bar, group_lines, offload_bars, offload_rows, rank_name, rank_parts
from moecalc.render.fit_remarks import remarks
from moecalc.render.fit_words import (
    bound_words,
    flags_words,
    gib,
    moved_words,
    plan_words,
)
from moecalc.render.layout import bold, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.specs.workload import LONGEST
from moecalc.units import format_bytes_decimal, format_counted


def fit_text(fit: Fit, columns: int, explain: bool = False) -> str:
    """The whole answer as text, `columns` wide; `explain` draws every rank's budget."""
    lines = [bold(f"{fit.model} on {fit.devices}")]
    for sentence in (verdict(fit), reach(fit)):
        lines += paragraph(sentence, columns, "  ") if sentence else []
    lines.append("")
    if fit.offload is not None and fit.holds:
        lines += offload_bars(fit, fit.offload, columns)
    else:
        for rank in fit.ranks if explain else (fit.fullest,):
            lines += bar(rank_name(fit, rank), rank_parts(rank), rank.capacity_bytes, columns)
            lines += group_lines(fit, rank, columns, explain)
    lines.append("")
    rows = option_rows(fit)
    laid = table(rows, "<>>>><")
    if max(map(len, laid)) > columns:
        laid = table([row[:5] for row in rows], "<>>>>")
    lines += [bold(laid[0]), *laid[1:]]
    lines += [*paragraph(caption(fit), columns), ""]
    for remark in [*remarks(fit, explain), *(f"warning: {warning}" for warning in fit.warnings)]:
        lines += paragraph(remark, columns, "  ")
    return "\n".join(lines)


def fit_markdown(fit: Fit, explain: bool = False) -> str:
    """The same as Markdown."""
    said = [f"**{fit.model} on {fit.devices}**: {verdict(fit)}", reach(fit)]
    if fit.offload is not None and fit.holds:
        said.append(markdown_table(offload_rows(fit, fit.offload)))
    else:
        for rank in fit.ranks if explain else (fit.fullest,):
            rows = [[rank_name(fit, rank), "bytes", "GiB"]]
            rows += [[word, f"{int(size):,}", gib(size)] for word, _, size in rank_parts(rank)]
            rows.append(["sum", f"{int(rank.total_bytes):,}", gib(rank.total_bytes)])
            rows.append(["usable", f"{int(rank.capacity_bytes):,}", gib(rank.capacity_bytes)])
            said.append(markdown_table(rows))
    said += [markdown_table(option_rows(fit)), caption(fit), *remarks(fit, explain)]
    said += [f"warning: {warning}" for warning in fit.warnings]
    return "\n\n".join(part for part in said if part)


def verdict(fit: Fit) -> str:
    """Whether it fits, by how much, and what would make it."""
    case, rank = fit.setting.case, fit.fullest
    sequences = format_counted(case.sequences, "sequence")
    length = format_counted(case.context, "token")
    asked = f"{sequences} of {length}, {fit.quant_words}"
    where = " on the fullest rank" if fit.fleet.count > 1 else ""
    if fit.fits:
        return f"fits with {gib(rank.free_bytes)} GiB to spare{where}: {asked}{plan_words(fit)}"
    if fit.offload is not None and fit.holds:
        return f"fits with {moved_words(fit.offload)}: {flags_words(fit, fit.offload)}"
    lacks = "the fullest rank lacks" if fit.fleet.count > 1 else "lacks"
    beside = " but with experts in RAM by ktransformers (below)" if fit.ktransformers else ""
    return f"does not fit{beside}: {lacks} {gib(-rank.free_bytes)} GiB for {asked}{plan_words(fit)}"


def reach(fit: Fit) -> str:
    """How far what was asked would go: the longest context and the most sequences."""
    case = fit.setting.case
    if fit.max_context is None and fit.max_sequences is None:
        return ""
    said = []
    if fit.max_context is not None:
        beyond = f" (trained for {fit.trained_length:,})" if fit.beyond(fit.max_context) else ""
        sequences = format_counted(case.sequences, "sequence")
        said.append(f"longest context of {sequences}: {bound_words(fit.max_context, LONGEST)}{beyond}")
    if fit.max_sequences is not None:
        length = format_counted(case.context, "token")
        said.append(f"most sequences of {length}: {bound_words(fit.max_sequences, MOST_SEQUENCES)}")
    return "; ".join(said)


def option_rows(fit: Fit) -> list[list[str]]:
    """A header, and a row for each quantization: its size, and how far it would go here."""
    rows = [["quantization", "weights", "to spare", "context", "sequences", "how"]]
    for option in fit.options:
        starred = "*" if fit.beyond(option.max_context) else ""
        rows.append(
            [
                option.quant + ("  <-" if option.quant == fit.quant else ""),
                format_bytes_decimal(option.weight_bytes),
                f"{gib(option.free_bytes)} GiB",
                bound_words(option.max_context, LONGEST) + starred,
                bound_words(option.max_sequences, MOST_SEQUENCES),
                _how(option),
            ]
        )
    if all(row[-1] in {"1 device", ""} for row in rows[1:]):
        return [row[:-1] for row in rows]
    return rows


def caption(fit: Fit) -> str:
    """What the columns of `option_rows` mean."""
    case = fit.setting.case
    said = [
        f"to spare: GiB left{' on the fullest rank' if fit.fleet.count > 1 else ''}, below 0 what is missing"
    ]
    said.append(f"context: the longest of {format_counted(case.sequences, 'sequence')}")
    said.append(f"sequences: the most of {format_counted(case.context, 'token')}")
    if any(fit.beyond(option.max_context) for option in fit.options):
        said.append(f"*: beyond the trained length of {fit.trained_length:,}")
    if any(option.stages for option in fit.options):
        said.append(
            "uneven: stages of different numbers of layers, which `--quant` with that row's name prints"
        )
    engines = dict.fromkeys(option.engine for option in fit.options)
    if len(engines) > 1:
        said.append("GGUF mixtures under llama.cpp's rules, the rest under no engine's")
    return "; ".join(said)


def _how(option: Option) -> str:
    if option.offload is not None:
        return " ".join(option.offload.flags)
    return f"{option.plan}, uneven" if option.stages else option.plan
