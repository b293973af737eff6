"""`moecalc routing --observed` and `--record`: real routing, read from a file or recorded, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from moecalc.api.loading import load
from moecalc.api.model import Model, StatedModel
from moecalc.calc.routing.experts import experts_of as routers_of
from moecalc.calc.routing.observed import CACHE_SHARES, Observed, observe
from moecalc.calc.routing.placements import Placements, placements_of
from moecalc.errors import InputError
from moecalc.report import Report
from moecalc.sources.routing_records import read_recording
from moecalc.units import format_counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from moecalc.specs.recordings import Recording


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """The summary, and placements where ranks were named."""

    observed: Observed
    placements: Placements | None = None

    def report(self) -> Report:
        """The report that JSON carries."""
        placements = {} if self.placements is None else {"placement": self.placements.to_dict()}
        return Report(command="routing", models=(), extra={"observed": self.observed.to_dict(), **placements})


def recording_from(file: str, model: Any = None) -> Recording:
    """The recording in a file, held against a model's experts where one is named.

    Where layers or choices are not as many as the model's, that is among the notes: a rank may have recorded a part.
    Raises InputError for what cannot be read, does not fit the model, or a model without one sort of experts.
    """
    if model is None:
        return read_recording(file)
    found = _known(model)
    recording = read_recording(file, experts_of(found))
    notes = (*recording.notes, *_differing(recording, found))
    return msgspec.structs.replace(recording, notes=notes)


def observing(
    recording: Recording,
    ranks: int | None = None,
    redundant: int | None = None,
    cache_shares: Sequence[float] = CACHE_SHARES,
    *,
    groups: int | None = None,
    nodes: int = 1,
) -> Observation:
    """What a recording says; with `ranks`, how its experts are placed on them.

    With several `nodes` each of the `groups` of experts stays on one of them. Raises InputError where nothing was
    chosen, or experts and copies do not divide among the ranks, or these and groups among the nodes.
    """
    if nodes > 1 and groups is None:
        raise InputError(
            "nodes without the groups of experts that stay on one of them",
            hint="add `--groups 8`: as many as the router limits tokens to some of",
        )
    if ranks is None and redundant is not None:
        raise InputError(
            "copies of experts without ranks", hint="add `--placement 8`: the ranks that share them"
        )
    return Observation(
        observed=observe(recording, cache_shares),
        placements=None if ranks is None else placements_of(recording, ranks, redundant, groups or 1, nodes),
    )


def experts_of(model: Any) -> int:
    """A layer's routed experts. Raises InputError for dense models and those with several sorts."""
    found = _known(model)
    sizes = sorted({int(weight.pool.experts) for weight in found.ledger.weights if weight.pool is not None})
    if len(sizes) == 1:
        return sizes[0]
    if not sizes:
        raise InputError(
            f"`{found.name}` is dense: it has no router", hint="leave the model out, or name another"
        )
    raise InputError(
        f"`{found.name}` has layers of {' and '.join(map(str, sizes))} experts", hint="leave the model out"
    )


def _known(model: Any) -> Model:
    found = model if isinstance(model, Model | StatedModel) else load(model)
    if not isinstance(found, Model):
        raise InputError(f"the experts of `{found.name}` are not known", hint="leave the model out")
    return found


def _differing(recording: Recording, model: Model) -> Iterator[str]:
    """In what the recording is not of the whole model, or of another one."""
    routers = routers_of(model.ledger, model.precision)
    layers, choose = len(recording.layer_names), sum(router.layers for router in routers)
    if recording.counts is not None:
        layers = sum(any(row) for row in recording.counts)
    if layers != choose:
        yield f"{format_counted(layers, 'layer')} recorded, {choose:,} of `{model.name}` choose experts"
    if recording.top_k not in {None, *(router.pool.top_k for router in routers)}:
        made = " or ".join(f"{router.pool.top_k:,}" for router in routers)
        yield f"{recording.top_k:,} choices per token recorded, `{model.name}` makes {made}"
