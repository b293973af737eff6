"""What a design is judged by, and which way is better.

Without a word from the user: the most parameters in all for the fewest active ones, the smallest state, the fastest
and the cheapest. More parameters in all is the better side since at equal active parameters a sparser model reaches a
lower loss (Clark et al. 2022, arXiv 2202.01169; Abnar et al. 2025, arXiv 2501.12370); what they take is in the budgets.
"""

from typing import TYPE_CHECKING, Literal

import msgspec

from moecalc.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from moecalc.calc.design.search import Design

Sense = Literal["min", "max"]

FIELDS: dict[str, tuple[str, Sense]] = {
    "active": ("active", "min"),
    "total": ("total", "max"),
    "kv": ("state_bytes", "min"),
    "speed": ("tokens_per_second", "max"),
    "cost": ("usd_per_million", "min"),
}
"""Objective -> the figure of a design, and which way is better unless said otherwise."""

NEED_DEVICES = ("speed", "cost")


class Objective(msgspec.Struct, frozen=True):
    """One figure and its better side."""

    name: str
    sense: Sense

    @property
    def words(self) -> str:
        """`total high`."""
        return f"{self.name} {'low' if self.sense == 'min' else 'high'}"

    def score(self, design: "Design") -> float:
        """The figure, the lower the better."""
        value = getattr(design, FIELDS[self.name][0])
        return value if self.sense == "min" else -value  # type: ignore[no-any-return]


def parse_objectives(text: str | None, known: tuple[str, ...]) -> tuple[Objective, ...]:
    """`active,total:max,kv` as objectives; all that are known without a text.

    `known` are those that can be told here. Raises InputError for others, and for one named twice.
    """
    if text is None:
        return tuple(Objective(name, FIELDS[name][1]) for name in known)
    found: dict[str, Objective] = {}
    for part in text.split(","):
        name, colon, sense = (piece.strip().lower() for piece in part.partition(":"))
        if name not in FIELDS or (colon and sense not in {"min", "max"}):
            near = did_you_mean(name, FIELDS, n=1)
            hint = f"did you mean `{near[0]}`? " if near and name not in FIELDS else ""
            raise InputError(
                f"`--pareto {text[:60]}` has `{part.strip()[:40]}`, which is no objective",
                hint=f"{hint}objectives: {', '.join(FIELDS)}, each with `:min` or `:max` behind it",
            )
        if name not in known:
            what = "a price of the devices" if name == "cost" and "speed" in known else "devices"
            raise InputError(f"`--pareto {name}` needs {what}", hint="add `--gpu h100`")
        if name in found:
            raise InputError(f"`--pareto` names `{name}` twice", hint="name each objective once")
        found[name] = Objective(name, "max" if sense == "max" else "min" if colon else FIELDS[name][1])
    return tuple(found.values())
