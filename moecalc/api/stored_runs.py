"""A folder of run files, each run once, with what must be known of those that say less than their reader expects."""

from collections import defaultdict

import msgspec

from moecalc.errors import InputError
from moecalc.specs import saved
from moecalc.specs.runs import MAX_BYTES, Run, encode, paths_of, read


class StoredRuns(msgspec.Struct, frozen=True, kw_only=True):
    """Runs of one device by file name, in order."""

    runs: dict[str, Run]
    warnings: tuple[str, ...] = ()


def stored_runs(folder: str) -> StoredRuns:
    """Read a folder. Raises InputError where it has no run of one device, or a file that cannot be read."""
    runs: dict[str, Run] = {}
    first: dict[bytes, str] = {}
    warnings = []
    for path in paths_of(folder):
        schema = saved.schema_of(path.read_bytes()) if path.stat().st_size <= MAX_BYTES else None
        if schema in saved.WORDS:
            warnings.append(
                f"`{path.name}` is {saved.WORDS[schema]} run ({schema}): not folded in, as it has no ceilings of "
                "its own"
            )
            continue
        run = read(path)
        known = first.setdefault(encode(run), path.name)
        if known == path.name:
            runs[path.name] = run
        else:
            warnings.append(f"`{path.name}` is the same run as `{known}`: counted once")
    if not runs:
        raise InputError(
            f"no runs of one device in `{folder}`", hint="`moecalc profile MODEL --save FILE` writes one"
        )
    return StoredRuns(runs=runs, warnings=(*warnings, *_alone(runs)))


def _alone(runs: dict[str, Run]) -> list[str]:
    """Models that no other one can be predicted from or for: errors are of models that a fit has not seen."""
    models: dict[tuple[str, str, str | None], set[str]] = defaultdict(set)
    for run in runs.values():
        models[run.device.name, run.dtype, run.quant].add(run.model)
    return [
        f"on {device} in {' '.join(filter(None, (dtype, quant)))} there are runs of `{min(names)}` alone: an error is "
        "of a model that the fit has not seen, so none is given; save a run of another model there"
        for (device, dtype, quant), names in models.items()
        if len(names) == 1
    ]
