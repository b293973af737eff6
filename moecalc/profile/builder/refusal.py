"""What the builder does not build is refused by name: a model that ran without a part of itself would time nothing."""

from collections.abc import Iterable
from typing import Any

import msgspec

from moecalc.errors import InputError

HINT = "`moecalc speed` computes it all the same; docs/profiler.md lists what can be run"


def refused(what: str) -> InputError:
    """The one error for a part of an architecture that cannot be run."""
    return InputError(f"`moecalc profile` cannot run {what}", hint=HINT)


def check_fields(block: Any, known: Iterable[str]) -> None:
    """Raise InputError if the block sets a field away from its default that is not among those its module knows."""
    names = set(known)
    name = block.__struct_config__.tag or type(block).__name__
    for field in msgspec.structs.fields(block):
        if field.name in names:
            continue
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        value = getattr(block, field.name)
        if value != default:
            shown = f"`{field.name}`" if isinstance(value, msgspec.Struct) else f"`{field.name}: {value}`"
            raise refused(f"`{name}` with {shown}")
