"""The tables of `moecalc scaling MODEL ...`: designs at one budget, and what the laws say of them."""

from fractions import Fraction

from moecalc.calc.scaling.design import RATIOS, Trained
from moecalc.calc.scaling.scaling import Scaling
from moecalc.render.amounts import significant
from moecalc.render.scaling_cells import MARK, NONE, flops
from moecalc.units import format_flops, format_parameters

Rows = list[list[str]]


def design_rows(answer: Scaling) -> Rows:
    """A column per model: sizes, FLOPs per token, tokens, and what more tokens would take."""
    trained = answer.trained
    rows = [["", *[each.design.name for each in trained]]]
    rows.append(["parameters, total", *[_exact_size(each.design.total) for each in trained]])
    rows.append(["  active per token", *[_exact_size(each.design.active) for each in trained]])
    mixtures = [each.design.mixture for each in trained]
    if any(each.design.routed for each in trained):
        rows.append(
            [
                "routed experts, used",
                *[
                    NONE
                    if m is None
                    else f"{m.experts}, {float(m.used):g}"
                    + (f" + {float(m.shared):g} shared" if m.shared else "")
                    for m in mixtures
                ],
            ]
        )
        rows.append(
            ["granularity", *[NONE if m is None else significant(float(m.granularity)) for m in mixtures]]
        )
        rows.append(["sparsity", *[NONE if m is None else f"{float(m.sparsity):.1%}" for m in mixtures]])
    rows.append(
        ["training FLOPs per token", *[format_flops(each.design.flops_per_token) for each in trained]]
    )
    rows.append(
        [
            "  6 N says",
            *[_off(each.design.rule_flops_per_token, each.design.flops_per_token) for each in trained],
        ]
    )
    assert answer.budget is not None
    if answer.budget.compute is None:
        rows.append(["training FLOPs", *[flops(float(each.flops)) for each in trained]])
    else:
        rows.append(["tokens", *[_exact_size(each.tokens) for each in trained]])
        rows.append(["  6 N D says", *[_off(each.rule_tokens, each.tokens) for each in trained]])
        if len(trained) > 1:
            rows.append(
                ["  over the first", *[f"{significant(float(answer.over_first(each)))}x" for each in trained]]
            )
    rows.append(
        ["tokens per parameter", *[significant(float(each.tokens_per_parameter)) for each in trained]]
    )
    rows.append(
        ["tokens per active parameter", *[significant(float(each.tokens_per_active)) for each in trained]]
    )
    for ratio in RATIOS:
        label = f"FLOPs at {ratio:,} per active" + (" (Chinchilla)" if ratio == RATIOS[0] else "")
        rows.append([label, *[flops(float(each.design.flops_for(ratio))) for each in trained]])
    return rows


def reading_rows(answer: Scaling) -> Rows:
    """A row per law that speaks of any of the models; none where all of it is withheld."""
    found: dict[tuple[str, str], list[str]] = {}
    names = dict.fromkeys((reading.what, reading.law) for each in answer.trained for reading in each.readings)
    for what, law in sorted(names, key=lambda pair: (pair[0] != "loss", pair[1])):
        cells = [_cell(answer, each, law) for each in answer.trained]
        found[what, law] = cells
    if all(cell == NONE for cells in found.values() for cell in cells):
        return []
    header = ["by the law", *[each.design.name for each in answer.trained]]
    return [header, *[[f"{what}, {law}", *cells] for (what, law), cells in found.items()]]


def _cell(answer: Scaling, trained: Trained, law: str) -> str:
    for reading in trained.readings:
        if reading.law == law:
            value = answer.shown(reading.value, reading.outside)
            if value is None:
                return NONE
            return (f"{value:.3f}" if reading.what == "loss" else f"{significant(value)}x") + (
                MARK if reading.outside else ""
            )
    return NONE


def _off(rule: int | Fraction, counted: int | Fraction) -> str:
    return f"{float(Fraction(rule) / Fraction(counted) - 1):+.1%}"


def _exact_size(value: int | Fraction) -> str:
    return format_parameters(value)
