"""Which layers of an architecture are built, and how many layers of each kind the whole model has."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from moecalc.errors import InputError
from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.profile.build.refusal import check_fields, refused

Layers = Literal["all"] | Sequence[str]
"""`all`, or the names of the kinds to build, each as often as it is named; none for embedding and head alone."""


class Kind(NamedTuple):
    """One distinct kind of layer."""

    name: str
    layers: int
    """How many times it runs in the whole model."""


class Place(msgspec.Struct, frozen=True):
    """One layer to build."""

    index: int
    """Of the layer in the whole model; the first ones of a kind where kinds are built."""
    kind: str
    layer: Layer


def kinds(architecture: Architecture) -> tuple[Kind, ...]:
    """The distinct kinds of layers, in the order of their first. Raises InputError for stacks that are not built."""
    names = _stack(architecture).kinds
    counted = Counter(names)
    return tuple(Kind(name, counted[name]) for name in dict.fromkeys(names))


def places(architecture: Architecture, layers: Layers) -> tuple[Place, ...]:
    """The layers to build, in the order they run, kind after kind where kinds are named, at most as many as there are.

    Raises InputError for a kind that the model does not have.
    """
    stack = _stack(architecture)
    every = [Place(index, kind, stack.layers[kind]) for index, kind in enumerate(stack.kinds)]
    if layers == "all":
        return tuple(every)
    of_kind: dict[str, list[Place]] = {}
    for place in every:
        of_kind.setdefault(place.kind, []).append(place)
    for name in layers:
        if name not in of_kind:
            raise InputError(
                f"no kind of layer `{name}`",
                hint=f"this model's kinds: {', '.join(f'`{k}`' for k in of_kind)}",
            )
    return tuple(place for name, times in Counter(layers).items() for place in of_kind[name][:times])


def _stack(architecture: Architecture) -> Stack:
    if len(architecture.stacks) != 1:
        raise refused(f"a model of {len(architecture.stacks)} stacks")
    (stack,) = architecture.stacks
    check_fields(stack, ("layers", "pattern", "final_norm"))
    return stack
