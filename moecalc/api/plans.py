"""How a model is spread over devices, as Python says it: `{"tp": 8, "ep": 8}`, in the words of the options."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from moecalc.errors import InputError, suggestion
from moecalc.specs.plan import OPTIONS, Plan
from moecalc.specs.training_plan import TrainingPlan, training_plan

SIZES = {option.removeprefix("--").replace("-", "_"): name for name, option in OPTIONS.items()}
"""Words of a deployment -> sizes of a plan."""

TRAINING_SIZES = {
    "tp": "tensor",
    "pp": "pipeline",
    "cp": "context",
    "ep": "expert",
    "etp": "expert_tensor",
    "vpp": "virtual",
    "zero": "zero",
    "stages": "stages",
    "sp": "sequence_parallel",
}
"""The same of a training run."""


def plan_from(given: Plan | Mapping[str, Any] | None) -> Plan | None:
    """The plan of a deployment: `tp`, `pp`, `ep`, `dp`, `attention_dp`, `dcp`, `redundant_experts`, `stages`, `sp`.

    `stages` are the layers of each pipeline stage, `sp` is on or off. None where nothing is said. Raises InputError for
    other words, and sizes that cannot be.
    """
    if given is None or isinstance(given, Plan):
        return given
    said = _said(given, (*SIZES, "redundant_experts", "stages", "sp"))
    sizes = {name: said[word] for word, name in SIZES.items() if word in said}
    redundant, sequence_parallel = said.get("redundant_experts", 0), bool(said.get("sp", False))
    if sequence_parallel and sizes.get("tensor", 1) == 1:
        raise InputError(
            "`--sp` splits tokens over tensor-parallel ranks, and there is one", hint="`--tp 8 --sp`"
        )
    if not sizes and not redundant and "stages" not in said:
        return None
    stages = _stages(said)
    if stages:
        sizes.setdefault("pipeline", len(stages))
    chosen = replace(Plan(), **sizes, redundant_experts=redundant, stages=stages)
    return replace(chosen, sequence_parallel=True) if sequence_parallel else chosen


def training_plan_from(given: TrainingPlan | Mapping[str, Any] | None, devices: int) -> TrainingPlan:
    """The plan of a run on so many devices: `tp`, `pp`, `cp`, `ep`, `etp`, `vpp`, `zero`, `stages`, `sp`.

    Raises InputError for other words, and sizes that do not divide, naming the rule.
    """
    if isinstance(given, TrainingPlan):
        return given
    said = _said(given or {}, TRAINING_SIZES)
    for word, size in said.items():
        if word not in {"stages", "sp"} and (isinstance(size, bool) or not isinstance(size, int)):
            raise InputError(f"`--{word}` is {size!r}", hint="parallel sizes are whole numbers from 1")
    if "stages" in said:
        said["stages"] = _stages(said)
    return training_plan(devices, **{TRAINING_SIZES[word]: value for word, value in said.items()})


def _said(given: Mapping[str, Any], words: Any) -> dict[str, Any]:
    """What is said, without what is left open. Raises InputError for what is no mapping, and for other words."""
    if not isinstance(given, Mapping):
        raise InputError(f"`plan` is {given!r}", hint='name sizes: `{"tp": 8, "ep": 8}`')
    for word in given:
        if word not in words:
            raise InputError(
                f"a plan has no `{word}`", hint=suggestion(str(word), words) or f"it has {', '.join(words)}"
            )
    return {word: value for word, value in given.items() if value is not None}


def _stages(said: Mapping[str, Any]) -> tuple[int, ...]:
    """Layers of each stage, as numbers or in one word: `16,15,15,15`."""
    given = said.get("stages", ())
    try:
        return tuple(int(part) for part in (given.split(",") if isinstance(given, str) else given))
    except (TypeError, ValueError):
        raise InputError(f"`--stages {given}` is no list of layers", hint="`--stages 16,15,15,15`") from None
