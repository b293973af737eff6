"""The model of a checkpoint's header and of the config that belongs to it, or of the header alone."""

from collections.abc import Mapping
from typing import Any

from moecalc.api.checkpoint import CheckpointModel, top_k_of
from moecalc.api.configs import from_config, read_json
from moecalc.api.header_alone import HeaderModel
from moecalc.api.local import Weights
from moecalc.api.model import AnyModel
from moecalc.errors import InputError, in_a_word
from moecalc.sources.headers.tensors import Header


def from_weights(place: Weights, strict: bool, top_k: int | None) -> AnyModel:
    """A checkpoint with the config beside it, or its header alone."""
    header = place.read_header()
    try:
        config = None if place.config is None else read_json(place.config)
    except InputError as error:
        if header.format != "gguf" or strict:
            raise
        # a GGUF says itself what it holds
        model = from_header(header, None, place.name, "", strict, top_k)
        model.warnings += (f"the config.json beside it is not read: {in_a_word(error)}",)
        return model
    return from_header(header, config, place.name, str(place.config), strict, top_k)


def from_header(
    header: Header, config: Any, name: str, config_source: str, strict: bool, top_k: int | None
) -> AnyModel:
    """The model of a header and the config that belongs to it, None where none is at hand.

    A config that cannot be read leaves the header to answer alone, but with `strict` that is an InputError. A GGUF
    is the model of its own metadata, and held against the config.
    """
    if not header.tensors:
        raise InputError(
            "it holds no tensors",
            file=header.source,
            hint="a vocabulary or metadata alone is no model: give the file with the weights",
        )
    if header.format == "gguf":
        from moecalc.api.gguf import model_from_gguf

        return model_from_gguf(header, name, strict, top_k, config)
    if config is None:
        return HeaderModel(header, name, top_k)
    try:
        model = from_config(config, name, config_source, strict, Weights.vocab_size(header))
    except InputError as error:
        if strict or not isinstance(config, Mapping):
            raise
        return HeaderModel(
            header, name, top_k or top_k_of(config), f"the config is not read: {in_a_word(error)}"
        )
    return CheckpointModel(model, header)
