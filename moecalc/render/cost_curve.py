"""The cost curve of a comparison: a row and a sparkline per model, and what its cells mean."""

from collections.abc import Sequence
from math import log

from moecalc.calc.comparing.comparison import ComparisonData, Entry
from moecalc.calc.comparing.curve import Cell
from moecalc.render.layout import dim, paragraph, table

BOUND_SIGNS = {"": "", "about": "~", "at least": "≥"}

BARS = "▁▂▃▄▅▆▇█"


def curve_text(comparison: ComparisonData, columns: int) -> list[str]:
    """The head, one row per model and per ratio to the first, and what the cells mean; `columns` wide at most."""
    entries = [entry for entry in comparison.entries if entry.cells]
    where = ", ".join(f"{entry.gpus}x for {entry.name}" for entry in entries)
    if comparison.named_gpus is None:
        head = f"{cost_unit(comparison)}, each on its smallest deployment ({comparison.device.name}: {where})"
    else:
        head = f"{cost_unit(comparison)}, each on {comparison.named_gpus:,}x {comparison.device.name}"
    rows = [["batch", *[f"{batch:,}" for batch in comparison.columns], ""]]
    rows += [[entry.name, *map(cell_text, entry.cells), sparkline(entry.cells)] for entry in entries]
    first = entries[0]
    for entry in entries[1:]:
        ratios = [_cell_ratio(a, b) for a, b in zip(first.cells, entry.cells, strict=True)]
        if any(ratios):
            rows.append([f"{entry.name} / {first.name}", *ratios, ""])
    align = "<" + ">" * len(comparison.columns) + "<"
    lines = table(rows, align)
    if max(map(len, lines)) > columns:
        rows, align = [[_cut(row[0]), *row[1:-1]] for row in rows], align[:-1]
        lines = table(rows, align)
    while max(map(len, lines)) > columns and len(align) > 2:
        # The batch before the largest tells the least: its neighbours stand beside it.
        drop = max(1, len(align) - 2)
        rows, align = [[*row[:drop], *row[drop + 1 :]] for row in rows], align[:-1]
        lines = table(rows, align)
    notes = paragraph(cost_notes(comparison), columns)
    return [*paragraph(head, columns), *lines, *[dim(line) for line in notes]]


def cost_unit(comparison: ComparisonData) -> str:
    """What a cell of the curve is: dollars where a price is known, else device time."""
    priced = comparison.device.usd_per_hour is not None
    return f"cost at the ceiling, {'$' if priced else 'GPU-seconds'} per M output tokens"


def cost_notes(comparison: ComparisonData) -> str:
    """What the signs in the cells mean, whose price it is and of when, and how tokens are routed."""
    entries = [entry for entry in comparison.entries if entry.cells]
    legend = (
        f"Nx: needs that many {comparison.device.name} from there; -: more than 8"
        if _any_more(entries)
        else ""
    )
    device = comparison.device
    priced = device.usd_per_hour is not None
    price = f"${device.usd_per_hour} per GPU-hour, {device.price_note}" if priced else "no price known"
    price = device.price_words or price
    signs = {cell.bound for entry in entries for cell in entry.cells}
    about = "~: without the cache, which two numbers do not tell" if "about" in signs else ""
    least = (
        "≥: without the cache, a quarter looked up, all tokens of a batch on the same experts"
        if "at least" in signs
        else ""
    )
    return "; ".join(filter(None, [legend, about, least, price, f"{comparison.routing_words} routing"]))


def cell_text(cell: Cell) -> str:
    """Cost of one cell, or the devices it would need."""
    if cell.gpu_seconds is None:
        return f"{cell.gpus_needed}x" if cell.gpus_needed else "-"
    amount = cell.usd_per_million if cell.usd_per_million is not None else cell.gpu_seconds * 1e6
    return BOUND_SIGNS[cell.bound] + (f"{amount:#.3g}".rstrip(".") if amount < 1000 else f"{amount:,.0f}")


def sparkline(cells: Sequence[Cell]) -> str:
    """Cost over batch as bars on a logarithmic scale; a dot where the deployment does not hold the batch."""
    costs = [cell.gpu_seconds for cell in cells if cell.gpu_seconds]
    if not costs:
        return ""
    low, high = log(min(costs)), log(max(costs))
    span = (high - low) or 1.0
    return "".join(
        BARS[round((log(cell.gpu_seconds) - low) / span * (len(BARS) - 1))] if cell.gpu_seconds else "·"
        for cell in cells
    )


def _any_more(entries: Sequence[Entry]) -> bool:
    return any(cell.gpu_seconds is None for entry in entries for cell in entry.cells)


def _cell_ratio(first: Cell, other: Cell) -> str:
    """`0.59x`; with `~` where a cache is left out, with the sign of the bound where one of the two is a bound."""
    if not first.gpu_seconds or not other.gpu_seconds:
        return ""
    bounds = (first.bound, other.bound)
    if "at least" in bounds:
        if bounds not in {("at least", ""), ("", "at least")}:
            return ""
        sign = "≤" if first.bound else "≥"
    else:
        sign = BOUND_SIGNS["about"] if any(bounds) else ""
    return f"{sign}{other.gpu_seconds / first.gpu_seconds:.2f}x"


def _cut(name: str) -> str:
    return name if len(name) <= 24 else name[:23] + "…"
