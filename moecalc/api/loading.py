"""MODEL -> a loaded model: a path, a catalogue name, two numbers, a hub id, or a config mapping."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moecalc.api.configs import GIVEN, MAX_CONFIG_BYTES, from_config, parse_json, read_json
from moecalc.api.model import AnyModel, Model, StatedModel
from moecalc.errors import InputError
from moecalc.sources import catalog, stated
from moecalc.sources.spec import ModelSpec

if TYPE_CHECKING:
    from moecalc.api.local import ConfigOnly

SPEC_SUFFIXES = (".yaml", ".yml")
WEIGHTS = (".safetensors", ".gguf", ".index.json", ".bin", ".pt", ".pth", ".ckpt")
STDIN = "stdin"

LONGEST_NAME = 1000
"""Longer than any path, name or hub id in use, shorter than what a file system refuses with an error of its own."""

LONGEST_PART = 255
"""Bytes of a file's name, in every file system in use."""


def load(
    model: str | Path | Mapping[str, Any],
    strict: bool = False,
    top_k: int | None = None,
    headers: bool = False,
) -> AnyModel:
    """Load a model.

    `model` is, in this order: a config mapping; a path (YAML spec, config.json or params.json, a safetensors or GGUF
    file, a directory with one of these, `directory:file`, `-` for stdin); a catalogue name, alias or hub id; two
    numbers (`70B-A12B`); a hub id to fetch (`org/repo[@revision][:file]`), with `headers` though the catalogue has it.
    Where weights stand beside a config, their header is read too and
    overrules it on bytes; of a hub id only where the config does not answer, or with `headers`. With `strict`, a
    config key that nobody reads is an error instead of a warning. `top_k` is the experts per token of a header without
    a config. Raises InputError where it is none of them or cannot be read, UndeterminedError where the network is
    needed and away.
    """
    loaded = _load(model, strict, top_k, headers)
    if headers:
        from moecalc.api.checkpoint import require_header

        require_header(loaded, GIVEN if isinstance(model, Mapping) else str(model))
    return loaded


def _load(model: str | Path | Mapping[str, Any], strict: bool, top_k: int | None, headers: bool) -> AnyModel:
    if isinstance(model, Mapping):
        return _from_mapping(model, GIVEN, GIVEN, strict)
    text = str(model)
    if text == "-":
        return _from_stdin(strict)
    if not text.strip() or len(text) > LONGEST_NAME or _is_too_long(text):
        shown = text if len(text) <= LONGEST_PART else f"{text[:40]}..."
        raise InputError(f"`{shown}` names no model", hint="`moecalc list` shows the catalogue")
    path = _path_meant(text)
    if path is not None:
        return _from_path(path, strict, top_k, headers)
    known = None if headers and _is_hub_id(text) else catalog.find(text)
    if known is not None:
        return _from_spec(catalog.load(known), f"catalogue: {known.parent.name}/{known.name}")
    numbers = stated.parse(text)
    if numbers is not None:
        return StatedModel(name=numbers.name, title=numbers.name, source="two numbers", numbers=numbers)
    if _is_hub_id(text):
        from moecalc.api.remote import load_remote  # imports huggingface_hub

        return load_remote(text, strict, top_k, headers)
    raise _unknown(text)


def _from_spec(spec: ModelSpec, source: str) -> AnyModel:
    if spec.architecture is None:
        return StatedModel(
            name=spec.name,
            title=spec.title,
            source=source,
            outline=spec.outline,
            context_length=spec.context,
        )
    return Model(
        name=spec.name,
        title=spec.title,
        source=source,
        architecture=spec.architecture,
        precision=spec.precision,
        context_length=spec.context,
        claims=spec.claims,
        pins=spec.pins,
    )


def _from_mapping(data: Any, name: str, source: str, strict: bool) -> AnyModel:
    """A config, or a spec as `moecalc export --format json` writes it, which says so by its sections."""
    if (
        isinstance(data, Mapping)
        and "model_type" not in data
        and ("architecture" in data or "outline" in data)
    ):
        return _from_spec(catalog.from_data(dict(data), source), source)
    return from_config(data, name, source, strict)


def config_of(model: str) -> tuple[Any, str]:
    """The config a MODEL argument names, unread, and its source. Raises InputError where it names none."""
    if model == "-":
        return parse_json(sys.stdin.read(MAX_CONFIG_BYTES + 1), STDIN), STDIN
    meant = _path_meant(model)
    if meant is not None:
        path = _existing(meant)
        return read_json(path), str(path)
    if _is_hub_id(model) and catalog.find(model) is None:
        from moecalc.api.remote import remote_config  # imports huggingface_hub

        return remote_config(model)
    raise InputError(
        f"`{model}` names no config", hint="give a config.json, a directory with one, or a hub id"
    )


def _from_path(path: Path, strict: bool, top_k: int | None, headers: bool) -> AnyModel:
    if path.is_dir() or path.name.endswith(WEIGHTS):
        from moecalc.api.local import Weights, find_weights  # reads no weights, but imports their readers

        found = find_weights(path, headers)
        if not isinstance(found, Weights):
            return _from_config_only(found, strict)
        from moecalc.api.from_header import from_weights

        return from_weights(found, strict, top_k)
    path = _existing(path)
    if path.suffix in SPEC_SUFFIXES:
        return _from_spec(catalog.load(path), str(path))
    named = path.name in {"config.json", "params.json"}
    name = path.parent.name if named and path.parent.name else path.stem
    return _from_mapping(read_json(path), name, str(path), strict)


def _from_config_only(found: "ConfigOnly", strict: bool) -> AnyModel:
    """A directory's config, with a word about the weights that are not read."""
    from moecalc.api.indexed import IndexedModel

    name = found.config.resolve().parent.name
    model = from_config(read_json(found.config), name, str(found.config), strict)
    if found.index is not None:
        model = IndexedModel(model, found.index)
    if found.warning is not None:
        model.warnings += (found.warning,)
    return model


def from_text(text: str, path: str, source: str) -> AnyModel:
    """The model that the contents of a YAML spec or a JSON config describe; `path` tells which of the two they are.

    `source` names them in errors. Raises InputError.
    """
    named = Path(path)
    if named.suffix in SPEC_SUFFIXES:
        return _from_spec(catalog.parse(text, source), source)
    is_config = named.name in {"config.json", "params.json"}
    name = named.parent.name if is_config and named.parent.name else named.stem
    return _from_mapping(parse_json(text.removeprefix("\ufeff"), source), name, source, strict=False)


def _existing(path: Path) -> Path:
    if path.is_dir():
        return _config_in(path)
    if not path.exists():
        raise InputError(
            f"no such file: `{path}`", hint="a MODEL is a path, a catalogue name or a hub id: `moecalc list`"
        )
    if not path.is_file():  # reading a pipe or a device might never end
        raise InputError(f"not a regular file: `{path}`", hint="give `-` to read from stdin")
    return path


def _config_in(folder: Path) -> Path:
    for name in ("config.json", "params.json"):
        if (folder / name).is_file():
            return folder / name
    raise InputError(
        f"the directory has no config.json: `{folder}`",
        hint="give a directory that holds one, the file itself, or a YAML spec",
    )


def _from_stdin(strict: bool) -> AnyModel:
    """A config as JSON, or a spec as YAML: what begins with a bracket is JSON."""
    text = sys.stdin.read(MAX_CONFIG_BYTES + 1)
    if text.lstrip()[:1] in ("{", "["):
        return _from_mapping(parse_json(text, STDIN), STDIN, STDIN, strict)
    return _from_spec(catalog.parse(text, STDIN), STDIN)


def _path_meant(text: str) -> Path | None:
    """The path that is meant, None where none is. Raises InputError for a file that a directory does not have."""
    if _picks_from_a_directory(text):
        from moecalc.api.local import picked

        return picked(text)
    return Path(text) if _looks_like_a_path(text) and not _names_a_hub_file(text) else None


def _looks_like_a_path(text: str) -> bool:
    suffix = Path(text).suffix
    named = suffix in (*SPEC_SUFFIXES, *WEIGHTS, ".json")
    return named or text.startswith((".", "/", "~")) or (Path(text).is_dir() and catalog.find(text) is None)


def _picks_from_a_directory(text: str) -> bool:
    """Whether `directory:file.gguf` or `directory:Q4_K_M` is meant."""
    folder, _, wanted = text.rpartition(":")
    return bool(folder and wanted) and Path(folder).is_dir() and not Path(text).exists()


def _is_too_long(text: str) -> bool:
    """Whether a part of the text is longer than any file's name, which asking for it would raise an error about."""
    return any(len(part.encode(errors="surrogatepass")) > LONGEST_PART for part in text.split("/"))


def _is_hub_id(text: str) -> bool:
    if "/" not in text:
        return False
    from moecalc.sources.hub.reference import is_hub_id

    return is_hub_id(text)


def _names_a_hub_file(text: str) -> bool:
    """Whether `org/repo:file.gguf` is meant, which has a path's suffix and is none."""
    if ":" not in text or Path(text).exists():
        return False
    from moecalc.sources.hub.reference import names_a_file

    return names_a_file(text)


def _unknown(text: str) -> InputError:
    near = catalog.nearest(text)
    hint = f"did you mean {', '.join(f'`{name}`' for name in near)}? " if near else ""
    return InputError(
        f"unknown model `{text}`",
        hint=f"{hint}`moecalc list` shows the catalogue; a path, a hub id (org/repo) or two numbers "
        "(70B-A12B) work too",
    )
