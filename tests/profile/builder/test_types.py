"""Every model type's tiny config: built with the ledger's tensors, states and FLOPs, and one mathematics in all forms.

That a prompt read at once, in pieces and token by token gives the same logits holds the recurrences' chunked form
against their steps, expanded latent attention against absorbed, and rings against masks; sequences are longer than
the tiny configs' windows and chunks. Both are float32; 1e-4 is its rounding through chunks of products of decays.
"""

from typing import Any

import msgspec
import pytest
import torch

from moecalc.calc.memory import state_bytes
from moecalc.calc.parameters import buffers, total
from moecalc.ir.architecture import Architecture
from moecalc.ir.roles import Component
from moecalc.ir.rows import Kind, Ledger, Op, OpKind, Pool
from moecalc.ir.step import KeysKind, Step
from moecalc.profile.builder import Network, build
from moecalc.profile.builder.counters import count, counted_choices
from moecalc.sources.hf_config import read_config
from tests.oracle.cases import MODULES

PIECES = (33, 3, 1, 1, 1, 1)

BUILT = sorted(MODULES)

PREFIX_LMS = {"cpmant"}
"""Types whose tokens see all that is read with them, so that pieces are other prefixes: see `test_prompted.py`."""


def architecture_of(config: dict[str, Any]) -> Architecture:
    return read_config(config).architecture


def ledger_of(architecture: Architecture) -> Ledger:
    return architecture.lower_to_ledger().part(Component.LANGUAGE)


def computed_flops(ledger: Ledger, step: Step) -> int:
    choices = counted_choices(step)
    seen = (op for op in ledger.ops if op.kind in (OpKind.MATMUL, OpKind.CONV))
    return sum(without_null_choices(op).flops(step, choices) for op in seen)


def without_null_choices(op: Op) -> Op:
    """An operation whose every choice is an expert with weights: on `meta` none is known to be another."""
    if op.pool is None or not op.pool.null_experts:
        return op
    return msgspec.structs.replace(op, pool=Pool(experts=op.pool.experts, top_k=op.pool.max_calls))


def solve_flops(ledger: Ledger, step: Step) -> int:
    choices = counted_choices(step)
    solves = (
        op for op in ledger.ops if op.kind is OpKind.SCAN and op.extent.keys.kind is KeysKind.SCAN_CHUNK
    )
    return sum(op.flops(step, choices) for op in solves)


def network_of(architecture: Architecture, device: str = "cpu") -> Network:
    return build(architecture, dtype=torch.float32, device=device)


VARIED = {
    "cpmant",
    "deepseek_v4",
    "gemma3n_text",
    "gemma4_text",
    "hy_v4",
    "jetmoe",
    "longcat_flash",
    "minimax_m3_vl_text",
    "mllama",
    "qwen4_exp_text",
    "rwkv",
    "xlstm",
    "zamba",
    "zamba2",
    "zaya",
}
"""Types of which the oracle's variants are built too: they have parts that their tiny config lacks."""

VARIANTS = [
    pytest.param({**MODULES[name].TINY, **variant}, id=f"{name}-{number}")
    for name in sorted(VARIED)
    for number, variant in enumerate(MODULES[name].VARIANTS)
]


@pytest.fixture(params=BUILT)
def architecture(request) -> Architecture:
    return architecture_of(MODULES[request.param].TINY)


@pytest.mark.parametrize("config", VARIANTS)
def test_variants_have_the_ledgers_weights_and_flops(config: dict[str, Any]):
    architecture = architecture_of(config)
    test_weights_are_the_rows_of_the_ledger(architecture)
    test_state_is_allocated_to_the_byte(architecture)
    test_counted_flops_are_the_computed_ones(architecture)


def test_weights_are_the_rows_of_the_ledger(architecture: Architecture):
    network, ledger = network_of(architecture, "meta"), ledger_of(architecture)
    stored = list(network.weights())
    sizes = {kind: sum(s.tensor.numel() for s in stored if s.row.kind is kind) for kind in Kind}
    assert sizes == {Kind.PARAMETER: total(ledger), Kind.BUFFER: buffers(ledger)}
    rows: dict[Any, int] = {}
    for row in ledger.weights:
        if row.tied_to is None:
            key = row.role, tuple(int(axis.size) for axis in row.shape), row.stored_as
            rows[key] = rows.get(key, 0) + row.layers
    built: dict[Any, int] = {}
    for row, _place, tensor, _beside in stored:
        built[row.role, tuple(tensor.shape), row.stored_as] = (
            built.get((row.role, tuple(tensor.shape), row.stored_as), 0) + 1
        )
    assert built == rows
    assert {id(s.tensor) for s in stored} == {id(p) for p in network.parameters()}


def test_state_is_allocated_to_the_byte(architecture: Architecture):
    network, ledger = network_of(architecture, "meta"), ledger_of(architecture)
    for slots in (5, 64):
        cache = network.new_state(3, slots)
        allocated = sum(tensor.untyped_storage().nbytes() for tensor in cache.tensors())
        assert cache.nbytes == allocated == state_bytes(ledger, slots, "fp32", 3)


def test_counted_flops_are_the_computed_ones(architecture: Architecture):
    network, ledger = network_of(architecture, "meta"), ledger_of(architecture)
    cache = network.new_state(2, 64)
    for step in (Step(40, 0, 2), Step(7, 40, 2), Step(1, 47, 2)):
        ids = torch.zeros(2, step.new, dtype=torch.long, device="meta")
        counted = count(lambda ids=ids: network(ids, cache))
        solved = counted.by_op.get("aten.linalg_solve_triangular", 0)
        assert counted.uncounted == ()
        # The triangular solve is a scan in the ledger's words, and torch's counter alone would not see it.
        assert solved == solve_flops(ledger, step), step
        assert counted.flops - solved == computed_flops(ledger, step), step


@pytest.mark.oracle
@pytest.mark.parametrize("architecture", sorted(set(BUILT) - PREFIX_LMS), indirect=True)
def test_prompt_in_pieces_gives_the_same_logits(architecture: Architecture):
    network = network_of(architecture)
    ids = torch.randint(
        0, architecture.embedding.vocab_size, (2, sum(PIECES)), generator=torch.manual_seed(3)
    )
    whole = network(ids, network.new_state(2, 48), logits="all")
    cache = network.new_state(2, 48)
    pieces = torch.cat([network(piece, cache, logits="all") for piece in ids.split(PIECES, 1)], 1)
    assert float(whole.std()) > 0.01
    torch.testing.assert_close(pieces, whole, rtol=1e-4, atol=1e-4)


HOLD_OF_EVERY_TYPE = [
    test_weights_are_the_rows_of_the_ledger,
    test_state_is_allocated_to_the_byte,
    test_counted_flops_are_the_computed_ones,
    test_prompt_in_pieces_gives_the_same_logits,
]
"""For what another file builds beside the tiny configs: each takes an architecture."""
