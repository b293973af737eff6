"""The models in a repository of GGUF files, with the bits that each spends on a weight by the hub's count of them."""

from collections.abc import Sequence

from moecalc.errors import InputError
from moecalc.sources.headers import gguf_models
from moecalc.sources.headers.gguf_models import Place, StoredModel
from moecalc.sources.hub.snapshot import Snapshot
from moecalc.units import format_parameters


def stored_models(snapshot: Snapshot) -> list[StoredModel]:
    """All models, the smallest first."""
    return gguf_models.stored_models(_place(snapshot))


def pick(snapshot: Snapshot, wanted: str) -> str:
    """The file that is meant by its name, or by the quantization in its name (`Q4_K_M`).

    Raises InputError where none or several are.
    """
    return gguf_models.pick(_place(snapshot), wanted)


def several(snapshot: Snapshot, models: Sequence[StoredModel]) -> InputError:
    """The error that lists the models of a repository, of which one has to be picked."""
    count = snapshot.parameters
    whose = f"{format_parameters(count)} parameters, by the hub's count" if count else ""
    return gguf_models.several(_place(snapshot), models, lambda _: count, whose)


def _place(snapshot: Snapshot) -> Place:
    return Place(str(snapshot.about), snapshot.files)
