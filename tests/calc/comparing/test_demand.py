"""What a decode step reads: matrices by the experts a batch touches, look-ups by their rows, state by sequence."""

from fractions import Fraction

import pytest

from moecalc.calc.comparing.demand import EqualState, LedgerDemand, StatedDemand
from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.embedding import Embedding, Head
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.moe import MoE
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.ir.rows import Pool
from moecalc.specs.formats import Precision
from tests.calc import released
from tests.calc.released import ledger_of


def demand_of(config, dtype="bf16"):
    return LedgerDemand(ledger_of(config), Precision(dtype), dtype)


ROUTED = 2 * 32 * 8 * 3 * 14336 * 4096
EMBEDDING = 2 * 32000 * 4096
ALWAYS_READ = 2 * 46_702_792_704 - ROUTED - EMBEDDING


@pytest.mark.parametrize("tokens", [1, 2, 16, 128, 4096])
def test_mixtral_reads_the_experts_its_batch_touches(tokens):
    touched = 1 - 0.75**tokens
    demand = demand_of(released.MIXTRAL_8X7B)
    rows = min(tokens, 32000) * 2 * 4096
    assert float(demand.weight_bytes_read(tokens)) == pytest.approx(ALWAYS_READ + rows + touched * ROUTED)
    assert float(demand.experts_touched(tokens)) == pytest.approx(touched)


def test_a_large_batch_reads_everything_once():
    demand = demand_of(released.MIXTRAL_8X7B)
    assert demand.weight_bytes_read(10**6) == pytest.approx(demand.weight_bytes) == 93_405_585_408


def test_a_dense_model_reads_its_matrices_once_per_step():
    demand = demand_of(released.LLAMA_13B)
    embedding, row = 2 * 32000 * 5120, 2 * 5120
    for tokens in (1, 100):
        assert demand.weight_bytes_read(tokens) == 2 * 13_015_864_320 - embedding + tokens * row
    assert demand.experts_touched(100) is None


def model(layer, *, tied=False, applications=1):
    return LedgerDemand(
        Architecture(
            hidden_size=16,
            embedding=Embedding(vocab_size=100),
            stacks=[Stack(layers={"a": layer}, pattern="a*3", applications=applications, final_norm=None)],
            head=Head(tied=tied),
        ).lower_to_ledger(),
        Precision("bf16"),
        "bf16",
    )


FEED_FORWARD = Layer(ffn=Gated(intermediate_size=8))
MATRICES = 2 * 3 * (3 * 8 * 16 + 16)  # with the norm of each layer


def test_a_tied_head_is_stored_once_and_read_as_a_matrix_all_the_same():
    tied, untied = model(FEED_FORWARD, tied=True), model(FEED_FORWARD)
    assert untied.weight_bytes - tied.weight_bytes == 2 * 100 * 16
    assert tied.weight_bytes_read(1) == untied.weight_bytes_read(1) == MATRICES + 2 * 100 * 16 + 2 * 16


def test_layers_that_run_several_times_are_read_each_time():
    looped = model(FEED_FORWARD, applications=4)
    assert looped.weight_bytes == model(FEED_FORWARD).weight_bytes
    assert looped.weight_bytes_read(1) - model(FEED_FORWARD).weight_bytes_read(1) == 3 * MATRICES


def test_experts_that_run_several_times_are_read_each_time_by_those_touched():
    sparse = Layer(ffn=MoE(experts=4, top_k=1, intermediate_size=8))
    experts, router = 2 * 3 * 4 * 3 * 8 * 16, 2 * 3 * (4 * 16 + 16)
    for applications in (1, 5):
        looped = model(sparse, applications=applications)
        assert looped.weight_bytes == experts + router + 2 * 2 * 100 * 16
        read = applications * (experts * (1 - 0.75**3) + router) + 2 * 100 * 16 + 3 * 2 * 16
        assert float(looped.weight_bytes_read(3)) == pytest.approx(read)


def test_two_pools_are_each_touched_by_their_own_share():
    few, many = MoE(experts=4, top_k=1, intermediate_size=8), MoE(experts=10, top_k=5, intermediate_size=8)
    demand = LedgerDemand(
        Architecture(
            hidden_size=16,
            embedding=Embedding(vocab_size=100),
            stacks=[Stack(layers={"a": Layer(ffn=few), "b": Layer(ffn=many)}, pattern="a b")],
        ).lower_to_ledger(),
        Precision("bf16"),
        "bf16",
    )
    first, second = 4 * (1 - 0.75**2), 10 * (1 - 0.5**2)
    # experts of one size, so the share is that of all fourteen
    assert float(demand.experts_touched(2)) == pytest.approx((first + second) / 14)


def test_state_is_read_in_full_unless_attention_is_sparse():
    demand = model(Layer(mixer=GQA(heads=4, kv_heads=2, head_dim=8)))
    assert demand.state_bytes(100) == demand.state_bytes_read(100) == 3 * 2 * 2 * 8 * 2 * 100


def test_experts_of_deepseek_v3_touched_by_128_tokens():
    # 1 - (248 / 256)^128: "128 touch 98%"
    share = demand_of(released.DEEPSEEK_V3).experts_touched(128)
    assert float(share) == pytest.approx(1 - (31 / 32) ** 128)
    assert round(float(share), 2) == 0.98


# --------------------------------------------------------------------------------------------- two numbers


def test_two_numbers_alone():
    demand = StatedDemand(70 * 10**9, 12 * 10**9)
    assert demand.weight_bytes == 140 * 10**9
    assert demand.decode_flops(10**6) == 24 * 10**9
    assert demand.state_bytes(100) is demand.state_bytes_read(100) is demand.experts_touched(5) is None
    assert demand.routed == 0
    # nothing says how many experts there are to share: the least is that all tokens use the same ones
    assert [demand.weight_bytes_read(n) for n in (1, 5, 100)] == [24 * 10**9] * 3
    assert StatedDemand(13 * 10**9, 13 * 10**9).weight_bytes_read(100) == 26 * 10**9


def test_two_numbers_with_experts_solve_for_the_routed_share():
    # total = s + 128 e and active = s + 8 e: e = 58 B / 120, s = 70 B - 128 e
    demand = StatedDemand(70 * 10**9, 12 * 10**9, "fp8", Pool(128, 8))
    expert = Fraction(58 * 10**9, 120)
    assert demand.routed == 128 * expert
    assert demand.weight_bytes == 70 * 10**9
    shared = 70 * 10**9 - 128 * expert
    assert float(demand.weight_bytes_read(1)) == pytest.approx(12 * 10**9)
    touched = 1 - (120 / 128) ** 64
    assert float(demand.weight_bytes_read(64)) == pytest.approx(float(shared + touched * 128 * expert))
    assert float(demand.experts_touched(64)) == pytest.approx(touched)


# --------------------------------------------------------------------------------------------- equal state


def test_equal_state_takes_the_state_of_the_other_and_the_rest_of_its_own():
    own, other = demand_of(released.LLAMA_13B), demand_of(released.MIXTRAL_8X7B)
    mixed = EqualState(own, other)
    assert mixed.state_bytes(4096) == 128 * 2**10 * 4096
    assert mixed.state_bytes_read(4096) == other.state_bytes_read(4096)
    assert mixed.weight_bytes == own.weight_bytes
    assert mixed.weight_bytes_read(3) == own.weight_bytes_read(3)
    assert mixed.decode_flops(4096) == own.decode_flops(4096)
    assert mixed.experts_touched(3) is None
    assert float(EqualState(other, own).experts_touched(1)) == 0.25
