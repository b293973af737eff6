"""The same cost under the other plans that the devices allow: a floor under one plan is none under another."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from moecalc.calc.cost.figure import Figure
from moecalc.specs.plan import Plan

SAME_PRICE = Decimal("0.02")
"""What is cheaper by no more than this share is not worth another plan."""


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for under one plan: a million output tokens, or a request of the mix."""

    plan: Plan
    batch: int
    usd: Figure[Decimal]
    """As expected: of several sequences under continuous batching."""


class Plans(msgspec.Struct, frozen=True, kw_only=True):
    """The plan that was chosen, and what of the others is cheaper."""

    chosen: Priced
    tried: int
    """Plans that hold it at the batch that was asked for, the chosen one among them."""
    at_ceiling: Priced | None
    """The cheapest at the ceiling; None where it saves no more than 2%."""
    as_expected: Priced | None
    """The cheapest as expected; None where it saves no more than 2%, or nothing is expected of the chosen one."""


def compared(chosen: Priced, others: Sequence[Priced]) -> Plans:
    """The chosen plan among the others."""

    def cheapest(figure: str) -> Priced | None:
        known = [priced for priced in others if getattr(priced.usd, figure) is not None]
        own = getattr(chosen.usd, figure)
        best = min(known, key=lambda priced: getattr(priced.usd, figure), default=None)
        if best is None or own is None or getattr(best.usd, figure) >= own * (1 - SAME_PRICE):
            return None
        return best

    return Plans(
        chosen=chosen, tried=1 + len(others), at_ceiling=cheapest("ceiling"), as_expected=cheapest("expected")
    )
