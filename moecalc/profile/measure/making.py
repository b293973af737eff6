"""Who builds what is timed: moecalc's own runner, or the reference library's module."""

from collections.abc import Sequence
from typing import Any, Protocol

from moecalc.api.model import Model
from moecalc.errors import InputError
from moecalc.ir.roles import Component, Role
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.runner import Kind, Layered, Runner
from moecalc.specs.formats import Precision


class Maker(Protocol):
    """Builds a model, or parts of it."""

    @property
    def name(self) -> str:
        """Whose modules run."""
        ...

    @property
    def device(self) -> Any:
        """Where."""
        ...

    @property
    def vocabulary(self) -> int:
        """Tokens are drawn from so many."""
        ...

    @property
    def kinds(self) -> Sequence[Kind]:
        """The distinct kinds of layers; empty where the model cannot be taken apart."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What must be known of a run."""
        ...

    def whole(self) -> Runner:
        """All layers."""
        ...

    def with_layers_of(self, kind: Kind, layers: int) -> Layered:
        """Embeddings, final norm, head, and so many layers of a kind."""
        ...


class ReferenceMaker:
    """Builds the library's own module, whole."""

    kinds: Sequence[Kind] = ()
    notes: Sequence[str] = (
        "the library's own module: its caches are its own affair, and its FLOPs and experts are not counted",
    )

    def __init__(self, model: Model, asked: Asked, device: Any, dtype: Any) -> None:
        """Raise InputError where there is no config, or the library cannot build it."""
        if model.config is None:
            raise InputError(
                f"`--via transformers` needs the library's config, and `{model.name}` has none ({model.source})",
                hint=_with_config(model.name),
            )
        from moecalc.profile.measure.via_transformers import TransformersRunner

        self._runner = TransformersRunner(model.config, device, dtype, asked.seed)
        self.name = self._runner.name
        self.device = device
        self.vocabulary = self._runner.vocabulary

    def whole(self) -> Runner:
        """All layers."""
        return self._runner

    def with_layers_of(self, kind: Kind, layers: int) -> Layered:
        """Cannot be had: nobody asks, as there are no kinds."""
        raise AssertionError(kind, layers)


def maker_for(model: Model, asked: Asked, device: Any, dtype: Any, precision: Precision) -> Maker:
    """The one that was asked for. Raises InputError where it cannot build the model."""
    if asked.via == "transformers":
        return ReferenceMaker(model, asked, device, dtype)
    from moecalc.profile.measure.own import OwnMaker

    stored = precision if asked.quant else None
    return OwnMaker(model, asked, device, dtype, _vocabulary(model), stored)


def _with_config(name: str) -> str:
    """Where a catalogue model's config is: at its hub id."""
    from moecalc.sources import catalog

    path = catalog.find(name)
    hub = catalog.load(path).hub if path is not None else ()
    if not hub:
        return "give a config.json or a hub id"
    return f"its hub id has one: `moecalc profile {hub[0]} --via transformers`; or give a config.json"


def _vocabulary(model: Model) -> int:
    rows = (w for w in model.ledger.weights if w.component is Component.LANGUAGE)
    return next((int(w.shape[0].size) for w in rows if w.role is Role.EMBEDDING_TOKENS), 1)
