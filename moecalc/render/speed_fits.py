"""Which fit the expectations of a table are of, row by row, and where one follows another."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from moecalc.calc.speed.expectation import Expected
from moecalc.calc.speed.sweep import Point
from moecalc.render.rates import rate

FITS = {
    "served": "served",
    "decode-static-batch": "static",
    "decode-b1-single": "alone",
    "decode-b1-tp": "alone",
    "decode-b1-layer-split": "alone",
}
"""Of what an expectation is: continuous batching, a batch that only decodes, one sequence alone."""


def fit_word(point: Point) -> str:
    """Of what the expectation of a point is; nothing where there is none."""
    expected = point.expected
    return FITS.get(expected.regime, expected.regime) if isinstance(expected, Expected) else ""


def fit_remarks(points: Iterable[Point]) -> Iterable[str]:
    """Where a larger batch on the same devices is expected to serve each user faster, by another fit."""
    plans: dict[tuple[str, str], list[Point]] = {}
    for point in sorted(points, key=lambda point: point.batch):
        if isinstance(point.expected, Expected):
            plans.setdefault((point.on.fleet, point.on.plan.words), []).append(point)
    found = [(few, many) for of in plans.values() for few, many in pairwise(of) if _rises(few, many)]
    if not found:
        return
    few, many = found[0]
    where = f" on {few.on.fleet}, {few.on.plan.words}" if len(plans) > 1 else ""
    more = f", and so in {len(found) - 1} more places" if len(found) > 1 else ""
    slow, fast = rate(few.expected_per_user or 0), rate(many.expected_per_user or 0)
    yield (
        f"expected {slow} per user at batch {few.batch:,}, {fast} at {many.batch:,}{where}{more}: two fits meet there, "
        f"`{fit_word(few)}` and `{fit_word(many)}`, each as far off as it says; a larger batch is not faster"
    )


def _rises(few: Point, many: Point) -> bool:
    """Whether the larger batch is expected to be faster for each user, by another fit."""
    one, other = few.expected, many.expected
    if not (isinstance(one, Expected) and isinstance(other, Expected)):
        return False
    return one.regime != other.regime and other.seconds < one.seconds


def regimes(points: Sequence[Point]) -> str:
    """What the words of the table's rows mean: those of `points`, of which something is expected."""
    words = {
        "alone": "one sequence",
        "static": "a batch that only decodes",
        "served": "continuous batching",
    }
    used = dict.fromkeys(fit_word(point) for point in points)
    return f"fit: {'; '.join(f'{word}, {words[word]}' for word in used if word in words)}"
