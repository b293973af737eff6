"""How the tokens of a batch spread over the experts: a law of the load, or loads that were counted."""

import math
from typing import Literal

import msgspec

from moecalc.errors import InputError

LAWS = ("uniform", "zipf", "dirichlet")
HINT = "type `uniform`, `zipf:1`, `dirichlet:0.5`, or a file of counts or choices"

MAX_EXPONENT = 20.0
"""Of a Zipf law: at 20 the second expert would get a millionth of the first's load."""

LEAST_CONCENTRATION, MOST_CONCENTRATION = 0.01, 1e6
"""Of a Dirichlet law: below, one expert has all in nearly every draw; above, no draw can be told from uniform."""


class Loads(msgspec.Struct, frozen=True, kw_only=True):
    """Loads that were counted: `counts` [layers][experts], of the layers in which anything was counted."""

    source: str
    counts: tuple[tuple[int, ...], ...]

    @property
    def experts(self) -> int:
        """Experts of each layer."""
        return len(self.counts[0])


class Skew(msgspec.Struct, frozen=True, kw_only=True):
    """Each expert's share of a layer's load, before a token's choice of distinct experts caps it at 1/top_k.

    `uniform`: all alike. `zipf` with exponent s: the r-th expert's share falls as r^-s. `dirichlet` with
    concentration a: the shares of each layer are a draw of the symmetric Dirichlet law, and figures are expectations
    over seeded draws. `loads`: as counted, layer by layer.
    """

    law: Literal["uniform", "zipf", "dirichlet", "loads"] = "uniform"
    parameter: float | None = None
    loads: Loads | None = None

    @property
    def words(self) -> str:
        """As it is typed, or the file it was read from."""
        if self.loads is not None:
            return self.loads.source
        return self.law if self.parameter is None else f"{self.law}:{self.parameter:g}"


UNIFORM_SKEW = Skew()


def is_law(text: str) -> bool:
    """Whether it names a law rather than a file: a law's name alone, or before a colon."""
    return text.strip().lower().partition(":")[0] in LAWS


def parse_law(text: str) -> Skew:
    """A law as typed: `uniform`, `zipf:1.2`, `dirichlet:0.5`. Raises InputError for anything else, and out of range."""
    name, colon, written = text.strip().lower().partition(":")
    if name not in LAWS:
        raise InputError(f"no routing law `{text}`", hint=HINT)
    if name == "uniform":
        if colon:
            raise InputError(f"`{text}`: a uniform law has no parameter", hint="type `uniform`")
        return UNIFORM_SKEW
    what, low, high, example = (
        ("exponent", 0.0, MAX_EXPONENT, "zipf:1")
        if name == "zipf"
        else ("concentration", LEAST_CONCENTRATION, MOST_CONCENTRATION, "dirichlet:0.5")
    )
    try:
        parameter = float(written)
    except ValueError:
        said = f"is `{written}`" if written else "is missing"
        raise InputError(f"the {what} of `{text}` {said}", hint=f"type a number: `{example}`") from None
    if not (math.isfinite(parameter) and low <= parameter <= high):
        raise InputError(
            f"the {what} of `{text}` is out of range", hint=f"a number from {low:g} to {high:g}: `{example}`"
        )
    return Skew(law="zipf" if name == "zipf" else "dirichlet", parameter=parameter)
