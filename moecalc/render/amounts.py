"""Amounts with three significant digits, never in powers of ten."""

from decimal import Decimal

NONE = "-"


def dollars(value: Decimal) -> str:
    """An amount: `2.82`, `0.0544`, `1,240`."""
    return significant(value)


def significant(value: Decimal | float, digits: int = 3) -> str:
    """A number with so many significant digits; all those before the point are kept."""
    number = Decimal(value)
    if not number:
        return "0"
    rounded = round(number, max(0, digits - 1 - number.adjusted()))
    # 9.996 becomes 10.00, which has a digit too many.
    return f"{rounded:,.{max(0, digits - 1 - rounded.adjusted())}f}"


def or_none(value: Decimal | None) -> str:
    """An amount, or a dash where there is none."""
    return NONE if value is None else dollars(value)
