"""Between the batches that were tried: the largest that keeps limits, under each plan that could be the cheapest.

A step takes no less time for more sequences, so of the batches between one that keeps the limits and one that does not
the largest that does is found by halving. It is the cheapest per token, but for steps that several copies of attention,
or stages of a pipeline, share: those have most to do in common at multiples of their number.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from moecalc.calc.speed.slo import Slo
from moecalc.calc.speed.sweep import Deployed, Point, judged

PointAt = Callable[[Deployed, int], Point]


def refined(points: Iterable[Point], slo: Slo, expected: bool, at: PointAt) -> list[Point]:
    """Batches to choose among beside those of `points`, which must hold the smallest and the largest that may be.

    `at` makes a point, with what is expected of it where `expected`. Plans that cannot be cheaper than what is found
    already are passed over.
    """
    points = list(points)
    least = min((point.batch for point in points), default=1)
    by_deployment: dict[int, list[Point]] = {}
    for point in points:
        by_deployment.setdefault(id(point.on), []).append(point)
    stretches = list(_stretches(by_deployment.values(), slo, expected))
    priced = all(last.on.usd_per_hour is not None for last, _ in stretches)

    def loss(point: Point) -> float:
        found = judged(point, slo, expected)
        assert found is not None
        weight = point.on.usd_per_hour if priced else None
        return (weight or point.on.devices) * found[0] / point.batch

    def keeps(point: Point) -> bool:
        found = judged(point, slo, expected)
        return found is not None and not found[1]

    found: list[Point] = []
    best = min((loss(last) for last, _ in stretches), default=0.0)
    for last, beyond in sorted(stretches, key=lambda pair: loss(pair[0])):
        share = _group(last.on)
        end = last if beyond is None else beyond
        if judged(end, slo, expected) is not None and loss(end) * (1 - share / end.batch) >= best:
            continue
        largest = last if beyond is None else _largest(last, beyond.batch, keeps, at)
        shared = {largest.batch // size * size for size in (last.on.plan.replicas, share)} - {largest.batch}
        tried = [largest, *(at(last.on, batch) for batch in sorted(shared) if batch >= least)]
        found += filter(keeps, tried)
        best = min([best, *map(loss, filter(keeps, tried))])
    return found


def _stretches(
    deployments: Iterable[Sequence[Point]], slo: Slo, expected: bool
) -> Iterator[tuple[Point, Point | None]]:
    """The largest batch of each plan that was tried and keeps the limits, and the one tried after it."""
    for own in deployments:
        ordered = sorted(own, key=lambda point: point.batch)
        keeping = [
            index
            for index, point in enumerate(ordered)
            if (found := judged(point, slo, expected)) is not None and not found[1]
        ]
        if keeping:
            after = keeping[-1] + 1
            yield ordered[keeping[-1]], ordered[after] if after < len(ordered) else None


def _largest(keeping: Point, beyond: int, keeps: Callable[[Point], bool], at: PointAt) -> Point:
    """The largest batch from the one that keeps the limits up to the first that is known not to."""
    while beyond - keeping.batch > 1:
        middle = at(keeping.on, (keeping.batch + beyond) // 2)
        if keeps(middle):
            keeping = middle
        else:
            beyond = middle.batch
    return keeping


def _group(on: Deployed) -> int:
    """Sequences that one more of takes a step no longer, where their number is a multiple of it."""
    return on.plan.replicas * on.plan.pipeline
