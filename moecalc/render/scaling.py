"""`moecalc scaling`: what a budget buys by each law, along an axis, or for models beside each other."""

from moecalc.calc.scaling.axes import AxisTable, Step
from moecalc.calc.scaling.optimum import Optimum
from moecalc.calc.scaling.scaling import Scaling
from moecalc.render.amounts import significant
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.render.scaling_cells import MARK, NONE, flops, size
from moecalc.render.scaling_models import design_rows, reading_rows
from moecalc.specs.scaling import Fitted, RoutedLaw, Span
from moecalc.units import format_parameters

Rows = list[list[str]]

RANGES = {"compute": "FLOPs", "active": "active parameters", "total": "parameters"}
"""What a range is called where its name does not say it."""


def scaling_text(answer: Scaling, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    if answer.budget is None:
        return "\n".join(_law_lines(answer, columns))
    lines = paragraph(_budget_words(answer), columns, "  ")
    for heading, rows in tables(answer):
        align = "<" + ">" * (len(rows[0]) - 1)
        if max(map(len, table(rows, align))) > columns and len(rows[0]) > 3:
            laid: list[str] = []
            for part in _parted(rows, columns):
                laid += (
                    ["", *table(part, align[: len(part[0])])] if laid else table(part, align[: len(part[0])])
                )
        else:
            laid = table(rows, align)
        laid[0] = bold(laid[0])
        lines += ["", *paragraph(heading, columns, "  "), *laid]
    remarked = [line for remark in remarks(answer) for line in paragraph(remark, columns, "  ")]
    lines += ["", *remarked] if remarked else []
    lines += map(dim, paragraph("`moecalc scaling` lists the laws with their sources and ranges", columns))
    return "\n".join(lines)


def scaling_markdown(answer: Scaling) -> str:
    """The same as Markdown tables."""
    if answer.budget is None:
        rows = [["law", "of", "fitted on", "source"]]
        rows += [[name, law.label, fitted_words(law.fitted), law.source] for name, law in answer.laws.items()]
        return markdown_table(rows)
    parts = [_budget_words(answer)]
    for heading, rows in tables(answer):
        parts += [heading, markdown_table(rows)] if heading else [markdown_table(rows)]
    return "\n\n".join([*parts, *remarks(answer)])


def tables(answer: Scaling) -> list[tuple[str, Rows]]:
    """Heading and rows of each table, their first row the header."""
    if answer.trained:
        return [("", design_rows(answer)), *([("", found)] if (found := reading_rows(answer)) else [])]
    if answer.axes:
        return [
            (f"{each.law}{f' ({each.at})' if each.at else ''}", _axis_rows(answer, each))
            for each in answer.axes
        ]
    return [("", _optimum_rows(answer)), ("", _allocation_rows(answer))]


# ----------------------------------------------------------------------------------------------------------- laws


def _optimum_rows(answer: Scaling) -> Rows:
    by_tokens = answer.budget is not None and answer.budget.compute is None
    spent = ["FLOPs"] if by_tokens else []
    header = ["optimal by", "active", "total", *spent, "tokens", "per active", "per total", "loss"]
    rows = [header]
    for best in answer.optima:
        sizes = [size(best.active), size(best.total)]
        rows.append(
            [
                best.law + _shape_words(best),
                *sizes,
                *([flops(best.compute)] if by_tokens else []),
                size(best.tokens) + (MARK if best.outside else ""),
                _ratio(best.tokens_per_active),
                _ratio(best.tokens_per_parameter),
                _loss(answer.shown(best.loss, best.outside), best.outside),
            ]
        )
    return rows


def _allocation_rows(answer: Scaling) -> Rows:
    rows = [["tokens per parameter", "parameters", "tokens", "FLOPs"]]
    rows += [
        [f"{each.ratio:,}", size(each.active), size(each.tokens), flops(each.compute)]
        for each in answer.allocations
    ]
    return rows


def _axis_rows(answer: Scaling, found: AxisTable) -> Rows:
    if found.steps[0].best is None:
        routed = isinstance(answer.laws[found.law], RoutedLaw)
        rows = [[found.axis, "equivalent size / size" if routed else "dense FLOPs / MoE FLOPs"]]
        rows += [[_axis_value(step), _shown_ratio(answer, step)] for step in found.steps]
        return rows
    rows = [[found.axis, "active", "total", "tokens", "per active", "loss"]]
    for step in found.steps:
        best = step.best
        assert best is not None
        rows.append(
            [
                _axis_value(step),
                size(best.active),
                size(best.total),
                size(best.tokens) + (MARK if best.outside else ""),
                _ratio(best.tokens_per_active),
                _loss(answer.shown(best.loss, best.outside), best.outside),
            ]
        )
    return rows


def _axis_value(step: Step) -> str:
    return f"{step.value:g}" if step.value >= 1 or not step.value else f"{step.value:.1%}"


def _shown_ratio(answer: Scaling, step: Step) -> str:
    value = answer.shown(step.ratio, step.outside)
    return NONE if value is None else f"{significant(value)}x" + (MARK if step.outside else "")


def _law_lines(answer: Scaling, columns: int) -> list[str]:
    lines: list[str] = []
    for name, law in answer.laws.items():
        lines += ["", bold(name)] if lines else [bold(name)]
        for words in (law.label, f"fitted on {fitted_words(law.fitted)}", law.source, law.note):
            lines += [f"  {line}" for line in paragraph(words, columns - 2, "  ")]
    lines += ["", dim("`moecalc scaling --compute 1e24 [MODEL ...]` applies them")]
    return lines


def fitted_words(fitted: Fitted) -> str:
    """The range of a law's runs: `active parameters 70.00 M to 16.00 B, tokens 5.00 B to 500.00 B`."""
    spans = ((name, getattr(fitted, name)) for name in fitted.__struct_fields__ if name != "source")
    return ", ".join(
        f"{RANGES.get(name, name)} {_span(name, span)}" for name, span in spans if span is not None
    )


def _span(name: str, span: Span) -> str:
    low, high = (None if end is None else _end(name, end) for end in span)
    if low == high:
        return f"{low}"
    if low is None:
        return f"up to {high}"
    return f"from {low}" if high is None else f"{low} to {high}"


def _end(name: str, value: float) -> str:
    if name == "compute":
        return f"{value:.0e}".replace("e+", "e")
    return f"{value:g}" if value < 1e4 else format_parameters(value)


# -------------------------------------------------------------------------------------------------------- remarks


def remarks(answer: Scaling) -> list[str]:
    """What a reader must know beside the figures."""
    found = []
    outside: dict[str, dict[str, None]] = {}
    pairs = [(best.law, best.outside) for best in answer.optima]
    pairs += [(each.law, step.outside) for each in answer.axes for step in each.steps]
    pairs += [(reading.law, reading.outside) for each in answer.trained for reading in each.readings]
    for law, names in pairs:
        outside.setdefault(law, {}).update(dict.fromkeys(names))
    beyond = [f"{law} ({', '.join(names)})" for law, names in outside.items() if names]
    if beyond:
        held = (
            "" if answer.extrapolate else "; losses and ratios there are withheld: `--extrapolate` shows them"
        )
        found.append(
            f"{MARK} outside the range that the law was fitted over, extrapolated: {'; '.join(beyond)}{held}"
        )
    if answer.trained:
        found.append(
            f"FLOPs are counted from the rows at sequences of {answer.sequence:,} (useful: causal pairs, all logits, "
            "nothing computed twice); N of 6 N: active parameters, both embeddings"
        )
    if any(r.what == "loss" for each in answer.trained for r in each.readings) or any(
        best.loss is not None for best in answer.optima
    ):
        found.append(
            "losses are nats per token of each law's own data: compare them within a law, not across laws"
        )
    found += [f"warning: {warning}" for warning in answer.warnings]
    if answer.defaults:
        found.append(f"assumed: {', '.join(f'{name} {value}' for name, value in answer.defaults.items())}")
    return found


def _budget_words(answer: Scaling) -> str:
    assert answer.budget is not None
    return f"budget: {answer.budget.words}".replace("e+", "e")


def _shape_words(best: Optimum) -> str:
    shape = best.shape
    if shape.experts is not None:
        return f", E = {shape.experts:g}"
    if shape.granularity is not None:
        return f", G = {shape.granularity:g}"
    return f", S = {shape.sparsity:.0%}" if shape.sparsity is not None else ""


def _parted(rows: Rows, columns: int) -> list[Rows]:
    """The columns in as many tables as the width asks for, the first column on each."""
    parts, start = [], 1
    while start < len(rows[0]):
        end = len(rows[0])
        while end > start + 1 and _wide([[row[0], *row[start:end]] for row in rows]) > columns:
            end -= 1
        parts.append([[row[0], *row[start:end]] for row in rows])
        start = end
    return parts


def _wide(rows: Rows) -> int:
    return max(map(len, table(rows, "<" + ">" * (len(rows[0]) - 1))))


def _ratio(value: float | None) -> str:
    return NONE if value is None else significant(value)


def _loss(value: float | None, outside: tuple[str, ...]) -> str:
    return NONE if value is None else f"{value:.3f}" + (MARK if outside else "")
