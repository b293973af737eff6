"""A request mix as buyers think in it: `in=8k,out=1k,cached=70%,turns=5`, and the grammar.

in      tokens of a whole prompt, what is cached of it included (k = 1,024)
out     tokens written in answer
cached  share of the prompt whose state is still there and is not computed again: a shared prefix, earlier turns
turns   requests of one conversation; each is taken to be like the mean one that the other words describe
pause   time between two turns, for which the state of the conversation is held
"""

import re
from fractions import Fraction

from msgspec import Struct

from moecalc.errors import InputError, suggestion
from moecalc.units import parse_tokens

KEYS = ("in", "out", "cached", "turns", "pause")

EXAMPLE = "in=8k,out=1k,cached=70%,turns=5"

MOST_TURNS = 10_000
"""More than any conversation: a slip of the keyboard."""

_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600}
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?"


class Request(Struct, frozen=True, kw_only=True):
    """The mean request of a mix, and how many make a conversation."""

    prompt: int
    output: int
    cached: Fraction = Fraction(0)
    """Share of the prompt that is not computed again; below 1, since some token must be new."""
    turns: int = 1
    pause_seconds: Fraction | None = None
    """None: not said."""

    @property
    def cached_tokens(self) -> int:
        """Tokens of the prompt whose state is there, rounded half up; at least one token is new."""
        return min(int(self.prompt * self.cached + Fraction(1, 2)), self.prompt - 1)

    @property
    def new_tokens(self) -> int:
        """Tokens of the prompt that are computed."""
        return self.prompt - self.cached_tokens

    @property
    def context(self) -> int:
        """Keys that a decoded token sees in the mean: the prompt and half of the output, itself included."""
        return self.prompt + (self.output + 1) // 2

    @property
    def longest(self) -> int:
        """Tokens of state when the last one is written."""
        return self.prompt + self.output

    @property
    def words(self) -> str:
        """The request as it is typed."""
        parts = [f"in={self.prompt}", f"out={self.output}"]
        if self.cached:
            parts.append(f"cached={float(self.cached * 100):g}%")
        if self.turns > 1:
            parts.append(f"turns={self.turns}")
        if self.pause_seconds is not None:
            parts.append(f"pause={float(self.pause_seconds):g}s")
        return ",".join(parts)


def parse_request(text: str) -> Request:
    """The request that a text means. Raises InputError for an unknown, repeated or missing key and a bad value."""
    given: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if not equals or not value:
            raise InputError(
                f"`{part.strip() or text}` in `--request {text}` has no value", hint=f"type `{EXAMPLE}`"
            )
        if key not in KEYS:
            near = suggestion(key, KEYS)
            hint = f"{near} " if near else ""
            raise InputError(
                f"`--request` has no `{key}`",
                hint=f"{hint}it takes {', '.join(f'`{name}`' for name in KEYS)}",
            )
        if key in given:
            raise InputError(f"`{key}` stands twice in `--request {text}`", hint="leave one out")
        given[key] = value
    for key in ("in", "out"):
        if key not in given:
            raise InputError(f"`--request {text}` does not say `{key}`", hint=f"type `{EXAMPLE}`")
    turns = _turns(given["turns"]) if "turns" in given else 1
    if "pause" in given and turns == 1:
        raise InputError("`pause` is the time between turns, and there is one", hint="add `turns=5`")
    return Request(
        prompt=_tokens("in", given["in"]),
        output=_tokens("out", given["out"]),
        cached=_share(given["cached"]) if "cached" in given else Fraction(0),
        turns=turns,
        pause_seconds=_pause(given["pause"]) if "pause" in given else None,
    )


def _tokens(key: str, text: str) -> int:
    try:
        return parse_tokens(text)
    except InputError as error:
        raise InputError(f"`{key}={text}`: {error.message}", hint=error.hint) from None


def _share(text: str) -> Fraction:
    match = re.fullmatch(rf"(?P<number>{_NUMBER})(?P<percent>%?)", text)
    share = Fraction(match["number"]) / (100 if match["percent"] else 1) if match else None
    if share is not None and match is not None and share > 1 and not match["percent"]:
        raise InputError(f"`cached={text}` is more than all of the prompt", hint=f"type `cached={text}%`")
    if share is None or share >= 1:
        raise InputError(
            f"`cached={text}` is not a share below 100%",
            hint="type `cached=70%` or `cached=0.7`: some of a prompt is new",
        )
    return share


def _turns(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text) or not 1 <= int(text) <= MOST_TURNS:
        raise InputError(
            f"`turns={text}` is not a number of requests", hint=f"a whole number from 1 to {MOST_TURNS:,}"
        )
    return int(text)


def _pause(text: str) -> Fraction:
    match = re.fullmatch(rf"(?P<number>{_NUMBER})(?P<unit>[a-z]+)", text)
    if match is None or match["unit"] not in _SECONDS:
        raise InputError(f"`pause={text}` is not a time", hint="type `pause=30s`, `pause=5m` or `pause=1h`")
    return Fraction(match["number"]) * _SECONDS[match["unit"]]
