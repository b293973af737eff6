"""Batches of a comparison in words: which of them, and where a figure is reached."""

from moecalc.calc.comparing.curve import Ratio

SAME = 1.05
"""Costs within 5% are called the same: datasheet figures are no better than that."""


def at_batch(point: Ratio, among: list[Ratio]) -> str:
    """`, at 16` where there are several that it could be."""
    return f", at {point.batch:,}" if len(among) > 1 else ""


def batch_runs(points: list[Ratio], curve: list[Ratio]) -> str:
    """Batches as ranges: `1`, `2-17`, `1-2 and 40-112`."""
    chosen = {point.batch for point in points}
    runs: list[list[int]] = []
    previous_in = False
    for point in curve:
        if point.batch in chosen:
            if previous_in:
                runs[-1][1] = point.batch
            else:
                runs.append([point.batch, point.batch])
        previous_in = point.batch in chosen
    return " and ".join(f"{a:,}" if a == b else f"{a:,}-{b:,}" for a, b in runs)
