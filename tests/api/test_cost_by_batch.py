"""When "a 70B mixture of experts is cheaper than a 13B dense model" holds: cheaper, dearer, cheaper over the batch.

68 B of 128 experts, 8 per token (5.9 B active), against llama-13b, both in FP8 on one H200, one key of context, so
that no cache counts. On equal devices the ratio of costs is that of step times, whatever the price.
"""

from itertools import pairwise

import pytest

from moecalc.api import load
from moecalc.api.cost import cost
from moecalc.api.fleets import fleet_of
from moecalc.api.speed import speed
from moecalc.calc.cost.pace import decode_pace
from tests.calc.released import LLAMA_13B

MIXTURE = {
    "model_type": "qwen3_moe",
    "hidden_size": 4096,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "intermediate_size": 12_288,
    "moe_intermediate_size": 1056,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "norm_topk_prob": True,
    "vocab_size": 32_000,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}
ROUTED = 40 * 128 * 3 * 4096 * 1056
BANDWIDTH, PEAK = 4800 * 10**9, 1979 * 10**12  # of an H200 SXM


@pytest.fixture(scope="module")
def fleet():
    return fleet_of("h200")


@pytest.fixture(scope="module")
def ratio(fleet):
    """Dollars per output token of the mixture over those of the dense model, at one key of context."""
    models = [load(MIXTURE), load(LLAMA_13B)]
    paid = [cost(model, fleet, quant="fp8", context=1, batch=1) for model in models]
    lines = [speed(model, fleet, quant="fp8", context=1).roofline for model in models]

    def at(batch):
        sparse, dense = (
            answer.usd_per_million(decode_pace(line, batch, 1, "generic")).ceiling
            for answer, line in zip(paid, lines, strict=True)
        )
        return float(sparse / dense)

    return at


def test_the_mixture_has_the_sizes_of_the_sentence():
    params = load(MIXTURE).params
    assert params.total == 68_231_182_336
    assert params.active() < 13e9 / 2


def test_cheaper_at_batch_1_and_2_dearer_from_3_to_1082_cheaper_from_1083(ratio):
    assert ratio(1) < ratio(2) < 1
    assert all(ratio(batch) > 1 for batch in (3, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1082))
    assert all(ratio(batch) < 1 for batch in (1083, 2048, 4096, 16_384))


def test_one_hump_with_its_top_of_5x_where_all_experts_are_read_and_bandwidth_still_binds(ratio):
    batches = [*range(1, 256), *range(256, 2049, 64)]
    curve = [ratio(batch) for batch in batches]
    top = curve.index(max(curve))
    assert batches[top] == 107
    assert curve[top] == pytest.approx(5.2, abs=0.05)
    assert all(a < b for a, b in pairwise(curve[: top + 1]))
    assert all(a > b for a, b in pairwise(curve[top:]))
    assert 1 - (15 / 16) ** batches[top] > 0.99  # of the experts are touched


def test_the_rising_side_is_the_share_of_experts_that_a_batch_touches(ratio):
    """By hand, but for scales, norms and rows of the embedding: well under 1% of what a step reads."""
    mixture = load(MIXTURE).params.total - ROUTED - 32_000 * 4096
    dense = load(LLAMA_13B).params.total - 32_000 * 5120
    head = 32_000  # logits stay in bf16 under the recipe: one more byte for each of the head's weights
    for batch in (1, 4, 16, 64, 107):
        touched = 1 - (15 / 16) ** batch
        by_hand = (mixture + head * 4096 + ROUTED * touched) / (dense + head * 5120)
        assert ratio(batch) == pytest.approx(by_hand, rel=0.01)


def test_deep_in_compute_it_is_the_ratio_of_active_parameters(ratio):
    mixture, dense = load(MIXTURE).params, load(LLAMA_13B).params
    active = mixture.active() - 32_000 * 4096, dense.active() - 32_000 * 5120
    assert ratio(16_384) == pytest.approx(active[0] / active[1], rel=0.02)


def test_with_caches_attention_decides(fleet):
    """At 4,096 keys the mixture is cheaper at every batch that llama-13b holds: the cache of its MHA, 800 KiB a token.

    Give the dense model the mixture's 80 KiB, and from batch 3 to all that the mixture holds the sentence is false.
    """

    def ratio(dense, batch):
        paid = [cost(model, fleet, quant="fp8", context=4096, batch=batch) for model in (MIXTURE, dense)]
        sparse, other = (answer.usd_per_million(answer.output).ceiling for answer in paid)
        return float(sparse / other)

    assert cost(LLAMA_13B, fleet, quant="fp8", context=4096).capacity == 36
    assert all(ratio(LLAMA_13B, batch) < 0.8 for batch in (1, 2, 4, 8, 16, 36))
    assert cost(MIXTURE, fleet, quant="fp8", context=4096).capacity == 195
    grouped = {**LLAMA_13B, "num_key_value_heads": 4}
    assert all(ratio(grouped, batch) < 0.9 for batch in (1, 2))
    assert all(ratio(grouped, batch) > 1.1 for batch in (3, 8, 64, 195))
    assert ratio(grouped, 32) == pytest.approx(3.23, abs=0.01)
