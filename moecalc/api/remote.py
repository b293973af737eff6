"""A model on the hub: its config first, its checkpoint's header where that is asked for or all there is."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from moecalc.api.configs import MAX_CONFIG_BYTES, from_config, parse_json
from moecalc.api.from_header import from_header
from moecalc.api.local import CONFIGS, SHARD
from moecalc.api.model import AnyModel
from moecalc.errors import InputError, MoecalcError, UndeterminedError, in_a_word
from moecalc.sources import catalog
from moecalc.sources.headers import gguf
from moecalc.sources.headers.checkpoint import SUFFIX
from moecalc.sources.headers.faults import PICKLES, refuse_pickle
from moecalc.sources.headers.tensors import Header
from moecalc.sources.hub import ggufs
from moecalc.sources.hub.failures import NoRepositoryError
from moecalc.sources.hub.headers import no_weights, read_gguf, read_safetensors
from moecalc.sources.hub.reference import Reference, parse_reference
from moecalc.sources.hub.snapshot import Snapshot, open_snapshot


def load_remote(text: str, strict: bool, top_k: int | None, headers: bool) -> AnyModel:
    """The model a hub id names.

    Its config answers, unless `headers` asks for the checkpoint's header too. The header answers alone where there is
    no config, or none that is understood. Raises InputError where neither can be read, UndeterminedError where the hub
    is away.
    """
    about = parse_reference(text)
    snapshot = _open(about)
    if about.file is not None:
        return _one_file(snapshot, ggufs.pick(snapshot, about.file), text, strict, top_k)
    name = _config_name(snapshot)
    if name is None or headers or name != "config.json":
        header = _header(snapshot)
        config = None if name is None else _config(snapshot, name)
        return from_header(header, config, text, _source(snapshot, name), strict, top_k)
    config = _config(snapshot, name)
    try:
        model = from_config(config, text, snapshot.source, strict)
    except InputError as error:
        if strict or not isinstance(config, Mapping):
            raise
        try:
            header = _header(snapshot)
        except InputError:
            raise error from None  # what is wrong with the config is the better answer
        return from_header(header, config, text, snapshot.source, strict, top_k)
    model.warnings += snapshot.notes
    return model


def remote_config(text: str) -> tuple[Any, str]:
    """The config of a hub id, unread, and its source. Raises as `load_remote`."""
    snapshot = _open(parse_reference(text))
    return _config(snapshot, "config.json"), snapshot.source


def _open(about: Reference) -> Snapshot:
    """The repository now. Where there is none, or the hub is away, the error names what the catalogue has like it."""
    try:
        from huggingface_hub import constants  # noqa: F401 - which reads the environment as it is imported
    except ValueError as error:
        raise InputError(
            f"huggingface_hub does not start: {error}", hint="check the HF_ variables of the environment"
        ) from error
    try:
        return open_snapshot(about)
    except (NoRepositoryError, UndeterminedError) as error:
        near = catalog.nearest_repositories(about.repo)
        if about.repo in near:
            error.hint = f"the catalogue has it: `moecalc show {near[about.repo]}`; {error.hint}"
        elif near:
            known = ", ".join(f"`{repo}` (`moecalc {name}`)" for repo, name in near.items())
            said = "did you mean {}?" if isinstance(error, NoRepositoryError) else "the catalogue has {};"
            error.hint = f"{said.format(known)} {error.hint}"
        raise


def _one_file(snapshot: Snapshot, file: str, name: str, strict: bool, top_k: int | None) -> AnyModel:
    if file.endswith(gguf.SUFFIX):
        return _one_gguf(snapshot, file, name, strict, top_k)
    if file.endswith(SUFFIX):
        beside = None if SHARD.fullmatch(file) or "/" in file else _config_name(snapshot)
        config = None if beside is None else _config(snapshot, beside)
        header = read_safetensors(snapshot, file)
        return from_header(header, config, name, _source(snapshot, beside), strict, top_k)
    if file.endswith(PICKLES):
        raise refuse_pickle(snapshot.where(file), "name a safetensors or GGUF file")
    if PurePosixPath(file).suffix == ".json" and not file.endswith(".index.json"):
        return from_config(_config(snapshot, file), name, snapshot.where(file), strict)
    raise InputError(
        f"`{snapshot.where(file)}` is no model", hint="name a config.json, a safetensors or a GGUF file"
    )


def _one_gguf(snapshot: Snapshot, file: str, name: str, strict: bool, top_k: int | None) -> AnyModel:
    """A GGUF file, held against the config of the release that all files of its repository were made of.

    It says itself what it holds, so that a config which cannot be had is a warning, with `strict` an error.
    """
    header, config = read_gguf(snapshot, file), None
    warnings: tuple[str, ...] = ()
    if CONFIGS[0] in snapshot.files:
        try:
            config = _config(snapshot, CONFIGS[0])
        except MoecalcError as error:
            if strict:
                raise
            warnings = (f"the config.json beside it is not read: {in_a_word(error)}",)
    model = from_header(header, config, name, "", strict, top_k)
    model.warnings += warnings
    return model


def _header(snapshot: Snapshot) -> Header:
    """The header of the one checkpoint the repository holds."""
    if any(name.endswith((SUFFIX, f"{SUFFIX}.index.json")) and "/" not in name for name in snapshot.files):
        return read_safetensors(snapshot)
    models = ggufs.stored_models(snapshot)
    if not models:
        raise no_weights(snapshot)
    if len(models) > 1:
        raise ggufs.several(snapshot, models)
    return read_gguf(snapshot, models[0].file)


def _config_name(snapshot: Snapshot) -> str | None:
    return next((name for name in CONFIGS if name in snapshot.files), None)


def _config(snapshot: Snapshot, name: str) -> Any:
    where = snapshot.where(name)
    try:
        text = snapshot.read(name, MAX_CONFIG_BYTES).decode()
    except UnicodeDecodeError as error:
        raise InputError("it is not UTF-8 text", file=where) from error
    return parse_json(text, where)


def _source(snapshot: Snapshot, config: str | None) -> str:
    return snapshot.source if config is None else f"{snapshot.source}, {config}"
