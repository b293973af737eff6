"""Figures of `moecalc scaling` as cells."""

from moecalc.render.amounts import significant

NONE = "-"
MARK = "*"
"""Beside a figure that lies outside the range of its law."""


def size(value: float | None) -> str:
    """A size or number of tokens with three digits: `8.85 B`, `1.95 T`."""
    if value is None:
        return NONE
    for factor, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if value >= 0.9995 * factor:
            return f"{significant(value / factor)} {unit}"
    return significant(value)


def flops(value: float) -> str:
    """A number of FLOPs in powers of ten: `1.88e23`."""
    return f"{value:.2e}".replace("e+", "e")
