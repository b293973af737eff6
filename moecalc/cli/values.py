"""What was typed, as the calculators take it."""

from fractions import Fraction

from moecalc.errors import InputError
from moecalc.units import parse_tokens


def tokens(text: str | None) -> int | None:
    """A token count as typed, or None where the option was not given."""
    return None if text is None else parse_tokens(text)


def past_tokens(text: str) -> int:
    """A token count as typed that may be 0: what lies behind a prompt."""
    return parse_tokens(text, minimum=0)


def memory_share(value: str | Fraction) -> Fraction:
    """A share of memory as typed, `0.9` or `90%`; a default as it is. Raises InputError outside (0, 1]."""
    from moecalc.specs import money

    return value if isinstance(value, Fraction) else Fraction(money.share("--gpu-memory-utilization", value))


def patches(text: str | None) -> int | tuple[int, int] | None:
    """Patches of an image as typed: `1024`, or rows and columns, `36x52`. None where the option was not given."""
    if text is None:
        return None
    sides = [side.strip() for side in text.lower().split("x")]
    if not all(side.isdecimal() and side.isascii() for side in sides) or len(sides) > 2:
        raise InputError(
            f"`{text}` is not a number of patches", hint="type a number, or rows x columns: `1024`, `36x52`"
        )
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


def one_format(json: bool, markdown: bool) -> None:
    """Refuse two output formats at once."""
    if json and markdown:
        raise InputError("`--json` and `--markdown` exclude each other", hint="choose one")
