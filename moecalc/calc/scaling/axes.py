"""One axis at a time: how the laws move the best use of a budget with granularity, sparsity or experts."""

from math import sqrt

import msgspec

from moecalc.calc.scaling.losses import equivalent_size, leverage
from moecalc.calc.scaling.optimum import RULE, Optimum, Shape, optimum
from moecalc.specs.scaling import AnyLaw, GranularLaw, JointLaw, LeverageLaw, RoutedLaw, SparseLaw

AXES = {
    "experts": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
    "granularity": (1, 2, 4, 8, 16, 32, 64),
    "sparsity": (0, 0.5, 0.75, 0.875, 0.9375, 0.96875, 0.984375),
}

ACTIVATION = 1 / 32
"""Of the granularity axis: 3.1%, at which the paper varied it (arXiv 2507.17702, figure 8b)."""

FINENESS = 12
"""Of the sparsity axis: the paper's best (arXiv 2507.17702, key takeaway 2)."""

DENSE_SIZE = 1.3e9
"""Of the experts axis: a dense model of 1.3B parameters whose feed-forwards become experts."""

RATIOS = (10, 20, 50, 100, 200, 500, 1000, 2000)
"""Tokens per parameter of the over-trained table."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One value of an axis: the best model there, or a ratio (a leverage, an equivalent size over the size)."""

    value: float
    best: Optimum | None = None
    ratio: float | None = None
    outside: tuple[str, ...] = ()


class AxisTable(msgspec.Struct, frozen=True, kw_only=True):
    """A law along an axis."""

    axis: str
    law: str
    at: str = ""
    """What is held fixed besides the budget."""
    steps: tuple[Step, ...]


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """A budget spent at so many tokens per parameter, whatever a law would advise."""

    ratio: int
    active: float
    tokens: float
    compute: float


def axis_table(axis: str, name: str, law: AnyLaw, compute: float) -> AxisTable | None:
    """The law along that axis; None where it has no say there."""
    values = AXES[axis]
    if axis == "experts" and isinstance(law, JointLaw):
        return _optima(axis, name, law, compute, [Shape(experts=value) for value in values])
    if axis == "granularity" and isinstance(law, GranularLaw):
        return _optima(axis, name, law, compute, [Shape(granularity=value) for value in values])
    if axis == "sparsity" and isinstance(law, SparseLaw):
        return _optima(axis, name, law, compute, [Shape(sparsity=value) for value in values])
    if axis == "experts" and isinstance(law, RoutedLaw):
        steps = [_routed_step(law, value) for value in values]
        return AxisTable(
            axis=axis, law=name, at="dense size 1.3B, 130B tokens, whatever the budget", steps=tuple(steps)
        )
    if isinstance(law, LeverageLaw) and axis in {"granularity", "sparsity"}:
        fine = axis == "granularity"
        steps = [
            _leverage_step(law, compute, value, *((ACTIVATION, value) if fine else (1 - value, FINENESS)))
            for value in values
        ]
        at = "3.1% of the experts active; G = 2 x hidden size / expert size" if fine else "granularity 12"
        return AxisTable(axis=axis, law=name, at=at, steps=tuple(steps))
    return None


def over_trained(compute: float | None, tokens: float | None) -> tuple[Allocation, ...]:
    """The budget, or the tokens, at each of the ratios; C = 6 N D."""
    found = []
    for ratio in RATIOS:
        size = sqrt(compute / (RULE * ratio)) if compute is not None else (tokens or 0.0) / ratio
        spent = RULE * size * ratio * size
        found.append(Allocation(ratio=ratio, active=size, tokens=ratio * size, compute=spent))
    return tuple(found)


def _optima(axis: str, name: str, law: AnyLaw, compute: float, shapes: list[Shape]) -> AxisTable:
    steps = []
    for shape in shapes:
        best = optimum(name, law, compute, shape)
        steps.append(Step(value=getattr(shape, axis), best=best, outside=best.outside))
    return AxisTable(axis=axis, law=name, steps=tuple(steps))


def _routed_step(law: RoutedLaw, experts: float) -> Step:
    ratio = equivalent_size(law, DENSE_SIZE, experts) / DENSE_SIZE
    outside = law.fitted.outside(active=DENSE_SIZE, experts=experts)
    return Step(value=experts, ratio=ratio, outside=outside)


def _leverage_step(
    law: LeverageLaw, compute: float, value: float, activation: float, granularity: float
) -> Step:
    ratio = leverage(law, compute, activation, granularity)
    outside = law.fitted.outside(
        compute=compute, activation=activation, granularity=granularity, leverage=ratio
    )
    return Step(value=value, ratio=ratio, outside=outside)
