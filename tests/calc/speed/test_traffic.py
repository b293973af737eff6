"""What a step reads at its limits: one token the active weights, very many all of them, a dense model always all."""

import pytest

from moecalc.calc import parameters
from moecalc.calc.comparing.demand import LedgerDemand
from moecalc.calc.speed.traffic import SHARED, UNIFORM, Routing
from moecalc.ir.roles import Role
from tests.calc import released
from tests.calc.speed.rooflines import BF16, roofline_of

MANY = 10**6


def reads(config):
    return roofline_of(config, precision=BF16).traffics[0]


def embedding_bytes(config):
    ledger = roofline_of(config).sharded.ledger
    return sum(2 * w.elements for w in ledger.weights if w.role is Role.EMBEDDING_TOKENS)


@pytest.mark.parametrize("config", [released.MIXTRAL_8X7B, released.QWEN3_30B_A3B])
def test_one_token_reads_the_active_weights(config):
    ledger = roofline_of(config).sharded.ledger
    active = 2 * parameters.active(ledger, "no_input_embedding")
    row = embedding_bytes(config) / config["vocab_size"]  # of the input embedding one row
    assert reads(config).weight_bytes(1, 1) == active + row


@pytest.mark.parametrize("config", [released.MIXTRAL_8X7B, released.QWEN3_30B_A3B])
def test_very_many_tokens_read_all_weights(config):
    ledger = roofline_of(config).sharded.ledger
    assert reads(config).weight_bytes(MANY, MANY) == 2 * parameters.total(ledger)


def test_a_dense_model_reads_the_same_at_any_batch_but_for_the_rows_it_looks_up():
    row = 2 * released.LLAMA_13B["hidden_size"]
    traffic = reads(released.LLAMA_13B)
    assert traffic.weight_bytes(64, 64) - traffic.weight_bytes(1, 1) == 63 * row
    assert traffic.touched_share(64) is None


def test_experts_touched_are_those_of_the_formula():
    # Qwen3-30B-A3B at 16 tokens: 1 - (1 - 8/128)^16
    assert reads(released.QWEN3_30B_A3B).touched_share(16) == pytest.approx(1 - (15 / 16) ** 16, rel=1e-12)


def test_overlap_lies_between_shared_and_uniform():
    traffic = reads(released.QWEN3_30B_A3B)
    shares = [traffic.touched_share(32, routing) for routing in (SHARED, Routing(0.3), Routing(0.8), UNIFORM)]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(8 / 128, rel=1e-12)  # 1 - (1 - 8/128) in floats
    assert len(set(shares)) == 4


@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize(
    "config", [released.MIXTRAL_8X7B, released.LLAMA_13B, released.QWEN3_0_6B, released.GPT_OSS_20B]
)
def test_one_device_reads_what_compare_says(config, batch):
    # `compare` counts in exact fractions on pooled devices: on a single one both must say the same.
    roofline = roofline_of(config)
    demand = LedgerDemand(roofline.sharded.ledger, roofline.precision, "bf16")
    step = roofline.decode(batch, 4096)
    assert step.weight_bytes == pytest.approx(float(demand.weight_bytes_read(batch)), rel=1e-12)
    assert step.state_bytes == batch * demand.state_bytes_read(4096)
    assert step.flops == batch * demand.decode_flops(4096)
