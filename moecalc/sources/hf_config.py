"""A Hugging Face config (config.json as a mapping) -> Architecture, storage dtype, trained context length."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any

import msgspec

from moecalc.errors import InputError, did_you_mean
from moecalc.ir.architecture import Architecture
from moecalc.sources import families, multimodal
from moecalc.sources.quantization import read_precision
from moecalc.sources.reader import Reader
from moecalc.sources.refused_types import refusal
from moecalc.sources.towers._layers import leave_out
from moecalc.specs.formats import Precision

NESTED = ("text_config", "llm_config", "language_config")
TOWERS = ("vision_config", "vq_config", "audio_config", "speech_config", "vision_tower_config", "vit_config")
"""Sections that describe a tower, where no module says what they mean."""
LONGEST_TYPE = 60
"""Of a type nobody reads, a message shows this many characters."""
OVERRIDES = "per_layer_config"
"""transformers applies this key's sections, by layer, to every model type."""
CONTEXT_KEYS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "max_sequence_length",
    "seq_length",
    "n_ctx",
    "model_max_length",
)


class ConfigReading(msgspec.Struct, frozen=True):
    """What a config says, and which of its keys were read."""

    model_type: str
    architecture: Architecture
    precision: Precision
    warnings: tuple[str, ...]
    context: int | None
    consumed: tuple[str, ...]
    neutral: tuple[str, ...]
    unread: tuple[str, ...]
    assumed: tuple[str, ...] = ()
    """A warning that names the sizes left to the reference class, where there are any."""


def read_config(config: Any) -> ConfigReading:
    """The architecture a config describes.

    Raises InputError where the config is no mapping, its `model_type` has no family, or a value is impossible.
    """
    if not isinstance(config, Mapping):
        found = "null" if config is None else f"a {type(config).__name__}"
        raise InputError(
            f"the config is {found}, not a mapping of keys",
            hint="give the config.json of one model",
        )
    for key in (*NESTED, "quantization_config"):
        if config.get(key) is not None and not isinstance(config[key], Mapping):
            raise InputError(f"`{key}` is {config[key]!r:.60}", hint="it must be a mapping")
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        said = (
            f"`model_type` is {model_type!r:.60}"
            if "model_type" in config
            else "the config has no `model_type`"
        )
        raise InputError(said, hint="a Hugging Face config names its family in `model_type`")
    if refusal(model_type) is not None:
        raise unknown_type(model_type)
    nested = next((key for key in NESTED if isinstance(config.get(key), Mapping)), None)
    whole = find_whole(model_type)
    if whole is not None:
        return _read_whole(config, nested, whole)
    family = find_family(model_type)
    if family is None:
        if nested is not None and find_family(str(config[nested].get("model_type"))) is not None:
            return _read_nested(config, nested)
        raise unknown_type(model_type)
    reading = _reading(model_type, family, Reader(config, family.DEFAULTS), config)
    stray = next((key for key in NESTED if key in reading.unread and config[key]), None)
    if stray is not None:
        # Read on its own, the top level would be all class defaults.
        raise InputError(
            f"`{stray}` describes a language model, which `model_type: {model_type}` does not read",
            hint=f"give the `{stray}` section alone, or the `model_type` of the whole",
        )
    return reading


def _read_nested(config: Mapping[str, Any], nested: str) -> ConfigReading:
    """The language model in a whole that no module describes; its towers are named and left out."""
    outer = Reader(config)
    for key in TOWERS:
        if outer.has(key):
            section = config[key] if isinstance(config[key], Mapping) else {}
            leave_out(outer, key, str(section.get("model_type") or config["model_type"]))
    tied = outer.flag("tie_word_embeddings") if outer.has("tie_word_embeddings") else None
    family = _family(str(config[nested]["model_type"]))
    return _joined(outer, *_language_model(config, nested, config[nested], family, tied=tied))


def _read_whole(config: Mapping[str, Any], nested: str | None, whole: ModuleType) -> ConfigReading:
    """The language model and the towers of a whole that a module describes."""
    if nested is None and getattr(whole, "FLAT", False):
        family = _family(whole.TEXT)
        outer = inner = Reader(config, {**family.DEFAULTS, **whole.DEFAULTS})
        reading = _reading(whole.TEXT, family, outer, config)
    else:
        # A section that is null is one that is absent: the class's defaults for the whole stand in for it.
        given = {
            key: value for key, value in config.items() if value is not None or not key.endswith("_config")
        }
        outer = Reader(given, whole.DEFAULTS)
        values = config[nested] if nested else whole.DEFAULTS.get("text_config", {})
        family = _family(str(values.get("model_type") or whole.TEXT))
        text = Reader(values, family.DEFAULTS, nested or "text_config")
        tied = _tied(outer, text, getattr(whole, "TIED_BY", "outer"))
        inner, reading = _language_model(config, nested or "text_config", values, family, tied=tied)
    try:
        towers = tuple(whole.towers(outer, reading.architecture.hidden_size))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"the config describes an impossible tower: {error}") from error
    architecture = msgspec.structs.replace(reading.architecture, towers=towers)
    return _joined(outer, inner, msgspec.structs.replace(reading, architecture=architecture))


def _tied(outer: Reader, text: Reader, by: str) -> bool | None:
    """Whether the head is tied, by whose word; None leaves it to the language model's own section."""
    whole = outer.flag("tie_word_embeddings", default=False)
    nested = text.flag("tie_word_embeddings", default=False)
    if by == "either":
        return whole or nested
    if by == "outer" and whole and not nested and not outer.has("tie_word_embeddings"):
        outer.warn(
            "`tie_word_embeddings` is absent: the reference class then ties the head to the embedding, which the "
            "language model's own section does not; an untied head would add its matrix to the total"
        )
    return {"outer": whole, "nested": None, "nobody": False}[by]


def _language_model(
    config: Mapping[str, Any], key: str, values: Mapping[str, Any], family: ModuleType, *, tied: bool | None
) -> tuple[Reader, ConfigReading]:
    """The reading of the language model's section, its tying as `tied` says unless that is None."""
    if tied is not None:
        values = {**values, "tie_word_embeddings": tied}
    inner = Reader(values, family.DEFAULTS, key)
    model_type = family.__name__.rpartition(".")[2]
    return inner, _reading(model_type, family, inner, {**config, **values})


def _joined(outer: Reader, inner: Reader, reading: ConfigReading) -> ConfigReading:
    """The reading with the use of all keys, the whole's and the language model's."""
    outer.ignore(*NESTED)
    readers = [outer] if inner is outer else [outer, inner]
    said = [warning for reader in readers for warning in reader.warnings()]
    _refuse_overrides(outer)
    return msgspec.structs.replace(
        reading,
        warnings=tuple(dict.fromkeys([*reading.warnings, *said])),
        consumed=tuple(key for reader in readers for key in reader.consumed()),
        unread=tuple(key for reader in readers for key in reader.unread()),
        neutral=tuple(key for reader in readers for key in reader.neutral()),
    )


def _reading(model_type: str, family: ModuleType, reader: Reader, config: Mapping[str, Any]) -> ConfigReading:
    try:
        architecture = family.architecture(reader)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"the config describes an impossible `{model_type}`: {error}") from error
    _refuse_overrides(reader)
    dtype = storage_dtype(config) or "bf16"
    stored = read_precision(config, model_type, dtype, architecture)
    return ConfigReading(
        model_type=model_type,
        architecture=architecture,
        precision=stored.precision,
        warnings=(*stored.warnings, *reader.warnings(), *_unknown_dtype(config)),
        assumed=_assumption(reader),
        context=trained_context(config),
        consumed=tuple(reader.consumed()),
        neutral=tuple(reader.neutral()),
        unread=tuple(reader.unread()),
    )


def _refuse_overrides(reader: Reader) -> None:
    """Raise InputError where overrides of single layers, which any config may hold, were not read by the family."""
    if reader.unread_value(OVERRIDES):
        raise reader.refuse(OVERRIDES, "overrides of single layers are not modelled for this type")
    reader.ignore(OVERRIDES)


def _assumption(reader: Reader) -> tuple[str, ...]:
    """A warning that names the sizes which the config leaves to the reference class."""
    assumed = ", ".join(f"`{path}` {value:,}" for path, value in reader.assumed().items())
    return (f"absent from the config, so the reference class's defaults stand: {assumed}",) if assumed else ()


def trained_context(config: Mapping[str, Any]) -> int | None:
    """The trained length a config declares, in tokens; None where it does not, or says -1 for none."""
    for key in CONTEXT_KEYS:
        if isinstance(config.get(key), str | list | Mapping):
            raise InputError(f"`{key}` is {config[key]!r:.60}", hint="it must be an integer")
    declared = (config.get(key) for key in CONTEXT_KEYS)
    lengths = (n for n in declared if isinstance(n, int) and not isinstance(n, bool) and n >= 1)
    return next(lengths, None)


def _unknown_dtype(config: Mapping[str, Any]) -> tuple[str, ...]:
    """A warning where a declared dtype is none that is known."""
    declared = config.get("dtype") or config.get("torch_dtype")
    if declared is None or storage_dtype(config) is not None:
        return ()
    return (f"`dtype` is {str(declared)[:40]!r}, which is not known: weights are shown in bf16",)


def storage_dtype(config: Mapping[str, Any]) -> str | None:
    """The dtype a config declares under `dtype` or `torch_dtype`, in short form; None where it does not."""
    declared = config.get("dtype") or config.get("torch_dtype")
    short = {"bfloat16": "bf16", "float16": "fp16", "half": "fp16", "float32": "fp32", "float": "fp32"}
    return short.get(str(declared).removeprefix("torch."))


def find_family(model_type: str) -> ModuleType | None:
    """The module that reads this type, or None."""
    name = model_type.lower().replace("-", "_")
    if name.startswith("_") or name not in family_names():
        return None
    return importlib.import_module(f"{families.__name__}.{name}")


def _family(model_type: str) -> ModuleType:
    family = find_family(model_type)
    if family is None:
        raise unknown_type(model_type)
    return family


def find_whole(model_type: str) -> ModuleType | None:
    """The module that describes this type as a language model with towers, or None."""
    name = model_type.lower().replace("-", "_")
    return importlib.import_module(f"{multimodal.__name__}.{name}") if name in whole_names() else None


@cache
def whole_names() -> frozenset[str]:
    """Every type of a whole that has a module, with dashes as underscores."""
    return frozenset(info.name for info in pkgutil.iter_modules(multimodal.__path__) if info.name[0] != "_")


@cache
def family_names() -> frozenset[str]:
    """Every model type that has a module, with dashes as underscores."""
    return frozenset(info.name for info in pkgutil.iter_modules(families.__path__) if info.name[0] != "_")


def unknown_type(model_type: str) -> InputError:
    """The error for a type no family reads: why it is refused, or the nearest types; and what still works."""
    reason = refusal(model_type)
    if reason is not None:
        return InputError(
            f"`model_type: {model_type}` is {reason}",
            hint="moecalc reads decoder-only language models; "
            "a checkpoint header (.safetensors, .gguf) still gives exact totals",
        )
    shown = model_type if len(model_type) <= LONGEST_TYPE else model_type[:LONGEST_TYPE] + "..."
    near = did_you_mean(shown, sorted(family_names() | whole_names()))
    nearest = f"nearest: {', '.join(near)}; " if near else ""
    return InputError(
        f"no family reads `model_type: {shown}`",
        hint=f"{nearest}a checkpoint header (.safetensors, .gguf) still gives exact totals; "
        "to add the type, add one module to moecalc/sources/families/",
    )
