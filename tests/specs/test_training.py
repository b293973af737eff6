"""Optimizers, precisions and measured matmuls as data; how plans, recomputation and adapters are typed."""

from fractions import Fraction

import pytest
import torch

from moecalc.errors import InputError
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Access, Weight
from moecalc.specs.hardware import accelerator
from moecalc.specs.training import (
    find_optimizer,
    find_training_precision,
    matmuls,
    optimizers,
    training_precisions,
)
from moecalc.specs.training_choices import Lora, parse_lora, parse_recompute
from moecalc.specs.training_plan import training_plan


def matrix(role=Role.FFN_UP, rows=1024, columns=512, layers=2, **more):
    return Weight(role=role, shape=(axis(Dim("out", rows)), axis(Dim("in", columns))), layers=layers, **more)


def vector(size=512):
    return Weight(role=Role.NORM, shape=(axis(Dim("hidden_size", size)),), access=Access.ELEMENTWISE)


@pytest.mark.parametrize("table", [optimizers(), training_precisions()])
def test_every_entry_names_its_source(table):
    assert all(entry.source and entry.label for entry in table.values())


def test_the_optimizer_of_every_precision_exists():
    assert all(find_optimizer(precision.optimizer) for precision in training_precisions().values())


def test_measured_matmuls_are_below_the_peak_of_devices_that_exist():
    known = matmuls()
    assert known.source
    for arithmetic in ("bf16", "fp8"):
        for name in getattr(known, arithmetic):
            device = accelerator(name)
            assert device.name == name
            peak = device.peak(arithmetic)
            assert peak is not None
            assert peak.per_second / 2 < known.per_second(name, arithmetic) < peak.per_second
    assert known.per_second("v100-sxm-16gb", "bf16") is None


@pytest.mark.parametrize(
    ("name", "of_matrix", "of_vector", "of_embedding"),
    [
        ("adamw", 8 * 2 * 1024 * 512, 8 * 512, 8 * 1024 * 512),
        ("adamw-bf16", 4 * 2 * 1024 * 512, 4 * 512, 4 * 1024 * 512),
        ("muon", 4 * 2 * 1024 * 512, 8 * 512, 8 * 1024 * 512),
        ("adafactor", 4 * 2 * (1024 + 512), 4 * 512, 4 * (1024 + 512)),
        # blocks of 256 with a float32 scale each; the vector is below 4,096 elements
        ("8bit", 2 * 2 * (1024 * 512 + 4 * 2048), 8 * 512, 2 * (1024 * 512 + 4 * 2048)),
    ],
)
def test_bytes_of_moments(name, of_matrix, of_vector, of_embedding):
    optimizer = find_optimizer(name)
    assert optimizer.bytes_of(matrix()) == of_matrix
    assert optimizer.bytes_of(vector()) == of_vector
    embedding = matrix(Role.EMBEDDING_TOKENS, layers=1, access=Access.LOOKUP)
    assert optimizer.bytes_of(embedding) == of_embedding
    assert optimizer.bytes_of(matrix(Role.HEAD, tied_to=Role.EMBEDDING_TOKENS)) == 0


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("name", "theirs", "of_vectors"),
    [("adamw", "AdamW", True), ("adafactor", "Adafactor", True), ("muon", "Muon", False)],
)
def test_moments_are_those_of_torch_s_own_optimizers(name, theirs, of_vectors):
    rows = [matrix(layers=1), *([vector()] if of_vectors else [])]  # torch's Muon takes matrices alone
    parameters = [torch.nn.Parameter(torch.zeros([side.size for side in row.shape])) for row in rows]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer = getattr(torch.optim, theirs)(parameters)
    optimizer.step()
    kept = [
        value.nbytes
        for state in optimizer.state.values()
        for key, value in state.items()
        if torch.is_tensor(value) and key != "step"
    ]
    assert sum(find_optimizer(name).bytes_of(row) for row in rows) == sum(kept)


@pytest.mark.parametrize(
    ("name", "weight", "input_", "attention_output"),
    [
        ("bf16", 2, 2, 2),
        ("fp8", 4, 1, 1),
        ("fp8-params", 2, 1, 1),
        ("fp8-deepseek", 1 + Fraction(4, 128 * 128), 1 + Fraction(4, 128), Fraction(3, 2) + Fraction(4, 128)),
    ],
)
def test_bytes_of_a_converted_matrix(name, weight, input_, attention_output):
    precision = find_training_precision(name)
    assert precision.weight_bytes(matrix()) == weight * 2 * 1024 * 512
    assert precision.input_bytes(matrix()) == input_
    assert precision.input_bytes(matrix(Role.ATTENTION_O)) == attention_output


@pytest.mark.parametrize("role", [Role.HEAD, Role.ROUTER, Role.EMBEDDING_TOKENS])
@pytest.mark.parametrize("name", list(training_precisions()))
def test_what_no_recipe_converts_stays_at_16_bits(name, role):
    precision = find_training_precision(name)
    assert precision.weight_bytes(matrix(role)) == 2 * 2 * 1024 * 512
    assert precision.input_bytes(matrix(role)) == 2


@pytest.mark.parametrize(
    ("typed", "modules", "full"),
    [
        ("none", set(), False),
        ("selective", {"core_attn"}, False),
        ("FULL", set(), True),
        ("act, norm", {"act", "norm"}, False),
    ],
)
def test_recomputation_as_typed(typed, modules, full):
    found = parse_recompute(typed)
    assert (found.modules, found.full) == (modules, full)


@pytest.mark.parametrize(
    ("typed", "adapters"),
    [
        ("r=16", Lora(rank=16, target="attention")),
        ("r=8,target=all", Lora(rank=8, target="all")),
        ("rank=8 target=attention", Lora(rank=8, target="attention")),
    ],
)
def test_adapters_as_typed(typed, adapters):
    assert parse_lora(typed) == adapters


def test_the_data_ranks_are_what_is_left():
    plan = training_plan(2048, tensor=4, pipeline=8, context=2, expert=16)
    assert (plan.copies, plan.data, plan.devices) == (32, 64, 2048)
    assert (plan.expert_tensor, plan.expert_data) == (4, 4)
    assert plan.sequence_parallel
    assert not training_plan(8).sequence_parallel


def test_experts_that_do_not_divide():
    with pytest.raises(InputError, match="`--ep 3` does not divide the 8 ranks of a stage") as caught:
        training_plan(8, expert=3)
    assert "1, 2, 4, 8" in caught.value.hint
