"""Decode steps at the ceiling: against arithmetic written out, and properties that hold for every plan."""

import itertools

import numpy as np
import pytest

from moecalc.calc.speed.communication import all_reduce_bytes, decode_communication, other_ranks
from moecalc.calc.speed.speculation import Speculation, accepted_tokens, drafter_of, speculate
from moecalc.calc.speed.speed import binding, changes
from moecalc.calc.speed.speed_groups import decode_groups
from moecalc.calc.speed.sweep import FEW, decode_grid
from moecalc.calc.speed.traffic import SHARED, Routing
from moecalc.ir.rows import Pool
from moecalc.specs.plan import Plan
from tests.calc import released
from tests.calc.speed.rooflines import BF16, roofline_of

LONGCAT = {  # zero-compute experts make the expected calls a fraction (LongCat-Flash, cut to four layers)
    "model_type": "longcat_flash",
    "vocab_size": 131072,
    "hidden_size": 6144,
    "ffn_hidden_size": 12288,
    "expert_ffn_hidden_size": 2048,
    "num_layers": 4,
    "num_attention_heads": 64,
    "num_key_value_heads": 64,
    "n_routed_experts": 512,
    "zero_expert_num": 256,
    "moe_topk": 12,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "torch_dtype": "bfloat16",
}
CONFIGS = {
    "mixtral": released.MIXTRAL_8X7B,
    "llama-13b": released.LLAMA_13B,
    "gpt-oss": released.GPT_OSS_20B,
    "deepseek-v3": released.DEEPSEEK_V3,
    "longcat": LONGCAT,
}
PLANS = {
    "one": Plan(),
    "tp": Plan(tensor=4),
    "pp": Plan(pipeline=2),
    "ep": Plan(tensor=2, data=2, expert=4),
}


EACH = [
    pytest.param(config, plan, id=f"{name}-{words}")
    for name, config in CONFIGS.items()
    for words, plan in PLANS.items()
    if plan.expert == 1 or "experts" in str(config)
]


# --------------------------------------------------------------------------------------------- one step


def test_llama_13b_on_one_h100_by_hand():
    # Weights of 13.016 B parameters less the input embedding, plus one row of it; cache 800 KiB per token.
    roofline = roofline_of(released.LLAMA_13B)
    weights = 2 * (13_015_864_320 - 32000 * 5120 + 5120)
    state = 4096 * 800 * 2**10
    step = roofline.decode(1, 4096)
    assert step.seconds == (weights + state) / 3_350e9
    assert binding(step) == "weights"
    assert binding(roofline.decode(15, 4096)) == "state"


def test_a_verified_single_position_is_a_decode_step():
    roofline = roofline_of(released.DEEPSEEK_V3, Plan(tensor=8), "h200")
    assert roofline.verify(16, 4096, 1) == roofline.decode(16, 4096)


@pytest.mark.parametrize(("config", "plan"), EACH)
def test_components_sum_to_the_step(config, plan):
    roofline = roofline_of(config, plan)
    for batch, context in ((1, 4096), (48, 1000)):
        step, groups = roofline.decode(batch, context), decode_groups(roofline, (batch,), context)
        assert sum(g.memory_seconds for g in groups) == pytest.approx(step.memory_seconds, rel=1e-12)
        assert sum(g.compute_seconds for g in groups) == pytest.approx(step.compute_seconds, rel=1e-12)
        assert sum(g.state_bytes for g in groups) == pytest.approx(step.state_bytes, rel=1e-12)


@pytest.mark.parametrize(("config", "plan"), EACH)
def test_arrays_say_what_single_points_say(config, plan):
    roofline = roofline_of(config, plan)
    batches, contexts = [1, 2, 3, 17, 64, 1024], [1, 127, 128, 129, 4096, 131072]
    whole = roofline.decode(np.array(batches)[:, None], np.array(contexts)[None, :])
    for i, batch in enumerate(batches):
        for j, context in enumerate(contexts):
            one = roofline.decode(batch, context)
            # The same operations in the same order; a power of an array is rounded otherwise in its last digit.
            for name in ("seconds", "memory_seconds", "compute_seconds"):
                many = np.broadcast_to(getattr(whole, name), (6, 6))[i, j]
                assert float(many) == pytest.approx(float(getattr(one, name)), rel=1e-13), name


def test_a_grid_is_the_same_with_and_without_numpy():
    roofline = roofline_of(released.DEEPSEEK_V3, Plan(tensor=8), "h200")
    batches, contexts = [1, 8, 64], [512 * i for i in range(1, FEW)]
    many = decode_grid(roofline, batches, contexts)
    few = decode_grid(roofline, batches[1:2], contexts[3:4])
    assert len(batches) * len(contexts) > FEW
    assert many.seconds[1][3] == pytest.approx(few.seconds[0][0], rel=1e-13)


@pytest.mark.parametrize(("config", "plan"), EACH)
def test_more_sequences_and_more_keys_never_take_less(config, plan):
    roofline = roofline_of(config, plan)
    over_batch = [roofline.decode(batch, 4096).seconds for batch in (1, 2, 4, 5, 32, 256, 2048)]
    over_context = [roofline.decode(8, context).seconds for context in (1, 16, 4096, 65536)]
    assert over_batch == sorted(over_batch)
    assert over_context == sorted(over_context)


@pytest.mark.parametrize(("config", "plan"), EACH)
def test_shared_experts_are_the_least_of_all_routings(config, plan):
    roofline = roofline_of(config, plan)
    steps = [roofline.decode(32, 4096, routing).seconds for routing in (SHARED, Routing(0.5), Routing())]
    assert steps == sorted(steps)
    assert roofline.decode(1, 4096, SHARED) == roofline.decode(1, 4096)


def test_two_ranks_halve_what_splits():
    one, two = (roofline_of(released.LLAMA_13B, Plan(tensor=n)).decode(1, 4096) for n in (1, 2))
    assert two.state_bytes * 2 == one.state_bytes
    assert two.compute_seconds == pytest.approx(one.compute_seconds / 2, rel=1e-12)
    assert one.weight_bytes / 2 < two.weight_bytes < one.weight_bytes * 0.501  # norms are whole on each


def test_layer_split_adds_no_speed_to_one_sequence_and_doubles_that_of_two():
    one = roofline_of(released.LLAMA_13B)
    split = roofline_of(released.LLAMA_13B, Plan(pipeline=2))
    assert split.decode(1, 4096).seconds == pytest.approx(one.decode(1, 4096).seconds, rel=1e-3)
    assert split.decode(2, 4096).seconds == pytest.approx(one.decode(1, 4096).seconds, rel=0.02)


def test_unequal_stages_take_their_own_bandwidth():
    config, plan = released.LLAMA_13B, Plan(pipeline=2, stages=(30, 10))
    fast = roofline_of(config, plan, ["h200", "h100"]).decode(1, 128).seconds
    slow = roofline_of(config, plan, ["h100", "h200"]).decode(1, 128).seconds
    assert fast < slow


def test_a_prompt_alone_is_no_faster_on_more_copies_of_attention():
    one, eight = (
        roofline_of(released.LLAMA_13B, Plan(tensor=2, data=n)).prefill(4096).seconds for n in (1, 4)
    )
    assert one == eight


def test_where_the_binding_resource_changes():
    roofline = roofline_of(released.LLAMA_3_1_405B, Plan(tensor=8), "h200", BF16)
    found = changes(roofline, 512)
    assert [word for _, word in found] == ["weights", "compute"]
    batch = found[1][0]
    assert binding(roofline.decode(batch - 1, 512)) == "weights"
    assert binding(roofline.decode(batch, 512)) == "compute"


def test_unpublished_peaks_leave_bandwidth_alone():
    assert roofline_of(released.GPT2, device="h100").is_bounded
    assert not roofline_of(released.GPT2, device="m3-max").is_bounded


# ----------------------------------------------------------------------------------------- communication


def test_tensor_parallel_llama_reduces_twice_a_layer():
    found = decode_communication(roofline_of(released.LLAMA_13B, Plan(tensor=8)), 4)
    (transfer,) = found.transfers
    assert (transfer.name, transfer.ranks) == ("all-reduce", 8)
    assert transfer.times == 2 * 40 + 1  # and once behind the embedding
    assert transfer.sent_bytes == 81 * 2 * 7 / 8 * (4 * 5120 * 2)
    assert found.seconds == transfer.sent_bytes / 450e9  # NVLink 4: 900 GB/s in both directions


def test_one_device_sends_nothing():
    found = decode_communication(roofline_of(released.MIXTRAL_8X7B), 64)
    assert (found.transfers, found.seconds) == ((), 0.0)


def test_expert_parallel_copies_of_attention_send_tokens_to_their_experts():
    plan = Plan(data=8, expert=8)
    found = decode_communication(roofline_of(released.DEEPSEEK_V3, plan, "h200"), 64)
    (transfer,) = found.transfers
    assert transfer.name == "all-to-all"
    # 58 routed layers, there and back, 8 sequences of each rank, 7168 wide in 16 bits
    assert transfer.sent_bytes == pytest.approx(
        58 * 2 * 8 * 3.63 * 7 / 8 * 7168 * 2,
        rel=2e-3,  # of 8 groups 3.63, as `routing` has it by another way
    )


def test_sums_over_rings_and_reached_ranks():
    assert all_reduce_bytes(2, 100) == 100
    assert all_reduce_bytes(1, 100) == 0
    assert other_ranks(2, Pool(8, 1)) == 0.5
    # 2 of 4 groups of 4: both on the other rank or both here 1 in 6 each, else 4 of 8 experts miss it 1 in 70.
    assert other_ranks(2, Pool(16, 4, groups=4, group_limit=2)) == pytest.approx(1 - (1 / 6 + 4 / 6 / 70))
    assert other_ranks(8, Pool(8, 1)) == 7 / 8
    assert other_ranks(8, Pool(8, 8)) == 7
    assert other_ranks(8, Pool(64, 57)) == 7  # as 56 stand on the others


@pytest.mark.parametrize(
    ("pool", "ranks"), [(Pool(8, 2), 4), (Pool(8, 3), 2), (Pool(6, 2, null_experts=2), 3)]
)
def test_ranks_that_every_choice_of_different_experts_reaches(pool, ranks):
    chosen = list(itertools.combinations(range(pool.experts + pool.null_experts), pool.top_k))
    size = pool.experts // ranks
    reached = sum(len({one // size for one in picked if one < pool.experts} - {0}) for picked in chosen)
    assert other_ranks(ranks, pool) == pytest.approx(reached / len(chosen), rel=1e-12)


# -------------------------------------------------------------------------------------------- speculation


def test_accepted_tokens_of_leviathan_et_al():
    # equation 1: a = 0.8, k = 5 yields 3.69 tokens; nothing accepted yields the model's own one
    assert accepted_tokens(5, 0.8) == pytest.approx(3.68928, rel=1e-9)
    assert accepted_tokens(3, 0) == 1
    assert accepted_tokens(3, 1) == 4


def test_speculation_gains_at_batch_1_and_loses_where_arithmetic_binds():
    roofline = roofline_of(released.LLAMA_13B)
    alone, many = speculate(roofline, None, (1, 4096), 128, 3, 0.7)
    assert alone.speedup > 2.4
    assert many.speedup < 1


def test_the_share_that_engines_report_is_below_the_chance_of_each():
    """Of three drafted at 0.7 each: 0.7, 0.7^2 and 0.7^3 are accepted on average, which is 51% of them."""
    told = Speculation(drafted=3, acceptance=0.7, accepted=accepted_tokens(3, 0.7), draft="", gains=())
    assert told.share == pytest.approx((0.7 + 0.49 + 0.343) / 3)
    assert (
        "accepted with probability 0.7 where those before it are: 51% of all, and 2.53 tokens a step"
        in told.words
    )


def test_drafting_and_checking_cost_more_than_a_plain_step():
    roofline = roofline_of(released.DEEPSEEK_V3, Plan(tensor=8), "h200")
    drafter = drafter_of(roofline, 1)
    for gain in speculate(roofline, drafter, (1, 16, 256), 4096, 1, 0.85):
        assert gain.verify_seconds > gain.plain_seconds
        assert gain.draft_seconds > 0
        assert gain.speedup < gain.accepted


def test_one_module_and_the_head_are_what_a_draft_reads():
    # 11.61 B parameters of the module, of its experts 8 of 256, the router's 256 correction biases, and the head.
    roofline = roofline_of(released.DEEPSEEK_V3, precision=BF16)
    drafter = drafter_of(roofline, 1)
    experts = 3 * 256 * 2048 * 7168
    read = 11_610_068_224 - experts * 248 / 256 + 129280 * 7168
    assert drafter.roofline.decode(1, 1).weight_bytes == pytest.approx(2 * (read + 256), rel=1e-9)


def test_a_model_without_modules_has_no_drafter():
    assert drafter_of(roofline_of(released.LLAMA_13B), 1) is None
