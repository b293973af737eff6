"""Memory of training: published bytes per parameter, exact sums, schedules, sharding, adapters."""

import math
from fractions import Fraction

import pytest

from moecalc.api import load
from moecalc.calc.training.training_activations import Saving
from moecalc.calc.training.training_memory import TrainingMemory
from moecalc.errors import InputError
from moecalc.specs.training import find_optimizer, find_training_precision
from moecalc.specs.training_choices import parse_lora, parse_recompute
from moecalc.specs.training_plan import training_plan


def memory(
    name,
    devices=1,
    *,
    precision="bf16",
    optimizer="adamw",
    sequence=4096,
    micro_batch=1,
    microbatches=1,
    gradient_bytes=4,
    recompute="none",
    lora=None,
    **plan,
):
    laid = training_plan(devices, **plan)
    return TrainingMemory(
        ledger=load(name).ledger,
        plan=laid,
        saving=Saving(
            plan=laid,
            precision=find_training_precision(precision),
            sequence=sequence,
            recompute=parse_recompute(recompute),
            lora=None if lora is None else parse_lora(lora),
        ),
        optimizer=find_optimizer(optimizer),
        micro_batch=micro_batch,
        microbatches=microbatches,
        gradient_bytes=gradient_bytes,
    )


def per_parameter(found):
    stage = found.stages[0]
    return Fraction(stage.states.total, stage.parameters)


# ------------------------------------------------------------------------------------------------- published figures


@pytest.mark.parametrize(("zero", "published"), [(0, lambda _: 18), (1, lambda d: 6 + 12 / d)])
@pytest.mark.parametrize("devices", [1, 8, 64])
def test_megatron_s_bytes_per_parameter(zero, published, devices):
    """Megatron-LM docs, dist_optimizer: bf16 parameters and fp32 gradients take 18, or 6 + 12/d, bytes."""
    found = memory("llama-3.1-8b", devices, zero=zero)
    # A share is rounded up to a whole byte.
    assert float(per_parameter(found)) == pytest.approx(published(devices), rel=1e-9)


@pytest.mark.parametrize(("tensor", "pipeline", "data"), [(1, 1, 8), (4, 1, 2), (2, 4, 4), (8, 8, 16)])
def test_megatron_s_report_of_weights_and_optimizer(tensor, pipeline, data):
    """Megatron-LM, megatron/training/theoretical_memory_usage.py: the fullest shard of parameters x (6 + 12/d).

    The shard is 1/pp of the layers and of the final norm, and one embedding, over tp; without a pipeline the head too.
    A norm is not split by tensor parallelism, and the final norm stands on the last stage alone: the difference.
    """
    found = memory(
        "llama-7b", tensor * pipeline * data, tensor=tensor, pipeline=pipeline, microbatches=pipeline
    )
    h, f, layers, vocabulary = 4096, 11_008, 32, 32_000
    norms = 2 * layers * h + h
    matrices = layers * (4 * h * h + 3 * h * f)
    heads = 2 if pipeline == 1 else 1
    theirs = ((matrices + norms) / pipeline + heads * vocabulary * h) / tensor * (6 + 12 / data)
    first = found.stages[0]
    ours = 2 * layers // pipeline * h + (h if pipeline == 1 else 0)
    unsplit = (ours - norms / pipeline / tensor) * (6 + 12 / data)
    assert first.states.total == pytest.approx(theirs + unsplit, rel=1e-9)


@pytest.mark.parametrize(("zero", "gigabytes"), [(0, 120), (1, 31.4), (2, 16.6), (3, 1.9)])
def test_zero_s_figure_1(zero, gigabytes):
    """arXiv 1910.02054, figure 1: 7.5B parameters, 64 data ranks, 16-bit gradients and K = 12: 120, 31.4, 16.6, 1.9 GB.

    Of a model of another size, so the bytes of a parameter are what is held: each printed figure over 7.5.
    """
    found = memory("llama-7b", 64, zero=zero, gradient_bytes=2)
    assert round(float(per_parameter(found)) * 7.5, 1) == pytest.approx(gigabytes, abs=0.051)


@pytest.mark.parametrize(
    ("name", "billions", "gigabytes"), [("llama-7b", 7, 140), ("llama-3.1-70b", 70, 1400)]
)
def test_the_ultra_scale_playbook_s_table(name, billions, gigabytes):
    """The Ultra-Scale Playbook (Hugging Face, 2025), memory by parameters: 20 bytes with float32 gradients.

    It counts the 16-bit gradients of the pass beside the float32 ones they are summed into; Megatron-LM, and the
    figure here, sums in place: 2 bytes per parameter less.
    """
    found = memory(name, zero=0)
    assert (float(per_parameter(found)) + 2) * billions == pytest.approx(gigabytes, rel=1e-9)


@pytest.mark.parametrize(("rank", "target", "parameters"), [(8, "all", 19_988_480), (16, "all", 39_976_960)])
def test_adapters_of_llama_7b(rank, target, parameters):
    """PEFT's print_trainable_parameters, r=16 on q, k, v, o, gate, up, down of Llama 7B: 39,976,960; half with r=8."""
    assert memory("llama-7b", lora=f"r={rank},target={target}").trainable == parameters


def test_adapters_of_attention_alone():
    """PEFT's r=16 on q, k, v, o of Llama 7B: 16,777,216."""
    assert memory("llama-7b", lora="r=16,target=attention").trainable == 16_777_216


# ------------------------------------------------------------------------------------------------------- exactness


@pytest.mark.parametrize(
    ("name", "plan"),
    [
        ("llama-3.1-8b", {"pipeline": 4}),
        ("mixtral-8x7b", {"pipeline": 8, "virtual": 2}),
        ("deepseek-v3", {"pipeline": 16}),
    ],
)
def test_the_stages_hold_every_parameter_once(name, plan):
    model = load(name)
    microbatches = plan["pipeline"]
    found = memory(name, plan["pipeline"], microbatches=microbatches, **plan)
    assert sum(stage.parameters for stage in found.stages) == model.params.total


def test_expert_parallel_ranks_hold_the_model_once():
    model = load("mixtral-8x7b")
    found = memory("mixtral-8x7b", 8, expert=8)
    [stage] = found.stages
    always = model.params.total - model.params.routed
    assert stage.parameters == always + model.params.routed // 8
    # Experts are on one rank each, so nobody shares their states; the rest is shared by all eight.
    assert stage.states.master == math.ceil(4 * always / 8) + 4 * model.params.routed // 8


def test_folded_expert_tensor_ranks():
    wide = memory("mixtral-8x7b", 16, tensor=4, expert=4)
    narrow = memory("mixtral-8x7b", 16, tensor=4, expert=4, expert_tensor=1)
    routed = load("mixtral-8x7b").params.routed
    assert wide.plan.expert_data == 1
    assert narrow.plan.expert_data == 4
    assert narrow.stages[0].parameters - wide.stages[0].parameters == routed // 4 - routed // 16


@pytest.mark.parametrize(
    ("optimizer", "bytes_"),
    [("adamw", 8), ("adamw-bf16", 4), ("8bit", 2 * (1 + 4 / 256))],
)
def test_moments_of_a_dense_model(optimizer, bytes_):
    states = memory("llama-3.1-8b", optimizer=optimizer, zero=0).stages[0]
    # The norms' vectors of 4,096 are not below bitsandbytes' least size, so all is in blocks.
    assert states.states.moments == pytest.approx(bytes_ * states.parameters, rel=1e-12)


def test_muon_keeps_one_moment_of_the_layers_matrices():
    model = load("llama-3.1-8b")
    states = memory("llama-3.1-8b", optimizer="muon", zero=0).stages[0].states
    outside = 2 * 128_256 * 4096 + (2 * 32 + 1) * 4096  # embedding, head, norms
    assert states.moments == 4 * (model.params.total - outside) + 8 * outside


def test_adafactor_keeps_rows_and_columns():
    states = memory("llama-7b", optimizer="adafactor", zero=0).stages[0].states
    layer = 4 * (4096 + 4096) + 3 * (4096 + 11_008) + 2 * 4096
    assert states.moments == 4 * (32 * layer + 2 * (32_000 + 4096) + 4096)


def test_fp8_keeps_copies_of_the_layers_matrices():
    model = load("llama-7b")
    matrices = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11_008)
    rest = 2 * (model.params.total - matrices)
    weights = {
        name: memory("llama-7b", precision=name).stages[0].states.weights
        for name in ("bf16", "fp8", "fp8-params", "fp8-deepseek")
    }
    assert weights["bf16"] == 2 * model.params.total
    assert weights["fp8"] == rest + 4 * matrices
    assert weights["fp8-params"] == rest + 2 * matrices
    assert weights["fp8-deepseek"] == rest + matrices + 4 * matrices // 128**2


def test_a_checkpoint_holds_fourteen_bytes_per_parameter():
    model = load("llama-3.1-8b")
    assert memory("llama-3.1-8b").checkpoint_bytes == (2 + 4 + 8) * model.params.total
    # It is the run's, whatever the ranks.
    assert memory("llama-3.1-8b", 64, tensor=8, zero=3).checkpoint_bytes == 14 * model.params.total


def test_a_checkpoint_of_adapters_holds_them_alone():
    found = memory("llama-7b", lora="r=16,target=all")
    assert found.checkpoint_bytes == 14 * found.trainable


# ------------------------------------------------------------------------------------------------------- schedules


def test_microbatches_under_way_in_1f1b():
    found = memory("llama-3.1-8b", 4, pipeline=4, microbatches=16)
    assert [stage.in_flight for stage in found.stages] == [4, 3, 2, 1]
    few = memory("llama-3.1-8b", 4, pipeline=4, microbatches=2)
    assert [stage.in_flight for stage in few.stages] == [2, 2, 2, 1]


@pytest.mark.parametrize(("pipeline", "virtual"), [(4, 2), (8, 4), (2, 8)])
def test_the_interleaved_schedule_s_first_stage(pipeline, virtual):
    """arXiv 2205.05198, section 4.2.3: the first stage holds L (1 + (p - 1) / (p v)) layers' activations."""
    found = memory("llama-3.1-8b", pipeline, pipeline=pipeline, virtual=virtual, microbatches=64)
    stage = found.stages[0]
    layer = found.layer_activations[0].kept_bytes * found.tokens
    layers = 32 * (1 + Fraction(pipeline - 1, pipeline * virtual))
    assert stage.activation_bytes == layers * layer


def test_interleaved_pieces_are_dealt_out_in_turn():
    found = memory("llama-3.1-8b", 4, pipeline=4, virtual=2, microbatches=4)
    assert found.stages[1].layers == (4, 5, 6, 7, 20, 21, 22, 23)


def test_the_head_s_peak_stands_on_the_last_stage():
    found = memory("llama-3.1-8b", 8, pipeline=4, tensor=2, microbatches=4)
    assert [stage.logits_bytes for stage in found.stages[:3]] == [0, 0, 0]
    assert found.stages[3].logits_bytes == 4096 * (2 * 2 * 4096 // 2 + (2 + 4) * 128_256 // 2)


def test_context_ranks_share_activations_and_states():
    one, four = memory("llama-3.1-8b", 4), memory("llama-3.1-8b", 4, context=4)
    assert four.stages[0].activation_bytes * 4 == one.stages[0].activation_bytes
    assert four.stages[0].states == one.stages[0].states  # all four are data ranks to the optimizer


def test_full_recomputation_keeps_a_layer_at_work():
    found = memory("llama-3.1-8b", recompute="full")
    stage = found.stages[0]
    assert stage.activation_bytes == 32 * 4096 * 4096 * 2
    whole = memory("llama-3.1-8b").stages[0].layer_bytes // 32
    assert stage.working_bytes == whole - 4096 * 4096 * 2


def test_zero_3_gathers_a_layer():
    found = memory("llama-7b", 8, zero=3)
    layer = 4 * 4096 * 4096 + 3 * 4096 * 11_008 + 2 * 4096
    assert found.stages[0].gathered_bytes == 2 * layer


# ------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("devices", "plan", "microbatches", "message"),
    [
        (12, {"tensor": 8}, 1, "= 8 does not divide 12 devices"),
        (64, {"pipeline": 64}, 64, "`--pp 64` is more stages than 32 layers"),
        (3, {"tensor": 3}, 1, "cannot be dealt to 3 ranks"),
        (8, {"pipeline": 8, "virtual": 3}, 8, "cannot be dealt to them evenly"),
        (4, {"pipeline": 4, "virtual": 2}, 6, "are no multiple of `--pp 4`"),
        (8, {"expert": 8}, 1, "has no routed experts"),
        (8, {"virtual": 2}, 1, "interleaves pipeline stages"),
        (8, {"zero": 4}, 1, "`--zero` is 4"),
        (0, {"tensor": 0}, 1, "`--tp` is 0"),
        (8, {"context": -1}, 1, "`--cp` is -1"),
    ],
)
def test_plans_that_cannot_be(devices, plan, microbatches, message):
    with pytest.raises(InputError, match=message) as caught:
        memory("llama-3.1-8b", devices, microbatches=microbatches, **plan).stages  # noqa: B018 - lays it out
    assert caught.value.hint


def test_experts_and_their_tensor_ranks_must_divide():
    with pytest.raises(InputError, match="`--ep 4` x `--etp 4` does not divide the 8 ranks"):
        memory("mixtral-8x7b", 8, tensor=4, expert=4, expert_tensor=4)
    with pytest.raises(InputError, match="more ranks than 8 experts"):
        memory("mixtral-8x7b", 16, expert=16).stages  # noqa: B018 - lays it out
