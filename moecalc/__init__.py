"""moecalc: how big a language model really is, what a token costs on it, and whether a claim about it holds."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moecalc.api import Comparison, Model, StatedModel, compare, load
    from moecalc.api.checking import check
    from moecalc.api.claiming import claim
    from moecalc.api.differing import diff
    from moecalc.api.routing import routing

__all__ = ["Comparison", "Model", "StatedModel", "check", "claim", "compare", "diff", "load", "routing"]

_MODULES = {
    "check": "moecalc.api.checking",
    "claim": "moecalc.api.claiming",
    "diff": "moecalc.api.differing",
    "routing": "moecalc.api.routing",
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
