"""The model of a GGUF file: its metadata's architecture, its tensors' types and bytes."""

from typing import Any

from moecalc.api.checkpoint import CheckpointModel
from moecalc.api.header_alone import HeaderModel
from moecalc.api.model import Model
from moecalc.checks.reconcile import Reconciliation, reconcile
from moecalc.errors import InputError, in_a_word
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.sources.gguf_architecture import config_from_gguf, top_k_from_gguf
from moecalc.sources.gguf_precision import gguf_precision
from moecalc.sources.headers.tensors import Header
from moecalc.sources.hf_config import read_config
from moecalc.sources.layouts.lift import lift


def held_against(header: Header, config: Any) -> Reconciliation:
    """The config.json of the release that a GGUF was made of, held against the file's tensors.

    Names and shapes are compared; each tensor's type is the file's own. Prediction modules and towers that the file
    leaves out are no difference: most conversions drop the former, and the latter are files of their own (mmproj).
    Raises InputError where no family reads the config.
    """
    ledger = read_config(config).architecture.lower_to_ledger()
    stored = {part.component for part in lift(header).parts}
    kept = tuple(w for w in ledger.weights if w.component is Component.LANGUAGE or w.component in stored)
    rows = Ledger(kept, ledger.ops, ledger.states)
    return reconcile(rows, gguf_precision(header), header, against="config.json")


def model_from_gguf(
    header: Header, name: str, strict: bool = False, top_k: int | None = None, beside: Any = None
) -> CheckpointModel | HeaderModel:
    """The model of a GGUF header.

    Where no family reads its architecture the tensors answer alone: exact totals, and what is active by
    `top_k`, else by `expert_used_count`; with `strict` that is an InputError. `beside` is the config.json that lies
    with the file, None where there is none: the tensors are held against it too.
    """
    if header.metadata.get("general.architecture") == "clip":
        raise InputError(
            "a vision or audio tower (mmproj), not a language model",
            file=header.source,
            hint="give the GGUF of the language model that it belongs to",
        )
    try:
        config = config_from_gguf(header)
        reading = read_config(config)
    except InputError as error:
        if strict:
            raise error.at(header.source) from None
        experts = top_k or top_k_from_gguf(header)
        alone = HeaderModel(header, name, experts, f"the architecture is not read: {in_a_word(error)}")
        alone.warnings += _about(beside, header, strict)[1]
        return alone
    model = Model(
        name=name,
        title=str(header.metadata.get("general.name") or name),
        source=header.source,
        architecture=reading.architecture,
        precision=gguf_precision(header),
        context_length=reading.context,
        warnings=reading.warnings,
        config=config,
        model_type=reading.model_type,
    )
    model.kv_dtype = "fp16"  # llama.cpp's own default (`--cache-type-k f16`)
    release, warnings = _about(beside, header, strict)
    model.warnings += warnings if release is None else ()
    return CheckpointModel(model, header, "metadata", release)


def _about(beside: Any, header: Header, strict: bool) -> tuple[Reconciliation | None, tuple[str, ...]]:
    """What the config.json beside a GGUF says of it, and the same in words; nothing where there is none."""
    if beside is None:
        return None, ()
    try:
        release = held_against(header, beside)
    except InputError as error:
        if strict:
            raise
        return None, (f"the config.json beside it is not read: {in_a_word(error)}",)
    return release, (release.summary,)
