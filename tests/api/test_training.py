"""`train`: published runs reproduced, predictions that add up, adapters, and input that cannot be."""

import json
from decimal import Decimal

import pytest

from moecalc.api import load
from moecalc.api.fleets import fleet_of
from moecalc.api.scaling import scaling
from moecalc.api.training import train
from moecalc.calc.training.training_activations import trains
from moecalc.calc.training.training_lines import training_report
from moecalc.errors import InputError, UndeterminedError
from moecalc.render.train import HELD_AGAINST, remarks, summary_rows
from moecalc.specs.hardware import accelerator
from moecalc.specs.training_plan import training_plan


def run(name, gpu="8xh100", tokens=10**12, plan=None, **chosen):
    fleet = fleet_of(gpu)
    return train(name, fleet, training_plan(fleet.count, **(plan or {})), tokens=tokens, **chosen)


# ------------------------------------------------------------------------------------------------- published runs


@pytest.fixture(scope="module")
def deepseek_v3():
    """DeepSeek-V3's run (arXiv 2412.19437, sections 3.1, 3.2 and 4.2) at the MFU that its authors later printed.

    That is 38.94%, causal (arXiv 2505.09343, table 4), of a dense bf16 peak of 989 TFLOP/s though it ran in fp8.
    """
    return run(
        "deepseek-v3",
        "2048xh800",
        14_800_000_000_000,
        {"pipeline": 16, "expert": 64},
        global_batch=15_360 * 4096,
        precision="fp8-deepseek",
        recompute="norm,act,mla_up_proj",
        mfu="0.3894",
    )


def test_deepseek_v3_s_gpu_hours(deepseek_v3):
    """Section 1: 180K H800 GPU-hours and 3.7 days per trillion tokens, 2664K GPU-hours and 2 USD each in all."""
    hours_per_trillion = deepseek_v3.gpu_hours / 14.8
    assert round(hours_per_trillion, -4) == 180_000
    assert round(deepseek_v3.days / 14.8, 1) == 3.7
    # 2664K is 14.8 times the rounded 180K, so it carries that rounding: half of 10K in 180K.
    assert abs(deepseek_v3.gpu_hours - 2_664_000) <= 14.8 * 5000
    assert abs(deepseek_v3.usd - 5_328_000) <= 2 * Decimal("14.8") * 5000
    assert "2.00" in deepseek_v3.price_words
    assert "2025-02-28" in deepseek_v3.price_words


def test_deepseek_v3_s_flops_per_token(deepseek_v3):
    """arXiv 2505.09343, table 2: 250 GFLOPs per token in training at 4,096 tokens; causal pairs, all logits."""
    assert round(deepseek_v3.sequence_flops / 4096 / 10**9) == 250


def test_deepseek_v3_s_batch(deepseek_v3):
    """Section 4.2: 15,360 sequences of 4,096; EP 64, PP 16 and ZeRO 1 on 2,048 GPUs leave 128 data ranks."""
    assert deepseek_v3.memory.plan.copies == 128
    assert deepseek_v3.memory.microbatches == 120
    assert deepseek_v3.memory.plan.expert_data == 2


def test_deepseek_v3_does_not_fit_1f1b_as_evenly_as_its_own_schedule(deepseek_v3):
    # DualPipe has every rank hold p + 1 chunks of two copies; 1F1B's first stages hold most. What is asserted is the
    # shape: under 1F1B the fullest rank is among the first stages, the emptiest the last but one or the last.
    totals = [stage.total for stage in deepseek_v3.memory.stages]
    assert deepseek_v3.memory.fullest.stage <= 2
    assert totals.index(min(totals)) >= 14


def test_deepseek_v3_s_mfu_is_within_the_predicted_range():
    """DualPipe hides its all-to-alls almost wholly (section 3.2.1): 38.94% is between all in the open and none.

    H800s multiply as H100s do, so those stand for them: of an H800 nobody's fp8 peak or matmul is known here.
    """
    found = run(
        "deepseek-v3",
        "2048xh100",
        14_800_000_000_000,
        {"pipeline": 16, "expert": 64},
        global_batch=15_360 * 4096,
        precision="fp8-deepseek",
        recompute="norm,act,mla_up_proj",
        mfu="predict",
    ).prediction
    assert found.mfu_low < 0.3894 < found.mfu_high
    largest = max((item for item in found.items if item.sends), key=lambda item: item.seconds)
    assert largest.id == "all_to_all"


@pytest.fixture(scope="module")
def llama_405b():
    """Llama 3.1 405B on 8,192 GPUs: TP 8, PP 16, DP 64, sequences of 8,192, 16M tokens (arXiv 2407.21783, table 4)."""
    return run(
        "llama-3.1-405b",
        "8192xh100",
        15_600_000_000_000,
        {"tensor": 8, "pipeline": 16},
        sequence=8192,
        global_batch=16 * 2**20,
        mfu="predict",
    )


def test_llama_3_1_405b_s_flops_are_the_rule_s(llama_405b):
    """arXiv 2407.21783, section 1: 3.8e25 FLOPs on 15.6T tokens: that is 6 N D, without any attention.

    The useful count adds the causal pairs of 8,192 tokens (5%) and leaves out the input embedding, a look-up (0.5%).
    """
    assert float(f"{float(llama_405b.rule_flops):.1e}") == 3.8e25
    pairs = 126 * 128 * (128 + 128) * 2 * 3 * (8192 + 1) / 2  # FLOPs per token: scores and mix, both passes
    no_look_up = 6 * (405_853_388_800 - 128_256 * 16_384 - (2 * 126 + 1) * 16_384)
    assert float(llama_405b.sequence_flops / 8192) == pytest.approx(pairs + no_look_up, rel=1e-12)


def test_llama_3_1_405b_s_gpu_hours(llama_405b):
    """The model card's 30.84M GPU-hours are more than its MFU of 38% to 43% (table 4) explains: 26M to 29M.

    It says "cumulative": the interruptions (section 3.3.4: more than 90% effective time) and the other stages of
    pre-training (long context at 38%, annealing) are in it. What all hours amount to is 36% of the peak.
    """
    seconds_at_peak = float(llama_405b.flops) / 989e12
    low, high = (seconds_at_peak / mfu / 3600 for mfu in (0.43, 0.38))
    assert (round(low / 1e6), round(high / 1e6)) == (26, 29)
    assert high < 30.84e6
    assert round(seconds_at_peak / 3600 / 30.84e6, 2) == 0.36


def test_llama_3_1_405b_s_predicted_mfu(llama_405b):
    """Table 4: 43% on 8,192 GPUs, 400 TFLOP/s each. The prediction knows no stragglers: it may not be below that.

    What it promises is no more than a tenth above, and that it stays under what hides all communication.
    """
    found = llama_405b.prediction
    assert 0.43 <= found.mfu <= 0.43 * 1.1
    assert found.mfu_low <= found.mfu <= found.mfu_high


def test_llama_3_1_405b_fits_its_gpus(llama_405b):
    """It was trained so (table 4), on GPUs of 80 GB, without activation checkpointing (section 3.3.2)."""
    assert llama_405b.usable is not None
    assert llama_405b.memory.fullest.total < llama_405b.usable.bytes


def test_energy_is_power_times_hours():
    """The Llama 3.1 model card counts 700 W per GPU-hour (TDP, "adjusted for power usage efficiency" left out)."""
    found = run("llama-3.1-8b", pue="1.1")
    assert float(found.energy_kwh) == pytest.approx(found.gpu_hours * 0.7 * 1.1)
    given = run("llama-3.1-8b", power="500W")
    assert float(given.energy_kwh) == pytest.approx(given.gpu_hours * 0.5)


@pytest.mark.parametrize(
    ("name", "tokens", "printed"),
    [
        ("llama-3.1-8b", 15e12, 7.2e23),
        ("qwen2.5-7b", 18e12, 8.2e23),
        ("qwen2.5-14b", 18e12, 16.0e23),
        ("gemma-2-9b", 8e12, 4.4e23),
        ("olmo-2-7b", 4.05e12, 1.8e23),
        ("olmo-2-13b", 5.6e12, 4.6e23),
    ],
)
def test_olmo_2_s_table_of_training_flops(name, tokens, printed):
    """arXiv 2501.00656 (OLMo 2), table of base models, "train FLOPs": 6 N D with both embeddings in N."""
    found = run(name, tokens=int(tokens), global_batch=4096 * 1024)
    assert float(found.rule_flops) == pytest.approx(printed, abs=0.05e23)


def test_olmoe_by_its_own_figures():
    """arXiv 2409.02060: 1.3B active of 6.9B parameters on 5,133B tokens: 6 x 1.3B x 5.133T = 4.0e22.

    The active parameters are 1.28B, so the rule says 3.95e22: 1.3B is that, rounded up. The useful count is 2% more:
    the causal pairs of 4,096 tokens, less the input embedding's look-up.
    """
    found = run("olmoe-1b-7b", "256xh100", 5_133_000_000_000, global_batch=4 * 2**20)
    assert round(float(found.active_parameters) / 1e9, 1) == 1.3
    assert round(found.total_parameters / 1e9, 1) == 6.9
    assert float(f"{float(found.rule_flops):.2e}") == 3.95e22
    assert float(found.flops / found.rule_flops) == pytest.approx(1.024, abs=0.001)
    assert round(float(found.tokens_per_parameter)) == 742  # 5,133B over 6.92B


def test_chinchilla_s_own_run_is_at_twenty():
    """arXiv 2203.15556: 70B parameters, 1.4T tokens. The rule asks as much of a model as large."""
    found = run("llama-65b", tokens=1_400_000_000_000, sequence=2048, global_batch=2048 * 2048)
    assert float(found.tokens_per_active) == pytest.approx(1.4e12 / 65_285_660_672)
    assert found.chinchilla_tokens == 20 * 65_285_660_672


# ------------------------------------------------------------------------------------------------------ predictions


def test_the_items_of_a_step_add_up(llama_405b):
    found = llama_405b.prediction
    parts = {item.id: item.seconds for item in found.items}
    assert found.seconds == pytest.approx(sum(parts.values()) - parts["data"])
    step_tokens = llama_405b.batch_tokens
    assert llama_405b.seconds == pytest.approx(found.seconds * llama_405b.tokens / step_tokens)
    # The bubble: (p - 1) / m of all work of the passes.
    work = sum(seconds for name, seconds in parts.items() if name not in {"bubble", "data", "optimizer"})
    assert parts["bubble"] == pytest.approx(15 / 32 * work)


def test_a_single_device_sends_nothing():
    found = run("llama-3.2-1b", "h100", mfu="predict").prediction
    assert {item.id for item in found.items} == {"ideal", "matmul", "recompute", "elementwise", "optimizer"}
    assert found.mfu == found.mfu_low == found.mfu_high
    # Nothing is faster than the fastest matmul that was measured: 794.5 of 989 TFLOP/s.
    assert found.mfu < 794.5 / 989


def test_full_recomputation_costs_a_forward_pass():
    plain, full = (run("llama-3.2-1b", "h100", mfu="predict", recompute=how) for how in ("none", "full"))
    seconds = {
        how: next(item.seconds for item in found.prediction.items if item.id == "recompute")
        for how, found in (("none", plain), ("full", full))
    }
    step = next(item.seconds for item in full.prediction.items if item.id == "ideal") * 989 / 794.5
    head = 3 * 2 * 128_256 * 2048 * 4096 / float(full.sequence_flops)
    assert seconds["full"] - seconds["none"] == pytest.approx(step / 3 * (1 - head), rel=1e-9)
    assert full.flops == plain.flops  # MFU counts nothing twice


def test_uneven_experts_cost_time_and_memory():
    even, uneven = (
        run("mixtral-8x7b", "8xh100", plan={"expert": 8}, mfu="predict", imbalance=value)
        for value in (1, "1.5")
    )
    assert uneven.mfu < even.mfu
    assert uneven.memory.fullest.activation_bytes > even.memory.fullest.activation_bytes


def test_a_share_of_the_bf16_peak_above_all_of_it_says_what_it_is_of_fp8_s():
    # MFU is of the bf16 peak for FP8 runs too, as DeepSeek-V3's authors print theirs: matmuls in FP8 can exceed it
    found = run("qwen2-72b", "64xh100", plan={"pipeline": 2}, precision="fp8-deepseek", mfu="predict")
    assert found.mfu > 1
    share = (
        found.mfu * accelerator("h100").peak("bf16").per_second / accelerator("h100").peak("fp8").per_second
    )
    assert share < 0.71  # the fastest FP8 matmul measured
    assert f"of the bf16 peak, {share:.0%} of the fp8 one" in found.mfu_words
    assert "peak" not in run("qwen2-72b", "64xh100", plan={"pipeline": 2}, mfu="predict").mfu_words


def test_gradients_shared_out_under_a_pipeline_are_warned_of():
    plan = {"pipeline": 2, "zero": 2}
    assert any("DeepSpeed refuses" in w for w in run("llama-3.1-8b", "8xh100", plan=plan).warnings)
    assert not any("DeepSpeed" in w for w in run("llama-3.1-8b", "8xh100", plan={"zero": 3}).warnings)


def test_a_device_nobody_measured():
    with pytest.raises(UndeterminedError, match="measured bf16 matmul is known for `rtx-4090`"):
        run("llama-3.2-1b", "8xrtx-4090", mfu="predict")
    assert run("llama-3.2-1b", "8xrtx-4090", mfu="predict", matmul_efficiency="0.8").mfu < 0.8


def test_the_same_chip_multiplies_as_fast():
    one, other = (run("llama-3.2-1b", gpu, mfu="predict") for gpu in ("h800", "h100"))
    assert one.mfu == other.mfu  # alone, without links, they differ in nothing
    assert "as measured on h100-sxm, which has the same chip" in one.mfu_words
    assert "same chip" not in other.mfu_words
    assert "no link of h800-sxm is known here" in run("llama-3.2-1b", "8xh800", mfu="predict").mfu_words
    peaks = [accelerator(name).peak("bf16").per_second for name in ("h800", "h100")]
    assert peaks[0] == peaks[1]


def test_a_faster_network_is_never_slower():
    slow, fast = (
        run("llama-3.1-8b", "64xh100", plan={"pipeline": 2}, mfu="predict", network=speed).mfu
        for speed in ("10GB/s", "100GB/s")
    )
    assert slow < fast


# -------------------------------------------------------------------------------------------------------- adapters


def test_adapters_take_two_thirds_of_the_matmuls():
    whole = run("llama-7b", tokens=10**9)
    adapters = run("llama-7b", tokens=10**9, lora="r=16,target=all")
    tokens = 4096
    matrices = 2 * tokens * (32 * (4 * 4096 * 4096 + 3 * 4096 * 11_008) + 32_000 * 4096)
    added = 3 * 2 * tokens * 39_976_960
    assert adapters.sequence_flops == whole.sequence_flops - matrices + added


def test_adapters_stand_beside_the_layers_matrices_alone():
    # DeepSeek-V4 mixes four residual streams, once more behind the last layer: no linear layer, and no adapter
    found = run("deepseek-v4-flash", "64xh200", lora="r=8,target=all")
    assert found.memory.trainable > 0
    assert not any(
        trains(weight, found.memory.saving.lora)
        for weight in load("deepseek-v4-flash").ledger.weights
        if weight.role.group in {"residual", "router", "norm"}
    )


def test_qlora_stores_its_weights_as_the_recipe_does():
    model = load("llama-7b")
    found = run(model, "h100", tokens=10**8, lora="r=16,target=all", quant="nf4")
    adapters = 2 * 39_976_960
    assert found.memory.fullest.states.weights == model.weight_bytes(quant="nf4") + adapters


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"tokens": 0}, "`--tokens` is 0"),
        ({"sequence": 0}, "`--sequence` is 0"),
        ({"micro_batch": 0}, "`--micro-batch` is 0"),
        ({"optimizer": "adam"}, "unknown optimizer `adam`"),
        ({"precision": "fp4"}, "unknown precision `fp4`"),
        ({"recompute": "sometimes"}, "unknown recomputation `sometimes`"),
        ({"mfu": "0"}, "`--mfu` is 0"),
        ({"mfu": "1.2"}, "`--mfu` is 1.2"),
        ({"mfu": "fast"}, "`--mfu fast` is not an amount"),
        ({"imbalance": "0.5"}, "`--imbalance` is 0.5"),
        ({"imbalance": "1.5"}, "more than all tokens on one of `--ep 1` ranks"),
        ({"tokens": 10**40}, "`--tokens` is 10,000"),
        ({"pue": "0.9"}, "`--pue` is 0.9"),
        ({"network": "50GB/s"}, "`--network` belongs to a prediction"),
        ({"quant": "nf4"}, "quantized weights cannot be trained"),
        ({"lora": "r=0"}, "the rank is 0"),
        ({"lora": "rank:16"}, "is neither `r=` nor `target=`"),
        ({"lora": "r=4,target=mlp"}, "unknown target `mlp`"),
        ({"global_batch": 5000}, "no multiple of `--sequence 4096`"),
        ({"global_batch": 12 * 4096}, "12 sequences is no multiple of 8 data ranks"),
        ({"plan": {"context": 8}, "sequence": 4100}, "does not divide the 4,100 tokens"),
        ({"plan": {"tensor": 8}, "sequence": 4100}, "`--tp 8` does not divide the 4,100 tokens"),
        ({"plan": {"pipeline": 8}, "name": "hrm-text-1b"}, "runs its layers several times over"),
    ],
)
def test_input_that_cannot_be(chosen, message):
    values = {"name": "llama-3.1-8b", **chosen}
    with pytest.raises(InputError, match=message) as caught:
        run(**values)
    assert caught.value.hint


def test_every_rank_has_as_many_experts():
    # Megatron-LM: the experts are a multiple of `--expert-model-parallel-size`
    with pytest.raises(InputError, match="`--ep 3` does not divide the 8 experts") as caught:
        run("mixtral-8x7b", "6xh100", plan={"expert": 3})
    assert "1, 2, 4, 8" in caught.value.hint


def test_devices_must_be_equal_and_all_used():
    with pytest.raises(InputError, match="mixes devices"):
        train("llama-3.1-8b", fleet_of("h100 + a100"), training_plan(2), tokens=10**9)
    with pytest.raises(InputError, match="the plan makes 4 devices"):
        train("llama-3.1-8b", fleet_of("8xh100"), training_plan(4), tokens=10**9)


def test_what_nobody_knows_is_said():
    with pytest.raises(UndeterminedError, match="no known architecture"):
        run("gpt-4")
    found = run("llama-3.1-8b", "8xb300")
    assert found.memory.fullest.total > 0
    unpriced = run("llama-3.1-8b", "8xa100-pcie-80gb", mfu="0.3")
    assert unpriced.usd is None
    assert "no price is known" in unpriced.price_words


def test_every_line_has_an_id_of_its_own(deepseek_v3, llama_405b):
    for found in (deepseek_v3, llama_405b):
        report = training_report(found)
        ids = [line.id for line in report.models[0].lines]
        assert len(ids) == len(set(ids))
        assert {"train.flops", "train.gpu_hours", "train.days", "train.usd", "train.energy_kwh"} <= set(ids)
        assert all(name.startswith("train.") for name in ids)
        total = report.models[0]["train.memory.total"].value
        parts = (
            "weights", "gradients", "master", "optimizer", "activations", "gathered",
        )  # fmt: skip
        beside = max(report.models[0][f"train.memory.{name}"].value for name in ("logits", "working"))
        assert total == beside + sum(report.models[0][f"train.memory.{name}"].value for name in parts)
        json.dumps(report.to_dict())


# ----------------------------------------------------------------------------------------- what is not quite as asked


def warnings_of(**chosen):
    return " | ".join(run("llama-3.1-8b", **chosen).warnings)


def test_megatron_s_best_mixtral_is_below_the_predicted_range():
    """468 TFLOP/s for Mixtral 8x7B in bf16 (Megatron-LM, megatron/core/transformer/moe/README.md, MCore v0.9).

    On 64 H100s with PP 4, EP 8 and 8 pieces a stage, as its table of advised sizes has it. That is 47% of the peak.
    Nothing of the sort may be within the range that is printed, so the words beside it say how far off it was.
    """
    plan = {"pipeline": 4, "virtual": 8, "expert": 8}
    found = run("mixtral-8x7b", "64xh100", plan=plan, global_batch=256 * 4096, mfu="predict")
    assert found.prediction.mfu_low > 468 / 989
    assert HELD_AGAINST in " ".join(remarks(found))


def test_a_device_without_bf16_is_counted_in_fp16_and_says_so():
    # Volta and Turing have no bf16: NVIDIA's tables give tensor-core peaks in fp16 alone
    assert accelerator("v100").peak("bf16") is None
    found = run("llama-3.1-8b", "8xv100", mfu="0.3")
    assert found.peak == accelerator("v100").peak("fp16").per_second
    assert found.mfu_words == "as given, of the dense fp16 peak"
    said = " ".join(cell for row in summary_rows(found) for cell in row)
    assert "dense fp16 each" in said
    assert "bf16" not in said
    assert any("no dense bf16 peak of `v100-sxm-16gb` is published" in w for w in found.warnings)
    predicted = run("llama-3.1-8b", "8xv100", mfu="predict", matmul_efficiency="0.8")
    assert predicted.prediction.items[0].label == "useful FLOPs at the dense fp16 peak"
    assert "the fp16 one stands for it" in predicted.mfu_words
    assert not warnings_of(gpu="8xh100")


def test_fp8_on_a_device_without_an_fp8_peak_is_warned_of():
    assert "no dense fp8 peak of `a100-sxm-80gb` is published" in warnings_of(gpu="8xa100", precision="fp8")
    assert not warnings_of(gpu="8xh100", precision="fp8")
    assert not warnings_of(gpu="8xa100")


def test_fewer_tokens_than_a_step_are_warned_of():
    assert "1,000 tokens are less than one step of 4,194,304" in warnings_of(tokens=1000)
    assert not warnings_of(tokens=4_194_304)


def test_learned_positions_end():
    # GPT-2's table has 1,024 rows (config.json, n_positions)
    assert any("learned, for 1,024 tokens" in w for w in run("gpt2").warnings)
    assert not run("gpt2", sequence=1024).warnings
    assert any("learned, for 1,024 tokens" in w for w in scaling(["gpt2"], compute=10**20).warnings)


@pytest.mark.parametrize(
    ("lora", "message"),
    [
        ("r=16,target=all,target=attention", "`target=` stands twice"),
        ("r=8,rank=16", "`r=` stands twice"),
        ("r=99999", "the rank 99999 is more than 65,536"),
    ],
)
def test_adapters_are_said_once_and_fit(lora, message):
    with pytest.raises(InputError, match=message):
        run("llama-3.1-8b", lora=lora)
