"""What to type for a model that was read before."""

from shlex import quote

from moecalc.report import ModelReport

_NOWHERE = {"stdin", "config"}
"""Sources that cannot be read a second time."""


def can_be_typed(model: ModelReport) -> bool:
    """Whether something can be typed that means this model again."""
    return model.source not in _NOWHERE


def typed(model: ModelReport) -> str:
    """What to type for this model: its name, the path, or the hub id, with its header where that was read too."""
    if model.source.startswith("catalogue") or model.source == "two numbers":
        return quote(model.name)
    if not model.source.startswith("hub: "):
        return quote(model.source)
    has_header = any(line.id == "checkpoint.bytes" and line.basis == "exact" for line in model.lines)
    return quote(model.name) + (" --headers" if has_header else "")
