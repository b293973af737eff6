"""MODEL -> a model with its checkpoint's header beside its config."""

from moecalc.api.checkpoint import CheckpointModel
from moecalc.api.header_alone import HeaderModel
from moecalc.api.loading import load
from moecalc.errors import InputError


def reconciled(model: str) -> CheckpointModel:
    """A model with config and header. Raises InputError where either is not at hand."""
    loaded = load(model, headers=True)
    if isinstance(loaded, CheckpointModel):
        return loaded
    why = f": {loaded.why}" if isinstance(loaded, HeaderModel) and loaded.why else ""
    raise InputError(
        f"`{model}` has no config to hold its header against{why}",
        hint="put the config.json beside the weights; `moecalc show` works without",
    )
