"""Tokens per second and times as people write them: three digits, and the unit that needs no zeros."""


def rate(per_second: float) -> str:
    """Tokens per second: `3,392`, `801`, `22.4`, `0.52`."""
    return digits(per_second)


def duration(seconds: float) -> str:
    """A time: `1.25 ms`, `118 ms`, `4.00 s`, `6.86 µs`."""
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= 0.9995 * size:
            return f"{digits(seconds / size)} {unit}"
    return f"{digits(seconds / 1e-6)} µs"


def digits(value: float) -> str:
    """A positive number with three significant digits, all before the point kept: `1,905`, `84.0`, `0.034`."""
    if value >= 999.5:
        return f"{value:,.0f}"
    if value >= 99.95:
        return f"{value:.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 0.0995 else f"{value:.2g}"


def dollars(value: float) -> str:
    """Dollars of a million tokens: `0.292`, `4.08`, `1,204`."""
    return f"{value:#.3g}".rstrip(".") if value < 1000 else f"{value:,.0f}"
