"""Parse and format quantities: parameters, tokens, bytes, FLOPs, ratios. Nothing else.

The conventions, all of them visible in the text:

- GB = 10^9 bytes, GiB = 2^30 bytes, and so on; a size without its base is refused;
- K, M, B, T of parameters (and of training tokens) are powers of 1,000;
- k and M of a *context or prompt length* are powers of 1,024: a context of "128k" is 131,072 tokens.

Parsing is exact, and formatting rounds once, at the end, half up (as people do, not half to even).
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from math import floor

from moecalc.errors import InputError

Number = int | Fraction | Decimal | float
"""What the formatters take. A float is taken at its exact binary value; NaN and infinity raise ValueError."""

# Lengths are bounded so that no text, however long, makes an enormous integer.
_QUANTITY = re.compile(
    r"(?P<number>(?:\d{1,3}(?:[,_]\d{3}){1,9}|\d{1,30})(?:\.\d{1,30})?)(?:e\+?(?P<exponent>\d{1,2}))?"
    r"\s*(?P<unit>[a-z]*)",
    re.ASCII | re.IGNORECASE,
)

_COUNTS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_TOKENS = {"": 1, "k": 2**10, "ki": 2**10, "m": 2**20, "mi": 2**20}
_DECIMAL_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15}
_BINARY_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}
_FLOPS = {"F": 1} | {f"{prefix}F": 1000**power for power, prefix in enumerate("kMGTPEZ", start=1)}


# --------------------------------------------------------------------------------------------- parsing


def parse_tokens(text: str, *, minimum: int = 1) -> int:
    """Return a context or prompt length in tokens; k = 1,024 and M = 1,024^2, so `128k` is 131,072.

    Raises InputError where `text` is not a whole number of tokens of at least `minimum`.
    """
    hint = "type a number of tokens: `4096`, or `4k` (k = 1,024), `128k`, `1M`"
    tokens = _whole(text, _TOKENS, "a number of tokens", hint)
    if tokens < minimum:
        raise InputError(f"`{text}` is too few tokens: at least {minimum:,} needed", hint=hint)
    return tokens


def parse_parameters(text: str) -> int:
    """Return a number of parameters, exactly; K, M, B, T are powers of 1,000, so `46.7B` is 46,700,000,000.

    Raises InputError where `text` is not a whole number.
    """
    return parse_count(text, "a number of parameters")


def parse_count(text: str, what: str = "a number") -> int:
    """Return a decimal count (parameters, training tokens): `15T`, `1e12`, `46.7B`, `8_000_000`, `8,000,000`.

    `what` names it in the error: `a number of training tokens`. Raises InputError where it is not whole.
    """
    return _whole(text, _COUNTS, what, f"type {what} such as `46.7B`, `350M` or `46702792704`")


def parse_bytes(text: str) -> int:
    """Return a size in bytes: `24GiB` (2^30) and `24 GB` (10^9) differ, upper or lower case does not matter.

    Raises InputError where the base is not said (`24`, `24G`), where the unit is one of bits (`24Gb`), and
    where `text` is not a whole number of bytes.
    """
    hint = "type a size with its base: `24GiB` (1 GiB = 2^30 bytes) or `24GB` (1 GB = 10^9 bytes)"
    match = _QUANTITY.fullmatch(text.strip())
    if match is not None:
        number, unit = match["number"], match["unit"]
        if unit.lower() in ("", "k", "m", "g", "t", "p"):
            prefix = unit.upper() or "G"
            raise InputError(
                f"size `{text}` {'does not say its base' if unit else 'has no unit'}",
                hint=f"type `{number}{prefix}iB` (powers of 1,024) or `{number}{prefix}B` (powers of 1,000)",
            )
        if re.fullmatch(r"[KMGTP]i?b|[a-zA-Z]?i?bits?", unit):
            raise InputError(f"size `{text}` is in bits, not bytes", hint=hint)
    return _whole(text, _DECIMAL_BYTES | _BINARY_BYTES, "a size", hint)


def parse_flops(text: str) -> int:
    """Return a number of floating-point operations, not per second: `8 GF`, `27.6GFLOP`, `104 TFLOPs`, `3e24`.

    Raises InputError where it is a rate, or not whole.
    """
    hint = "type a number of FLOPs: `8 GF`, `104 TFLOP`, `3e24` (a multiply-accumulate is two)"
    plain = re.sub(r"(?i)flops?$", "F", text.strip())
    return _whole(plain, _FLOPS | {"": 1}, "a number of FLOPs", hint)


def parse_bytes_per_second(text: str) -> int:
    """Return a bandwidth in bytes per second: `1008GB/s`, `3.35 TB/s`, `900 GiB/s`.

    Raises InputError as `parse_bytes` does, and where `/s` is missing.
    """
    hint = "type a bandwidth in bytes per second: `1008GB/s` or `3.35TB/s`"
    size, slash, second = text.strip().rpartition("/")
    if not slash or second.strip().lower() != "s":
        raise InputError(f"`{_shortened(text)}` is not a bandwidth", hint=hint)
    if re.search(r"[KMGTP]b$|bits?$", size):
        raise InputError(f"bandwidth `{_shortened(text)}` is in bits, not bytes", hint=hint)
    return _whole(size, _DECIMAL_BYTES | _BINARY_BYTES, "a bandwidth", hint)


def _whole(text: str, units: dict[str, int], what: str, hint: str) -> int:
    factors = {unit.lower(): factor for unit, factor in units.items()}
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match["unit"].lower() not in factors:
        raise InputError(f"`{_shortened(text)}` is not {what}", hint=hint)
    number = Fraction(match["number"].replace(",", "").replace("_", ""))
    power_of_ten: int = 10 ** int(match["exponent"] or 0)
    value = number * power_of_ten * factors[match["unit"].lower()]
    if value.denominator != 1:
        raise InputError(f"`{_shortened(text)}` does not come to a whole number", hint=hint)
    return value.numerator


def _shortened(text: str, width: int = 60) -> str:
    return text if len(text) <= width else f"{text[:width]}..."


# ------------------------------------------------------------------------------------------ formatting


def format_int(value: int | Fraction) -> str:
    """Return a whole number with thousands separators: exact for an int, a Fraction rounded half up."""
    return _fixed(Fraction(value), 0)


def format_counted(count: int, noun: str) -> str:
    """`1 tensor`, `2 tensors`, `1,024 tensors`."""
    return f"{format_int(count)} {noun}{'' if count == 1 else 's'}"


def format_parameters(parameters: Number) -> str:
    """Return parameters in powers of 1,000, with two decimals: `46.70 B`, `1.04 T`, `770`."""
    return _scaled(parameters, _COUNTS, decimals=2)


def format_bytes_decimal(size: Number, *, digits: int = 3) -> str:
    """Return bytes in powers of 1,000 with `digits` significant digits: `93.4 GB`, `336 GB`, `512 B`."""
    return _scaled(size, _DECIMAL_BYTES, digits=digits)


def format_bytes_binary(size: Number, *, digits: int = 3) -> str:
    """Return bytes in powers of 1,024 with `digits` significant digits: `128 KiB`, `13.8 GiB`, `512 B`."""
    return _scaled(size, _BINARY_BYTES, digits=digits)


def format_flops(flops: Number, *, digits: int = 3) -> str:
    """Return floating-point operations (a multiply-accumulate is two), not per second: `27.6 GF`."""
    return _scaled(flops, _FLOPS, digits=digits)


def format_ratio(ratio: Number) -> str:
    """Return a ratio: `0.28x`, `6.25x`, `16.0x`, `371x`; below 0.1 with two significant digits, `0.034x`."""
    return f"{_significant(Fraction(ratio), 3)}x"


def format_percent(share: Number) -> str:
    """Return a share (1 = all) in per cent: `27.6%`, `3.40%`, `100%`. What is not quite all is `99.9%`."""
    percent = Fraction(share) * 100
    if percent < 100:
        percent = min(percent, Fraction("99.9"))
    return f"{_significant(percent, 3)}%"


def _scaled(value: Number, units: dict[str, int], *, digits: int = 3, decimals: int | None = None) -> str:
    """Write `value` in the largest unit in which it is at least 1 after rounding: 999,999,999 is `1.00 B`."""
    exact = Fraction(value)
    names = list(units)
    chosen = max((i for i, name in enumerate(names) if abs(exact) >= units[name]), default=0)
    if chosen + 1 < len(names):
        here, above = units[names[chosen]], units[names[chosen + 1]]
        magnitude = abs(exact) / here
        shown = decimals if decimals is not None else max(0, digits - len(str(int(magnitude))))
        if _rounded(magnitude, shown) * here >= above:
            chosen += 1
    scaled = exact / units[names[chosen]]
    if chosen == 0 and scaled.denominator == 1:
        text = _fixed(scaled, 0)  # a whole number of bytes or parameters has no decimals
    else:
        text = _significant(scaled, digits) if decimals is None else _fixed(scaled, decimals)
    return f"{text} {names[chosen]}".rstrip()


def _significant(value: Fraction, digits: int) -> str:
    """Write `digits` significant digits (a leading 0 counts as one); all digits before the point are kept.

    Values below 0.1 get two significant digits, so that a small ratio or share never prints as 0.00.
    """
    magnitude = abs(value)
    if not magnitude:
        return "0"
    if magnitude < Fraction(1, 10):
        decimals = 2
        while magnitude * 10 ** (decimals - 1) < 1:
            decimals += 1
        return _fixed(value, decimals)
    for decimals in range(digits - 1, 0, -1):
        # counted after rounding: 9.996 is 10.0, not 10.00
        if len(str(int(_rounded(magnitude, decimals)))) + decimals <= digits:
            return _fixed(value, decimals)
    return _fixed(value, 0)


def _fixed(value: Fraction, decimals: int) -> str:
    shifted = int(_rounded(abs(value), decimals) * 10**decimals)
    whole, part = divmod(shifted, 10**decimals)
    sign = "-" if value < 0 and shifted else ""
    return f"{sign}{whole:,}.{part:0{decimals}}" if decimals else f"{sign}{whole:,}"


def _rounded(value: Fraction, decimals: int) -> Fraction:
    """Round a value that is not negative, half up."""
    scale = 10**decimals
    return Fraction(floor(value * scale + Fraction(1, 2)), scale)
