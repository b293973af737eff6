"""What a device reached in one run of `moecalc profile`, as coefficients; and what is expected on it from them.

A step takes a x bytes moved over the measured bandwidth + b x FLOPs over the measured rate of a matrix multiplication
+ c for each operation of the ledger, with a, b and c not below 0: the terms of `expectation`, over ceilings measured
in the same run. Least squares of relative errors. No more coefficients than points but one, so that something is left
to be wrong; judged on points that are left out in turn.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from msgspec.structs import replace

from moecalc.calc.speed.expectation import Expected, NoExpectation, decode_terms, prefill_terms
from moecalc.calc.speed.roofline import Roofline
from moecalc.calc.speed.traffic import UNIFORM, Routing
from moecalc.specs.runs import Calibration, Ceilings, Phase, PhaseCoefficients, Point, Run

LEAST_JUDGED = 3
"""Points; of fewer, leaving one out leaves nothing to fit on."""

LEAST_FIRM = 6
"""Points; three coefficients fitted on fewer are hardly held by those that are left out."""

FIRM_ERROR = 0.2
"""Half of the points within it: the error of the published regimes, beyond which a run of one's own adds nothing."""

WIDEST_MISS = 0.5
"""Of any point that was left out: a device does not run one length half again as slowly as all others."""

PHASES: tuple[Phase, ...] = ("decode", "prefill")

Terms = tuple[float, float, float]
"""Seconds of memory, seconds of arithmetic, operations."""


def calibrate(points: Iterable[Point], ceilings: Ceilings) -> Calibration:
    """Coefficients of each phase that was timed. A phase without points has none."""
    timed = tuple(points)
    phases = {}
    for phase in PHASES:
        own = [point for point in timed if point.phase == phase]
        if own:
            rows = [(_terms_of(point, ceilings), point.timing.seconds) for point in own]
            phases[phase] = replace(_fitted(rows), disturbed=sum(map(_is_disturbed, own)))
    return Calibration(
        dtype=ceilings.dtype,
        bytes_per_second=ceilings.bytes_per_second,
        flops_per_second=ceilings.flops_per_second,
        phases=phases,
    )


def _is_disturbed(point: Point) -> bool:
    return point.timing.seconds > (1 + FIRM_ERROR) * point.timing.low_seconds


def left_out(runs: Mapping[str, Run]) -> list[tuple[str, Point, float]]:
    """Each point of stored runs beside what fits on runs of other models on the same device in that dtype predict.

    (name of the run, point, predicted seconds); points of a device on which only one model ran are not among them.
    """
    found = []
    for name, run in runs.items():
        others = [
            other
            for other in runs.values()
            if other.model != run.model and _conditions(other) == _conditions(run)
        ]
        for point in run.points:
            rows = [
                (_terms_of(seen, other.ceilings), seen.timing.seconds)
                for other in others
                for seen in other.points
                if seen.phase == point.phase
            ]
            if rows:
                found.append((name, point, _sum(_fit(rows), _terms_of(point, run.ceilings))))
    return found


def _conditions(run: Run) -> tuple[str, str, str | None]:
    """Runs that one fit can be of."""
    return run.device.name, run.dtype, run.quant


def weakness(of: PhaseCoefficients) -> str:
    """Why little rests on these coefficients, in words; empty where they are firm.

    Too few points; half of them off by more than the published regimes are; one off by more than half of itself; or a
    step that something disturbed, whose repeats do not agree on how long it takes.
    """
    if of.points < LEAST_FIRM:
        return f"fewer than {LEAST_FIRM} points"
    if of.median_error is not None and of.median_error > FIRM_ERROR:
        return f"half are off by more than {FIRM_ERROR:.0%}"
    if of.low is not None and of.high is not None and max(1 - of.low, of.high - 1) > WIDEST_MISS:
        return f"one is off by more than {WIDEST_MISS:.0%}"
    if of.disturbed:
        share = f"{of.disturbed} of {of.points} steps disturbed"
        return f"{share}: their median is more than {FIRM_ERROR:.0%} above their fastest"
    return ""


def expect_calibrated(
    calibration: Calibration,
    where: str,
    phase: Phase,
    roofline: Roofline,
    batch: int,
    tokens: int,
    past: int = 0,
    routing: Routing = UNIFORM,
) -> Expected | NoExpectation:
    """Seconds of a step on the device that was calibrated, on the roofline of its measured ceilings.

    None are expected of a phase that was not timed, or at too few points to know how wrong the fit is; nor where the
    coefficients make a step faster than the ceilings they stand on, which then are none.
    """
    known = calibration.phases.get(phase)
    if known is None or known.low is None or known.high is None or known.median_error is None:
        return NoExpectation(f"the run has too few points of {phase} to know how wrong a fit of them is")
    if phase == "decode":
        bound = roofline.decode(batch, tokens, routing)
        terms = decode_terms(roofline, batch, tokens, routing)
    else:
        bound = roofline.prefill(tokens, batch, past, routing)
        terms = prefill_terms(roofline, tokens, batch, past, routing)
    seconds = _sum(
        (known.memory, known.compute, known.operation_seconds),
        (
            float(terms["weights"] + terms["state"]),
            float(terms["compute"]),
            float(terms["operations"]),
        ),
    )
    if seconds < bound.seconds:
        return NoExpectation(
            f"the run's own steps say {seconds:.3g} s, less than the {float(bound.seconds):.3g} s of its ceilings: "
            "what they read lay in caches, or the device was busier while the ceilings were timed"
        )
    weak = weakness(known)
    return Expected(
        seconds=seconds,
        low_seconds=seconds * known.low,
        high_seconds=seconds * known.high,
        regime=f"calibrated-{phase}",
        engine_class="moecalc",
        rows=known.points,
        devices=1,
        median_error=known.median_error,
        p90_error=max(abs(known.low - 1), abs(known.high - 1)),
        words=(
            f"calibrated on {where}: {known.points} points of moecalc's own runner, each left out in turn, half within "
            f"{known.median_error:.0%}; the interval is the widest miss among them, and says nothing of serving engines"
            + (f"; weak: {weak}" if weak else "")
        ),
        follows_routing=True,
    )


def _fitted(rows: Sequence[tuple[Terms, float]]) -> PhaseCoefficients:
    memory, compute, operation_seconds = _fit(rows)
    misses: list[float] = []
    if len(rows) >= LEAST_JUDGED:
        for index, (terms, seconds) in enumerate(rows):
            rest = [row for other, row in enumerate(rows) if other != index]
            predicted = _sum(_fit(rest), terms)
            misses.append(seconds / predicted)
    errors = sorted(abs(1 / miss - 1) for miss in misses)
    middle = len(errors) // 2
    return PhaseCoefficients(
        memory=memory,
        compute=compute,
        operation_seconds=operation_seconds,
        points=len(rows),
        median_error=(errors[middle] + errors[-middle - 1]) / 2 if errors else None,
        low=min(misses) if misses else None,
        high=max(misses) if misses else None,
    )


def _terms_of(point: Point, ceilings: Ceilings) -> Terms:
    return (
        point.moved_bytes / ceilings.bytes_per_second,
        point.flops / ceilings.flops_per_second,
        point.operations,
    )


def _sum(coefficients: Terms, terms: Terms) -> float:
    return sum(value * term for value, term in zip(coefficients, terms, strict=True))


def _fit(rows: Sequence[tuple[Terms, float]]) -> Terms:
    """The coefficients, none below 0, of least squared relative error.

    The best of all choices of at most as many terms as rows but one, each solved as if the others were not there:
    with three terms there are seven choices, and the best that has no negative one is the constrained optimum.
    """
    scaled = [[term / seconds for term in terms] for terms, seconds in rows]
    best: tuple[float, Terms] | None = None
    for size in range(1, 1 + min(3, max(1, len(rows) - 1))):
        for chosen in combinations(range(3), size):
            solved = _least_squares([[row[column] for column in chosen] for row in scaled])
            if solved is None or min(solved) < 0:
                continue
            made = [0.0, 0.0, 0.0]
            for column, value in zip(chosen, solved, strict=True):
                made[column] = value
            coefficients = (made[0], made[1], made[2])
            error = sum((_sum(coefficients, (row[0], row[1], row[2])) - 1) ** 2 for row in scaled)
            if best is None or error < best[0]:
                best = error, coefficients
    assert best is not None  # one positive term alone always has a positive coefficient
    return best[1]


def _least_squares(rows: list[list[float]]) -> list[float] | None:
    """Solve for the x of least |A x - 1|, by the normal equations; None where columns depend on each other."""
    size = len(rows[0])
    scales = [max(abs(row[column]) for row in rows) or 1.0 for column in range(size)]
    matrix = [[value / scale for value, scale in zip(row, scales, strict=True)] for row in rows]
    system = [
        [sum(row[i] * row[j] for row in matrix) for j in range(size)] + [sum(row[i] for row in matrix)]
        for i in range(size)
    ]
    for column in range(size):
        pivot = max(range(column, size), key=lambda index: abs(system[index][column]))
        if abs(system[pivot][column]) < 1e-9 * len(rows):
            return None
        system[column], system[pivot] = system[pivot], system[column]
        for row in range(size):
            if row != column:
                factor = system[row][column] / system[column][column]
                system[row] = [a - factor * b for a, b in zip(system[row], system[column], strict=True)]
    return [system[i][size] / system[i][i] / scales[i] for i in range(size)]
