"""Which layers of an architecture are built, and how many layers of each kind the whole model has."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from moecalc.errors import InputError
from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.mla import MLA
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.profile.builder.attention_fields import signature
from moecalc.profile.builder.refusal import check_fields, refused

Layers = Literal["all"] | Sequence[str]
"""`all`, or the names of the kinds to build, each as often as it is named; none for embedding and head alone."""


WHOLE = "`--layers all`, and a model or a dtype that fits"
"""What to do with layers of which none stands for the others."""


LOOPED = ("layers", "pattern", "applications", "final_norm", "initial_state")
"""Fields of stacks that run in a loop."""


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
    stack: int = 0
    """Of the architecture's, where it has several."""


def kinds(architecture: Architecture) -> tuple[Kind, ...]:
    """The distinct kinds of layers, in the order of their first; none of looped stacks, which have no parts.

    Raises InputError for stacks that are not built.
    """
    if is_loop(architecture):
        return ()
    names = _stack(architecture).kinds
    counted = Counter(names)
    return tuple(Kind(name, counted[name]) for name in dict.fromkeys(names))


def places(architecture: Architecture, layers: Layers) -> tuple[Place, ...]:
    """The layers to build, in the order they run, kind after kind where kinds are named, at most as many as there are.

    Raises InputError for a kind that the model does not have.
    """
    if is_loop(architecture):
        return _looped(architecture, layers)
    stack = _stack(architecture)
    every = [Place(index, kind, stack.layers[kind]) for index, kind in enumerate(stack.kinds)]
    if layers == "all":
        return tuple(every)
    of_kind: dict[str, list[Place]] = {}
    for place in every:
        of_kind.setdefault(place.kind, []).append(place)
    made: set[object] = set()
    for name in layers:
        if name not in of_kind:
            raise InputError(
                f"no kind of layer `{name}`",
                hint=f"this model's kinds: {', '.join(f'`{k}`' for k in of_kind)}",
            )
        if stack.attention_residual:
            raise InputError(
                f"`{name}` reads the more blocks the later it stands: no layer stands for another",
                hint=WHOLE,
            )
        _check_alone(name, stack.layers[name], made)
    return tuple(place for name, times in Counter(layers).items() for place in of_kind[name][:times])


def is_loop(architecture: Architecture) -> bool:
    """Whether two stacks run in a loop from a stored state (HRM; see `loop.py`).

    Raises InputError for any other model of several stacks.
    """
    stacks = architecture.stacks
    if len(stacks) == 1:
        return False
    if len(stacks) != 2 or not stacks[0].initial_state or stacks[0].applications % stacks[1].applications:
        raise refused(f"a model of {len(stacks)} stacks")
    for stack in stacks:
        check_fields(stack, LOOPED)
    return True


def _looped(architecture: Architecture, layers: Layers) -> tuple[Place, ...]:
    """All layers of all stacks, one stack behind the other."""
    if layers != "all":
        raise InputError(
            "the layers of looped stacks run many times each: none stands for the others",
            hint="`--layers all`",
        )
    every = [(number, kind) for number, stack in enumerate(architecture.stacks) for kind in stack.kinds]
    return tuple(
        Place(index, kind, architecture.stacks[number].layers[kind], number)
        for index, (number, kind) in enumerate(every)
    )


def _check_alone(name: str, layer: Layer, made: set[object]) -> None:
    """Raise InputError for a kind that needs layers of others; `made` are the keys of the kinds before it."""
    if layer.before:
        raise InputError(f"`{name}` shares blocks between its layers: none stands for the others", hint=WHOLE)
    if isinstance(layer.mixer, MLA):
        if layer.mixer.top_k and "indexer" not in made:
            raise InputError(
                f"`{name}` attends to what layers of another kind choose, which are not built", hint=WHOLE
            )
        made.update({"indexer"} if layer.mixer.indexer else ())
    if not isinstance(layer.mixer, GQA):
        return
    if layer.mixer.shared_kv and signature(layer.mixer) not in made:
        raise InputError(
            f"`{name}` reads the keys of layers of another kind, which are not built", hint=WHOLE
        )
    made.add(signature(layer.mixer))


def _stack(architecture: Architecture) -> Stack:
    (stack,) = architecture.stacks
    check_fields(stack, ("layers", "pattern", "final_norm", "altup", "residual", "attention_residual"))
    return stack
