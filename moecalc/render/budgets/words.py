"""A judged limit in words: the comparison, the arithmetic behind it, and what changed since the base."""

import re
from collections.abc import Iterator
from fractions import Fraction

from moecalc.checks.budgets.outcome import Effect, Outcome
from moecalc.render.amounts import significant
from moecalc.units import (
    format_bytes_binary,
    format_bytes_decimal,
    format_flops,
    format_int,
    format_parameters,
    format_percent,
)

BROKEN = {"<=": ">", "<": ">=", ">=": "<", ">": "<=", "==": "!="}
"""What is true where a comparison fails."""

MARKS = {"fail": "FAIL", "undetermined": "UNKNOWN", "warn": "WARN", "new": "NEW", "pass": "PASS"}

MOST_EFFECTS = 6
"""Changes that are named one by one."""

_UNIT_NAMES = {"bytes": "B", "parameters": "parameters", "FLOPs": "FLOPs", "elements": "elements"}
_DECIMAL = re.compile(r"[0-9.] *[kKMGTP]B\b", re.IGNORECASE)
_COMPARISON = re.compile(r"<=|>=|==|<|>|=")


def amount(value: Fraction, unit: str, limit: str = "") -> str:
    """A value in its unit, of bytes with the base that the limit was typed in; GiB unless that is GB."""
    if unit in {"bytes", "fleet"}:
        return (format_bytes_decimal if _DECIMAL.search(limit) else format_bytes_binary)(value)
    if unit == "parameters":
        return format_parameters(value)
    if unit == "FLOPs":
        return format_flops(value)
    if unit == "elements":
        return format_int(value)
    if unit == "seconds" and abs(value) < 1:
        return f"{significant(float(1000 * value))} ms"
    number = significant(float(value))
    words = {
        "tokens/s": f"{number} tok/s",
        "seconds": f"{number} s",
        "dollars": f"${number}",
        "watt-hours": f"{number} Wh",
        "grams": f"{number} g",
    }
    return words.get(unit, number)


def exactly(value: Fraction, unit: str) -> str:
    """Every digit: `25,769,803,776 B`, `163,862,447,616.4 B`; a fraction where no decimals come to an end."""
    whole, rest = divmod(abs(value), 1)
    number = f"{'-' if value < 0 else ''}{int(whole):,}"
    if rest:
        decimals = next((places for places in range(1, 7) if (rest * 10**places).denominator == 1), None)
        if decimals is None:
            number = f"{value.numerator:,}/{value.denominator:,}"
        else:
            number += f".{int(rest * 10**decimals):0{decimals}}"
    name = _UNIT_NAMES.get(unit, unit)
    return f"{number} {name.rstrip('s') if abs(value) == 1 else name}"


def signed(value: Fraction, unit: str, limit: str = "") -> str:
    """A change: `+1.90 GiB`, `-12.0 MiB`."""
    return f"{'-' if value < 0 else '+'}{amount(abs(value), unit, limit)}"


def held(outcome: Outcome) -> str:
    """`25.1 GiB > 24.0 GiB by 1.10 GiB (1,181,116,006 B)`, with all digits where fewer look alike."""
    figure, bound = outcome.figure, outcome.bound
    if figure.value is None:
        return f"{_range(outcome)}; limit {outcome.limit}"
    if figure.unit == "fleet":
        left = amount(abs(figure.value), "fleet")
        return (
            f"does not fit {outcome.limit}, {left} missing"
            if figure.value < 0
            else f"fits {outcome.limit}, {left} left"
        )
    if bound is None:
        return f"{amount(figure.value, figure.unit, outcome.limit)}; limit {outcome.limit}"
    said = _COMPARISON.match(outcome.limit)
    comparison = {"=": "=="}.get(said[0], said[0]) if said else "<="
    broken = not _holds(figure.value, comparison, bound)
    sign = BROKEN[comparison] if broken else comparison
    one, other = (amount(side, figure.unit, outcome.limit) for side in (figure.value, bound))
    if one == other and figure.value != bound:
        one, other = exactly(figure.value, figure.unit), exactly(bound, figure.unit)
    text = f"{one} {sign} {other}"
    if broken:
        over = abs(figure.value - bound)
        short, exact = amount(over, figure.unit, outcome.limit), exactly(over, figure.unit)
        if figure.unit not in _UNIT_NAMES:
            text += f" by {short}"
        elif short.split()[0] == exact.split()[0]:
            text += f" by {exact}"
        else:
            text += f" by {short} ({exact})"
    return text


def details(outcome: Outcome) -> Iterator[str]:
    """What stands under a limit: the arithmetic where it is broken, the change since the base, remarks."""
    figure = outcome.figure
    if outcome.status in {"fail", "warn"} and figure.value is not None:
        yield from _arithmetic(outcome)
    if outcome.change:
        yield since(outcome)
    if outcome.remark:
        yield outcome.remark


def since(outcome: Outcome) -> str:
    """`since origin/main +1.90 GiB: num_experts 64 -> 72: +1.90 GiB`."""
    change, unit = outcome.change, outcome.figure.unit
    assert change is not None
    share = f" ({_share(change / outcome.base)})" if outcome.base else ""
    text = f"since {outcome.base_name} {signed(change, unit, outcome.limit)}{share}"
    named = [_effect(effect, unit, outcome.limit) for effect in outcome.effects[:MOST_EFFECTS]]
    if len(outcome.effects) > MOST_EFFECTS:
        named.append(f"{len(outcome.effects) - MOST_EFFECTS:,} more changes")
    if outcome.together is not None and named:
        named.append(f"{signed(outcome.together, unit, outcome.limit)} by changes together")
    return f"{text}: {'; '.join(named)}" if named else text


def _effect(effect: Effect, unit: str, limit: str) -> str:
    return (
        effect.change if effect.amount is None else f"{effect.change}: {signed(effect.amount, unit, limit)}"
    )


def _arithmetic(outcome: Outcome) -> Iterator[str]:
    figure, limit, unit = outcome.figure, outcome.limit, outcome.figure.unit
    assert figure.value is not None
    if figure.parts:
        terms = [f"{name} {amount(abs(size), unit, limit)}" for name, size in figure.parts]
        signs = [
            "" if index == 0 else " - " if size < 0 else " + " for index, (_, size) in enumerate(figure.parts)
        ]
        total = "-" if figure.value < 0 else ""
        text = "".join(sign + term for sign, term in zip(signs, terms, strict=True))
        yield f"{text} = {total}{amount(abs(figure.value), unit, limit)}"
    if outcome.base is not None and outcome.bound is not None and ("+" in limit or "-" in limit):
        base = amount(outcome.base, unit, limit)
        bound = amount(outcome.bound, unit, limit)
        added = re.sub(r"^\D*?(?=[+-])", "", limit)
        yield f"{base} in {outcome.base_name}, {added}, is {bound}"
    if unit in _UNIT_NAMES and outcome.bound is not None:
        yield f"{exactly(figure.value, unit)} against {exactly(outcome.bound, unit)}"


def _range(outcome: Outcome) -> str:
    """What is known of a figure that is no one number."""
    figure = outcome.figure
    low, high = (
        None if end is None else amount(end, figure.unit, outcome.limit) for end in (figure.low, figure.high)
    )
    if low is None and high is None:
        return "undetermined"
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _holds(value: Fraction, comparison: str, bound: Fraction) -> bool:
    return {
        "<=": value <= bound,
        "<": value < bound,
        ">=": value >= bound,
        ">": value > bound,
        "==": value == bound,
    }[comparison]


def _share(share: Fraction) -> str:
    return f"{'-' if share < 0 else '+'}{format_percent(abs(share))}"
