"""Budgets and rules of `serve` that no log states: what must hold between its figures."""

from decimal import Decimal
from fractions import Fraction

import pytest
from msgspec.structs import replace

from moecalc.api.fitting import fit
from moecalc.api.fleets import fleet_of
from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.api.offering import offers
from moecalc.api.serving import serve
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.serving.padding import padding_bytes
from moecalc.calc.serving.reservation import logical_bytes
from moecalc.calc.serving.serving import RankBudget, Scheduler, rank_budgets
from moecalc.calc.serving.serving_state import in_flight, reserved_state
from moecalc.ir.roles import Component
from moecalc.specs.engines import find_engine
from moecalc.specs.plan import Plan

GIB = 2**30
H100 = Fraction(Decimal("79.19")) * GIB
VLLM, LLAMA_CPP, GENERIC = (find_engine(name) for name in ("vllm", "llama.cpp", "generic"))


def model(name: str) -> Model:
    found = load(name)
    assert isinstance(found, Model)
    return found


def scheduler(**other: object) -> Scheduler:
    usual = Scheduler(context=32_768, sequences=256, batched_tokens=8192, utilization=Fraction(9, 10))
    return replace(usual, **other)


def budgets(name: str, plan: Plan, engine=VLLM, told=None) -> tuple[RankBudget, ...]:  # type: ignore[no-untyped-def]
    found = model(name)
    sharded = Sharded(ledger=found.ledger, plan=plan)
    return rank_budgets(sharded, found.precision, engine, told or scheduler(), (H100,))


def test_qwen3_235b_takes_59_gb_of_each_of_8_gpus() -> None:
    """The figure that people give for TP 8 in bf16, read as GB: in GiB it would be 7% more than the weights are."""
    (budget,) = budgets("qwen3-235b-a22b", Plan(tensor=8, vocabulary_multiple=64))
    assert f"{float(budget.weight_bytes) / 1e9:.0f}" == "59"


def test_the_parts_of_a_budget_make_up_what_is_granted() -> None:
    for engine in (VLLM, GENERIC):
        (budget,) = budgets("qwen3-30b-a3b", Plan(), engine)
        within = budget.overhead_bytes - (budget.context_bytes if engine is VLLM else 0)
        taken = budget.weight_bytes + budget.activation_bytes + within + budget.available_bytes
        assert taken == budget.granted_bytes == int(H100 * Fraction(9, 10))


def test_ranks_that_talk_take_more_than_one_alone() -> None:
    alone, talking = budgets("llama-3.1-8b", Plan()), budgets("llama-3.1-8b", Plan(tensor=2))
    assert alone[0].communication_bytes < talking[0].communication_bytes


def test_only_the_last_stage_has_logits() -> None:
    first, last = budgets("llama-3.1-70b", Plan(tensor=2, pipeline=2))
    assert first.activations.logits_bytes == 0 < last.activations.logits_bytes


def test_llama_cpp_keeps_look_up_tables_in_ram_and_a_tied_head_beside_them() -> None:
    untied, tied = model("llama-3.1-8b"), model("llama-3.2-1b")
    for found, on_gpu in ((untied, False), (tied, True)):
        sharded = Sharded(ledger=found.ledger, plan=Plan())
        (budget,) = rank_budgets(
            sharded, found.precision, LLAMA_CPP, scheduler(), (H100,), lookups_in_ram=True
        )
        table = 2 * next(
            w.shape[0].size * w.shape[1].size for w in found.ledger.weights if w.shape[0].size > 100_000
        )
        assert found.weight_bytes() - budget.weight_bytes == (0 if on_gpu else table)


def test_tokens_in_flight_are_those_of_two_steps() -> None:
    assert in_flight(VLLM, scheduler()) == 2 * 8192
    assert in_flight(GENERIC, scheduler()) == 8192


@pytest.mark.parametrize("engine", [VLLM, GENERIC], ids=lambda engine: engine.name)
@pytest.mark.parametrize("name", ["qwen3-30b-a3b", "gemma-3-27b", "deepseek-v2-lite"])
def test_limits_are_the_last_that_fit(engine, name: str) -> None:  # type: ignore[no-untyped-def]
    sharded = Sharded(ledger=model(name).ledger, plan=Plan())
    told = scheduler(sequences=1) if engine is GENERIC else scheduler()
    ranks = budgets(name, Plan(), engine, told)

    def at(context: int):  # type: ignore[no-untyped-def]
        return reserved_state(sharded, engine, replace(told, context=context), "bf16", ranks)

    usual = at(32_768)
    assert usual.fits
    assert usual.max_sequences == int(usual.concurrency)
    assert at(usual.max_context).fits
    assert not at(usual.max_context + 1).fits
    assert max(usual.rank_bytes) <= ranks[0].available_bytes
    assert usual.request_bytes >= logical_bytes(sharded.ledger, 32_768, "bf16")


def test_llama_cpp_allocates_for_every_sequence() -> None:
    sharded = Sharded(ledger=model("qwen3-30b-a3b").ledger, plan=Plan(), components=(Component.LANGUAGE,))
    told = scheduler(sequences=4, batched_tokens=512, utilization=Fraction(1))
    ranks = budgets("qwen3-30b-a3b", Plan(), LLAMA_CPP, told)
    four = reserved_state(sharded, LLAMA_CPP, told, "fp16", ranks)
    most = replace(told, sequences=four.max_sequences)
    assert four.rank_bytes[0] == 4 * four.request_bytes == 4 * 3 * GIB
    assert four.tokens == 4 * 32_768
    assert reserved_state(sharded, LLAMA_CPP, most, "fp16", ranks).fits
    beyond = reserved_state(sharded, LLAMA_CPP, replace(most, sequences=most.sequences + 1), "fp16", ranks)
    assert not beyond.fits
    assert beyond.max_sequences == four.max_sequences


def test_windows_that_keep_every_token_hold_fewer_requests() -> None:
    sharded = Sharded(ledger=model("gemma-3-27b").ledger, plan=Plan(tensor=2))
    ranks = budgets("gemma-3-27b", Plan(tensor=2))
    windows, full = (
        reserved_state(sharded, VLLM, scheduler(full_windows=told), "bf16", ranks) for told in (False, True)
    )
    assert full.concurrency < windows.concurrency
    assert full.request_bytes == 62 * 2 * 16 * 128 * 2 * 32_768


def test_speculation_counts_the_module_and_its_cache() -> None:
    found = model("deepseek-v3")
    plan = Plan(tensor=8, vocabulary_multiple=64)
    plain, predicted = (
        Sharded(ledger=found.ledger, plan=plan, components=components)
        for components in ((Component.LANGUAGE,), (Component.LANGUAGE, Component.MTP))
    )
    less, more = (
        rank_budgets(sharded, found.precision, VLLM, scheduler(), (2 * H100,))
        for sharded in (plain, predicted)
    )
    assert more[0].weight_bytes > less[0].weight_bytes
    states = [
        reserved_state(sharded, VLLM, scheduler(), "bf16", ranks)
        for sharded, ranks in ((plain, less), (predicted, more))
    ]
    assert states[1].request_rank_bytes * 61 == states[0].request_rank_bytes * 62


def test_kernels_pad_each_ranks_slice_of_mxfp4_experts() -> None:
    """Shapes that vLLM printed for gpt-oss-20b: w13 [32, 5888, 1536], w2 [32, 3072, 1472], their scales 96 and 92."""
    found = model("gpt-oss-20b")
    whole, stored = Sharded(ledger=found.ledger, plan=Plan()), 0
    for row in found.ledger.weights:
        if row.pool is not None and len(row.shape) == 3:
            stored += found.precision.bytes_of(row)
    printed = 24 * 32 * (5888 * 1536 + 3072 * 1472 + 5888 * 96 + 3072 * 92)
    assert padding_bytes(whole, 0, found.precision, VLLM) == printed - stored
    assert padding_bytes(whole, 0, found.precision, LLAMA_CPP) == 0
    assert padding_bytes(whole, 0, found.precision, GENERIC) == 0
    slices = Sharded(ledger=found.ledger, plan=Plan(tensor=8))  # 2,880 / 8 = 360 becomes 384
    assert padding_bytes(slices, 0, found.precision, VLLM) * 8 > padding_bytes(
        whole, 0, found.precision, VLLM
    )


@pytest.mark.parametrize(
    ("gpu", "hidden_size", "intermediate_size"),
    [
        ("rtx-pro-6000", 3072, 2944),  # Marlin: 256 and 128
        ("8xb200", 3072, 3072),  # FlashInfer's TRTLLM kernels: 256 and 256
        ("gb300", 3072, 3072),
        ("mi300x", 3072, 3072),  # ROCm: 256 and 256
        ("arc-pro-b60", 2944, 2944),  # XPU: 128 and 128
        ("b200+h100", 3072, 2944),  # where not all have another rule, Marlin's
    ],
)
def test_other_devices_run_kernels_with_other_tiles(
    gpu: str, hidden_size: int, intermediate_size: int
) -> None:
    """Sides of gpt-oss's experts, 2,880 by 2,880, as vLLM's code rounds them up before it allocates them."""
    found, fleet = model("gpt-oss-20b"), fleet_of(gpu, None)
    assert fleet is not None
    whole, stored = Sharded(ledger=found.ledger, plan=Plan()), 0
    for row in found.ledger.weights:
        if row.pool is not None and len(row.shape) == 3:
            stored += found.precision.bytes_of(row)
    blocks = 24 * 32 * 3 * hidden_size * intermediate_size // 32  # of 16 bytes and a scale
    assert padding_bytes(whole, 0, found.precision, VLLM.on(fleet.devices)) == blocks * 17 - stored


def test_fit_tries_each_device_by_its_own_tiles() -> None:
    found = offers("gpt-oss-120b", quant="released", engine="vllm", context=8192)
    ranks = {offer.device: offer for offer in found.offers if offer.count == 1}
    gap = ranks["b200"].rank.overhead_bytes - ranks["rtx-pro-6000"].rank.overhead_bytes
    assert gap == 36 * 128 * 3 * 3072 * (3072 - 2944) // 32 * 17
    assert not {offer.kind for offer in found.offers} & {"cpu"}
    assert not [
        offer for offer in found.offers if offer.device.startswith(("m1-", "m2-", "m3-", "m4-", "m5-"))
    ]


def test_experts_of_whole_tiles_and_of_other_formats_are_not_padded() -> None:
    for name in ("deepseek-v4-flash", "qwen3-30b-a3b"):
        found = model(name)
        assert padding_bytes(Sharded(ledger=found.ledger, plan=Plan()), 0, found.precision, VLLM) == 0


def test_one_h100_does_not_hold_gpt_oss_120b_at_vllms_defaults() -> None:
    """As people met it: vllm-project/vllm issues 23278, 27508 and 33155."""
    served = serve("gpt-oss-120b", fleet_of("h100", None))
    assert not served.state.fits
    assert 0 < served.state.max_context < 131_072
    fitted = fit("gpt-oss-120b", fleet_of("h100", None), engine="vllm", context=131_072)
    assert not fitted.fits
    padding = served.tightest.padding_bytes
    assert fitted.ranks[0].overhead_bytes == served.engine.overheads.inside_bytes(1) + padding
