"""Checkpoints that transformers itself writes, of every type: each tensor has its role, and none is missing.

A small model of random weights is built and saved; what its files hold is then held against its own config. The
names are those of published checkpoints: what transformers 5 renames on loading, it names back on saving.
"""

from pathlib import Path
from typing import Any

import pytest

from moecalc.checks.reconcile import reconcile
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.sources.headers.checkpoint import read_checkpoint
from moecalc.sources.headers.tensors import Header
from moecalc.sources.hf_config import read_config
from moecalc.sources.layouts.codes import norms_of_type
from moecalc.sources.layouts.lift import lift, template_of
from moecalc.sources.layouts.rows import weights_of
from tests.oracle import reference
from tests.oracle.cases import MODULES, small_configs

UNREAD_TOWERS = {"git": "its family reads the decoder; the image encoder's section is passed over"}
"""Types whose tower stands beside the model: stored, and in no row."""


def saved(config: dict[str, Any], folder: Path) -> tuple[Header, dict[str, Any]]:
    """The header of the checkpoint that transformers saves for a config, and the whole config beside it."""
    model = reference.build_model(config)
    model.save_pretrained(folder)
    return read_checkpoint(folder), model.config.to_dict()


def without_zero_experts(header: Header, experts: int) -> Header:
    """Less the rows that transformers 5.23 gives LongCat's zero-compute experts, which nothing reads or loads."""
    kept = (t for t in header.tensors if ".experts." not in t.name or template_of(t.name)[2] < experts)
    return Header(header.source, header.format, tuple(kept))


@pytest.mark.parametrize("model_type", sorted(MODULES))
def test_saved_names_are_explained(model_type: str, tmp_path: Path) -> None:
    check(MODULES[model_type].TINY, tmp_path)


@pytest.mark.sweep
@pytest.mark.parametrize("config", [pytest.param(config, id=name) for name, config in small_configs()])
def test_saved_names_of_every_variant_are_explained(config: dict[str, Any], tmp_path: Path) -> None:
    check(config, tmp_path)


def check(config: dict[str, Any], folder: Path) -> None:
    header, full = saved(config, folder)
    model_type = config["model_type"]
    if model_type == "longcat_flash":
        header = without_zero_experts(header, full["n_routed_experts"])
    reading = read_config(full)
    whole = reading.architecture.lower_to_ledger()
    # transformers builds no prediction modules, whatever the config says of them
    ledger = Ledger(tuple(w for w in whole.weights if w.component is not Component.MTP), (), ())
    found = reconcile(ledger, reading.precision, header, norms=norms_of_type(reading.model_type))
    assert [f for f in found.findings if f.kind not in {"copy", "buffer", "beside", "by sum"}] == []
    assert [f.name for f in found.findings if f.kind == "beside"] == ["vision tower"] * (
        model_type in UNREAD_TOWERS
    )
    assert found.breakdown.total.bytes == header.total_bytes
    # Without the config: which rows are buffers is not told, all else is.
    alone = sum(weight.elements for weight in weights_of(lift(header)))
    assert alone == sum(weight.elements for weight in ledger.part(Component.LANGUAGE).weights)
