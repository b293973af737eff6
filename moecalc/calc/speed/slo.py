"""Limits that serving must keep: `ttft<1s,tpot<50ms`; `high:ttft<1s` holds the high end of the interval against them.

ttft   time from a request to its first token, here of a request alone (no queue)
tpot   time per output token of one sequence, the first excepted
"""

import re

import msgspec

from moecalc.errors import InputError, suggestion

NAMES = ("ttft", "tpot")
ALIASES = {"itl": "tpot"}
UNITS_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "µs": 10**6, "μs": 10**6}
"""The micro sign and the Greek letter are two characters."""

HINT = "limits are `ttft<1s`, `tpot<50ms`, or both with a comma between"

HIGH = "high"
"""Before the limits: what is expected keeps them only where the high end of its interval does."""

_TERM = re.compile(
    r"(?P<name>[a-z]+)\s*(?:<=?|≤)\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>ms|us|µs|μs|s)", re.IGNORECASE
)


class Slo(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that must not be exceeded; None is no limit."""

    text: str
    ttft_seconds: float | None = None
    tpot_seconds: float | None = None
    high: bool = False
    """Whether the high end of an interval is held against the limits; else its middle."""

    def misses(self, ttft_seconds: float | None, tpot_seconds: float) -> dict[str, float]:
        """How many times over its limit each figure is, for those that are over."""
        pairs = (("ttft", ttft_seconds, self.ttft_seconds), ("tpot", tpot_seconds, self.tpot_seconds))
        return {
            name: value / limit
            for name, value, limit in pairs
            if limit is not None and value is not None and value > limit
        }


def parse_slo(text: str) -> Slo:
    """The limits that were typed. Raises InputError for an unknown name, a missing unit, a limit of 0, a repetition."""
    found: dict[str, float] = {}
    first, colon, terms = text.partition(":")
    high = bool(colon) and first.strip().lower() == HIGH
    for term in (terms if high else text).split(","):
        match = _TERM.fullmatch(term.strip())
        if match is None:
            raise InputError(f"`{term.strip()}` in `--slo {text}` is no limit", hint=HINT)
        typed = match["name"].lower()
        name = ALIASES.get(typed, typed)
        if name not in NAMES:
            near = suggestion(typed, [*NAMES, *ALIASES])
            raise InputError(
                f"unknown limit `{typed}` in `--slo {text}`", hint=f"{near} {HINT}" if near else HINT
            )
        if name in found:
            raise InputError(f"`{name}` stands twice in `--slo {text}`", hint=HINT)
        seconds = float(match["number"]) / UNITS_PER_SECOND[match["unit"].lower()]
        if seconds <= 0:
            raise InputError(f"`{term.strip()}`: nothing takes no time", hint=HINT)
        found[name] = seconds
    return Slo(text=text, ttft_seconds=found.get("ttft"), tpot_seconds=found.get("tpot"), high=high)
