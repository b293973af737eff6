"""Loads of experts, layer by layer, as a heat map: characters in a terminal, rectangles in an SVG file."""

from collections.abc import Sequence
from html import escape

SHADES = " ·░▒▓█"
"""Load over the mean up to 0.1, 0.5, 1, 2, 4 and beyond."""

STEPS = (0.1, 0.5, 1.0, 2.0, 4.0)

COLOURS = ("#ffffff", "#fff3cf", "#fdd98a", "#f9a64a", "#e0582b", "#8b1a1a")
"""The same steps, from light to dark."""

FONT = 'font-family="sans-serif" font-size="11"'

CELL = 12
"""Pixels of a cell that is as wide as high."""

MAX_CELLS = 250_000


def loads_over_mean(counts: Sequence[int]) -> list[float]:
    """Each expert's load over its layer's mean."""
    mean = sum(counts) / len(counts)
    return [count / mean for count in counts]


def heat_rows(names: Sequence[int], counts: Sequence[Sequence[int]], columns: int) -> list[str]:
    """One line per layer; where experts outnumber the columns, the fullest of neighbours is shown, and it is said."""
    label = max(len(str(name)) for name in names)
    room = max(8, columns - label - 8)
    experts = len(counts[0])
    together = -(-experts // room)
    lines = []
    for name, row in zip(names, counts, strict=True):
        loads = loads_over_mean(row)
        cells = [max(loads[at : at + together]) for at in range(0, experts, together)]
        lines.append(f"layer {name:>{label}}  {''.join(SHADES[step_of(load)] for load in cells)}".rstrip())
    scale = " ".join(f"{SHADES[at]} <= {limit:g}" for at, limit in enumerate(STEPS) if at)
    said = f"load over the mean of the layer: blank <= {STEPS[0]:g} {scale} {SHADES[-1]} more"
    if together > 1:
        said += f"; a column is the fullest of {together} experts"
    return [*lines, said]


def heat_svg(names: Sequence[int], counts: Sequence[Sequence[int]], title: str) -> str:
    """The whole map, a cell for each expert of each layer; of at most `MAX_CELLS` cells."""
    experts = len(counts[0])
    left, top = 64, 40
    width, height = left + experts * CELL + 16, top + len(names) * CELL + 56
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" {FONT}>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{left}" y="18" font-size="13">{escape(title)}</text>',
        f'<text x="{left}" y="{top - 6}">expert 0 to {experts - 1}</text>',
    ]
    for at, (name, row) in enumerate(zip(names, counts, strict=True)):
        y = top + at * CELL
        parts.append(f'<text x="{left - 6}" y="{y + CELL - 2}" text-anchor="end">layer {name}</text>')
        # Neighbours of one colour are one rectangle: most of a map is pale.
        start, shades = 0, [step_of(load) for load in loads_over_mean(row)]
        for end in range(1, experts + 1):
            if end == experts or shades[end] != shades[start]:
                parts.append(
                    f'<rect x="{left + start * CELL}" y="{y}" width="{(end - start) * CELL}" height="{CELL}" '
                    f'fill="{COLOURS[shades[start]]}"/>'
                )
                start = end
    base = top + len(names) * CELL
    parts.append(
        f'<rect x="{left}" y="{top}" width="{experts * CELL}" height="{base - top}" fill="none" stroke="#999999"/>'
    )
    words = [f"up to {limit:g}" for limit in STEPS] + ["more"]
    for at, word in enumerate(words):
        x = left + at * 72
        parts.append(
            f'<rect x="{x}" y="{base + 14}" width="12" height="12" fill="{COLOURS[at]}" stroke="#999999"/>'
            f'<text x="{x + 16}" y="{base + 24}">{word}</text>'
        )
    parts.append(
        f'<text x="{left}" y="{base + 44}">load of an expert over the mean of its layer</text></svg>'
    )
    return "\n".join(parts) + "\n"


def step_of(load: float) -> int:
    """Which shade a load over the mean gets."""
    return next((at for at, limit in enumerate(STEPS) if load <= limit), len(STEPS))
