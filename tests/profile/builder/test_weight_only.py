"""Weight-only FP8 and INT8: the ledger's tensors, the FLOPs of the dense model, and its logits."""

import pytest
import torch
from msgspec.structs import replace

import moecalc
from moecalc.api.precision import precision_for
from moecalc.calc import memory
from moecalc.errors import InputError
from moecalc.ir.roles import Component
from moecalc.ir.rows import Kind
from moecalc.profile.builder import build
from moecalc.profile.builder.counters import count
from moecalc.profile.builder.weight_only import PACKED_ROWS, WeightOnly, dense_bytes, made_weight_only
from moecalc.specs.formats import find_format
from tests.oracle.families import deepseek_v3, llama, mixtral, qwen3_next

MODELS = {
    family.__name__.rpartition(".")[2]: moecalc.load(family.TINY)
    for family in (llama, mixtral, deepseek_v3, qwen3_next)
}
RECIPES = ("int8", "fp8", "fp8-channel", "fp8-block128")


def stored_in(model, recipe):
    return replace(precision_for(model, recipe), default="fp32")


def network(model, recipe=None, device="cpu"):
    precision = None if recipe is None else stored_in(model, recipe)
    return build(model.architecture, dtype=torch.float32, device=device, precision=precision)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", MODELS)
def test_stored_bytes_and_parameters_are_the_ledgers(name, recipe):
    model = MODELS[name]
    stored = list(network(model, recipe, device="meta").weights())
    language = model.ledger.part(Component.LANGUAGE)
    nbytes = sum(tensor.nbytes for entry in stored for tensor in (entry.tensor, *entry.beside))
    assert nbytes == memory.weight_bytes(language, stored_in(model, recipe))
    parameters = sum(entry.tensor.numel() for entry in stored if entry.row.kind is Kind.PARAMETER)
    assert parameters == model.params.total
    assert any(entry.beside for entry in stored)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", MODELS)
def test_it_executes_what_the_dense_model_does(name, recipe):
    """FLOPs to the unit, and the logits of a network that holds the matrices made dense."""
    model = MODELS[name]
    stored, dense = network(model, recipe), network(model)
    for entry, other in zip(stored.weights(), dense.weights(), strict=True):
        tensor = entry.tensor
        if entry.beside:
            block = tuple(
                -(-side // blocks)
                for side, blocks in zip(tensor.shape[-2:], entry.beside[0].shape[-2:], strict=True)
            )
            block = (128, 128) if recipe == "fp8-block128" else block
            tensor = WeightOnly(tensor, entry.beside, torch.float32, block).dense()
        other.tensor.copy_(tensor)
    ids = torch.randint(0, 16, (2, 8), generator=torch.manual_seed(0))

    def run(made):
        cache = made.new_state(2, 9)
        return torch.stack([made.prefill(ids, cache), made.decode(ids[:, :1], cache)])

    counted, plain = count(lambda: run(stored)), count(lambda: run(dense))
    assert (counted.flops, counted.uncounted) == (plain.flops, ())
    torch.testing.assert_close(run(stored), run(dense), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("shape", [(8, 16), (256, 384), (200, 300), (3, 130, 20)])
@pytest.mark.parametrize(
    "name", ["fp8-block128", "int8-channel-bf16", "fp8-channel-bf16", "fp8-tensor-static"]
)
def test_each_value_is_scaled_by_its_block(shape, name):
    random = torch.Generator().manual_seed(1)
    made = made_weight_only(shape, find_format(name), torch.float32, torch.device("cpu"), random)
    scale = made.beside[0]
    scale.copy_(torch.rand(scale.shape, generator=random) + 0.5)
    rows, columns = {"fp8-block128": (128, 128), "fp8-tensor-static": shape[-2:]}.get(name, (1, shape[-1]))
    dense = made.dense()
    for matrix in range(shape[0] if len(shape) == 3 else 1):
        at = (matrix,) if len(shape) == 3 else ()
        for row, column in ((0, 0), (shape[-2] - 1, shape[-1] - 1), (shape[-2] // 2, shape[-1] // 3)):
            by = scale[(*at, row // rows, column // columns)].float()
            assert dense[(*at, row, column)] == made.values[(*at, row, column)].float() * by


def test_torchs_int8_kernel_and_the_dense_matrix_agree():
    random = torch.Generator().manual_seed(1)
    weight = made_weight_only(
        (64, 96), find_format("int8-channel-bf16"), torch.float32, torch.device("cpu"), random
    )
    assert weight.is_packed
    few, many = torch.randn(2, 4, 96), torch.randn(PACKED_ROWS + 1, 96)
    bias = torch.randn(64)
    for x in (few, many):
        expected = x @ weight.dense().T + bias
        torch.testing.assert_close(torch.nn.functional.linear(x, weight, bias), expected)
    used = count(lambda: torch.nn.functional.linear(few, weight)).by_op
    assert used == {"aten._weight_int8pack_mm": 2 * 8 * 96 * 64}


def test_what_one_dense_matrix_takes_is_of_one_expert():
    model = MODELS["mixtral"]
    config = mixtral.TINY
    widest = max(config["intermediate_size"] * config["hidden_size"], config["hidden_size"] ** 2)
    assert dense_bytes(model.ledger.weights, stored_in(model, "int8"), torch.float32) == 4 * widest


@pytest.mark.parametrize("recipe", ["w8a16-g32", "nf4", "mxfp4-experts", "llm-int8"])
def test_other_formats_are_refused_by_name(recipe):
    with pytest.raises(InputError, match="cannot run weights stored as `"):
        network(MODELS["mixtral"], recipe, device="meta")
