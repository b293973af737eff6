"""moecalc: how big a language model really is, what a token costs on it, and whether a claim about it holds."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moecalc.api import Comparison, Model, StatedModel, compare, load
    from moecalc.api.accuracy import accuracy
    from moecalc.api.checking import check
    from moecalc.api.claiming import claim
    from moecalc.api.cost import cost
    from moecalc.api.design import design
    from moecalc.api.differing import diff
    from moecalc.api.fitting import fit
    from moecalc.api.fleets import devices
    from moecalc.api.reports import as_dict
    from moecalc.api.routing import routing
    from moecalc.api.scaling import scaling
    from moecalc.api.serving import serve
    from moecalc.api.speed import speed
    from moecalc.api.sweeping import sweep
    from moecalc.api.training import train

__all__ = [
    "Comparison",
    "Model",
    "StatedModel",
    "accuracy",
    "as_dict",
    "check",
    "claim",
    "compare",
    "cost",
    "design",
    "devices",
    "diff",
    "fit",
    "load",
    "routing",
    "scaling",
    "serve",
    "speed",
    "sweep",
    "train",
]

_MODULES = {
    "accuracy": "moecalc.api.accuracy",
    "as_dict": "moecalc.api.reports",
    "check": "moecalc.api.checking",
    "claim": "moecalc.api.claiming",
    "cost": "moecalc.api.cost",
    "design": "moecalc.api.design",
    "devices": "moecalc.api.fleets",
    "diff": "moecalc.api.differing",
    "fit": "moecalc.api.fitting",
    "routing": "moecalc.api.routing",
    "scaling": "moecalc.api.scaling",
    "serve": "moecalc.api.serving",
    "speed": "moecalc.api.speed",
    "sweep": "moecalc.api.sweeping",
    "train": "moecalc.api.training",
}
"""Where names stand that `moecalc.api` does not import: what they need is slow to load."""


def __getattr__(name: str) -> Any:
    # Loaded on first use: the command line imports this package before it knows what it needs.
    if name in __all__:
        return getattr(import_module(_MODULES.get(name, "moecalc.api")), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("moecalc")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
