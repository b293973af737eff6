"""What a loaded model was built from, as data that can be compared, changed and built again."""

from typing import Any

import msgspec

from moecalc.api.configs import GIVEN, from_config
from moecalc.api.model import AnyModel, Model
from moecalc.checks.budgets.record import Source
from moecalc.sources import catalog
from moecalc.sources.headers.tensors import Header


def source_of(model: AnyModel) -> Source | None:
    """The config that a model was read from, else its architecture as a spec; None where that is not known."""
    if not isinstance(model, Model):
        return None
    if isinstance(model.config, dict):
        return Source(kind="config", data=model.config)
    return spec_of(model)


def spec_of(model: Model) -> Source:
    """The parts of a catalogue spec that figures follow from."""
    data: dict[str, Any] = {
        "dtype": model.precision.default,
        "quantization": dict(model.precision.roles),
        "context": model.context_length,
        "architecture": msgspec.json.decode(msgspec.json.encode(model.architecture)),
    }
    return Source(kind="spec", data={key: value for key, value in data.items() if value not in (None, {})})


def build(source: Source, name: str) -> AnyModel:
    """The model again, under its name, which decides how some are quantized.

    Raises InputError where a change has made it impossible.
    """
    if source.kind == "config":
        return from_config(source.data, name, GIVEN, strict=False)
    spec = catalog.from_data({"name": "model", "title": name, **source.data}, GIVEN)
    assert spec.architecture is not None
    return Model(
        name=name,
        title=name,
        source=GIVEN,
        architecture=spec.architecture,
        precision=spec.precision,
        context_length=spec.context,
    )


def comparable(old: AnyModel, new: AnyModel) -> tuple[Source, Source] | None:
    """Both sides as data of one kind: configs of one model type, else specs; None where a side has neither."""
    if not isinstance(old, Model) or not isinstance(new, Model):
        return None
    one, other = source_of(old), source_of(new)
    if one and other and one.kind == other.kind == "config" and old.model_type == new.model_type:
        return one, other
    return spec_of(old), spec_of(new)


def header_of(model: AnyModel) -> Header | None:
    """The checkpoint's header that the model's bytes come from, None where shapes alone give them."""
    header: Header | None = getattr(model, "header", None)
    return header
