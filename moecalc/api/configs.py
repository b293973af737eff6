"""What a config makes: JSON in bounds, and the model that its values describe."""

from pathlib import Path
from typing import Any

from moecalc.api.model import Model
from moecalc.errors import InputError

GIVEN = "config"
"""The source of a config that was given as a mapping and has no place."""

MAX_CONFIG_BYTES = 16 * 2**20
"""Configs are kilobytes; beyond this a file is not what it says."""

MAX_CONFIG_VALUES = 300_000
"""Brackets and commas. A quantized model of many experts that lists each of its modules has some 100,000."""


def from_config(config: Any, name: str, source: str, strict: bool, vocab_size: int | None = None) -> Model:
    """The model a config describes; `vocab_size` is for a params.json without one. Raises InputError."""
    from moecalc.sources.hf_config import read_config  # only configs need the family readers
    from moecalc.sources.params_json import is_params, read_params

    try:
        reading = read_params(config, vocab_size) if is_params(config) else read_config(config)
    except InputError as error:
        if source != GIVEN:
            error.at(source)
        raise
    warnings = []
    if reading.unread:
        listed = ", ".join(f"`{key}`" for key in reading.unread)
        unread = f"keys nobody read, figures may miss their effect: {listed}"
        if strict:
            raise InputError(
                unread, hint="`moecalc show --keys` lists what each key does; leave out --strict to go on"
            ).at(source)
        warnings.append(f"{source}: {unread}")
    warnings.extend((*reading.assumed, *reading.warnings))
    return Model(
        name=name,
        title=name,
        source=source,
        architecture=reading.architecture,
        precision=reading.precision,
        context_length=reading.context,
        warnings=tuple(warnings),
        config=config,
        model_type=reading.model_type,
    )


def read_json(path: Path) -> Any:
    """A file's JSON. Raises InputError, which names the file."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            text = file.read(MAX_CONFIG_BYTES + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read it: {_reason(error)}", file=str(path)) from error
    return parse_json(text, str(path))


def parse_json(text: str, source: str) -> Any:
    """A config's JSON. Raises InputError, which names the source."""
    if len(text) > MAX_CONFIG_BYTES:
        raise InputError(f"larger than {MAX_CONFIG_BYTES // 2**20} MiB: not a config", file=source)
    if sum(map(text.count, "[{,")) > MAX_CONFIG_VALUES:
        raise InputError(f"more than {MAX_CONFIG_VALUES:,} values: not a config", file=source)
    import json  # only configs are JSON

    from moecalc.sources.json_objects import unique_keys

    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        raise InputError(f"not JSON: {error.msg}", file=source, line=error.lineno) from error
    except RecursionError as error:
        raise InputError("nested too deeply for a config", file=source) from error
    except InputError as error:
        error.at(source)
        raise
    except ValueError as error:  # Python reads no integer of more than some thousand digits
        raise InputError("a number has too many digits for a config", file=source) from error


def _refuse_constant(constant: str) -> Any:
    raise InputError(f"`{constant}` is no number a config can hold")


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"
