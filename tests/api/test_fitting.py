"""`fit` as a library: both directions, what is answered for, and what goes into RAM."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import moecalc
from moecalc.api.fit_setting import TRIED, Asked
from moecalc.api.fitting import fit
from moecalc.api.fleets import fleet_of
from moecalc.api.offering import offers
from moecalc.api.precision import precision_for
from moecalc.calc.deploy.fit_lines import fit_report, offers_report
from moecalc.calc.deploy.fitted import Fit
from moecalc.calc.deploy.search import Search
from moecalc.calc.deploy.shards import Shards
from moecalc.errors import InputError, UndeterminedError
from moecalc.render.json import report_json
from moecalc.specs.fleet import Fleet
from moecalc.specs.hardware import accelerator, accelerators
from moecalc.specs.plan import Plan

SCHEMA = json.loads((Path(__file__).parents[2] / "moecalc/render/report.schema.json").read_text())


def fleet(gpu: str | None = None, vram: str | None = None, ram: str | None = None) -> Fleet:
    found = fleet_of(gpu, vram, ram=ram)
    assert found is not None
    return found


def lines(found: Fit) -> dict[str, Any]:
    return {line.id: line.value for line in fit_report(found).models[0].lines}


def test_every_line_that_is_promised() -> None:
    found = fit("qwen3-30b-a3b", fleet(vram="12GiB", ram="32GiB"), quant="q4_k_m", context=32_768)
    assert set(lines(found)) == {
        "memory.weights_bytes",
        "memory.state_bytes",
        "memory.activation_bytes",
        "memory.overhead_bytes",
        "memory.total_bytes",
        "memory.rank_max_bytes",
        "fit.fits",
        "fit.max_context",
        "fit.max_sequences",
        "fit.gpus",
        "offload.cpu_expert_layers",
    }


@pytest.mark.parametrize(
    ("gpu", "vram", "ram", "quant"),
    [
        ("8xh200", None, None, None),
        ("rtx-4090 + rtx-3090", None, "64GiB", "q4_k_m"),
        (None, "12GiB", "32GiB", "q4_k_m"),
        ("8xrtx-4090", None, "1024GiB", None),
        ("m3-ultra", None, None, "q4_k_m"),
    ],
)
def test_json_is_what_its_schema_says(
    gpu: str | None, vram: str | None, ram: str | None, quant: str | None
) -> None:
    found = fit("deepseek-v3", fleet(gpu, vram, ram), quant=quant)
    jsonschema.validate(json.loads(report_json(fit_report(found))), SCHEMA)


def test_json_without_devices_is_what_its_schema_says() -> None:
    found = offers("qwen3-30b-a3b")
    report = json.loads(report_json(offers_report(found)))
    jsonschema.validate(report, SCHEMA)
    assert {offer["quant"] for offer in report["offers"]} == set(TRIED)


def test_the_parts_of_all_ranks_add_up() -> None:
    found = lines(fit("deepseek-v3", fleet("8xh200"), context=32_768, sequences=16))
    parts = ("weights", "state", "activation", "overhead")
    assert sum(found[f"memory.{part}_bytes"] for part in parts) == found["memory.total_bytes"]
    assert found["memory.total_bytes"] == 8 * found["memory.rank_max_bytes"]


def test_the_parts_of_an_offload_add_up_and_stay_within_the_device() -> None:
    found = lines(fit("gpt-oss-20b", fleet("rtx-3070", ram="32GiB"), context=131_072))
    parts = ("weights", "state", "activation", "overhead")
    assert sum(found[f"memory.{part}_bytes"] for part in parts) == found["memory.total_bytes"]
    # All the model's bytes: its head is not tied, so nothing is held twice (12.82 GiB, openai/gpt-oss-20b).
    whole = moecalc.load("gpt-oss-20b").weight_bytes()
    assert found["memory.weights_bytes"] == whole
    assert found["memory.rank_max_bytes"] <= 8 * 10**9
    assert found["fit.fits"] is True


def test_longest_context_and_most_sequences_are_each_others_border() -> None:
    found = fit("llama-3.1-70b", fleet("4xh100"), context=8192, sequences=4)
    assert found.fits
    assert found.max_context is not None
    assert found.max_sequences is not None
    assert fit("llama-3.1-70b", fleet("4xh100"), context=found.max_context, sequences=4).fits
    assert not fit("llama-3.1-70b", fleet("4xh100"), context=found.max_context + 1, sequences=4).fits
    assert fit("llama-3.1-70b", fleet("4xh100"), context=8192, sequences=found.max_sequences).fits
    assert not fit("llama-3.1-70b", fleet("4xh100"), context=8192, sequences=found.max_sequences + 1).fits


def test_the_longest_context_beside_ram_is_exact_too() -> None:
    host = fleet(vram="12GiB", ram="32GiB")
    found = fit("qwen3-30b-a3b", host, quant="q4_k_m")
    assert not found.fits
    assert found.holds
    assert found.max_context is not None
    border = fit("qwen3-30b-a3b", host, quant="q4_k_m", context=found.max_context)
    assert border.offload is not None
    assert border.offload.gpu_layers == 48
    beyond = fit("qwen3-30b-a3b", host, quant="q4_k_m", context=found.max_context + 1)
    assert beyond.offload is not None
    assert beyond.offload.gpu_layers < 48


OUT_OF_MEMORY = [
    # reported out of memory; must not fit
    # name, device, how, source
    ("mixtral-8x7b", "a100-40gb", {"engine": "vllm"}, "vllm-project/vllm issue 2363: one GPU of 39.39 GiB"),
    (
        "mixtral-8x7b",
        "2xrtx-a6000",
        {"engine": "vllm", "context": 8000, "plan": Plan(tensor=2)},
        "the same issue, 2024-01-07: --tensor-parallel-size 2 --max-model-len 8000 on 2 x A6000, 96 GB",
    ),
    (
        "tinyllama-1.1b",
        "4GiB",
        {"quant": "fp32", "engine": "llama.cpp", "context": 512},
        "mozilla-ai/llamafile issue 372: F32 with -ngl 9999 -c 512 on a GTX 1050 Ti; 66.50 MiB fail behind 3,946 MiB",
    ),
]


@pytest.mark.parametrize(("name", "device", "how", "source"), OUT_OF_MEMORY)
def test_what_ran_out_of_memory_does_not_fit(
    name: str, device: str, how: dict[str, object], source: str
) -> None:
    host = fleet(vram=device) if device.endswith("GiB") else fleet(device)
    assert not fit(name, host, **how).fits, source  # type: ignore[arg-type]


def test_llama_cpp_leaves_the_token_embedding_in_ram() -> None:
    # mozilla-ai/llamafile issue 372: TinyLlama in F32, CUDA0 buffer 3,946.35 MiB, CPU buffer 250.00 MiB.
    found = fit("tinyllama-1.1b", fleet(vram="4GiB"), quant="fp32", engine="llama.cpp", context=512)
    assert round(found.ranks[0].weight_bytes / 2**20, 2) == 3946.35
    assert found.offload is not None
    assert found.offload.ram.rest >= 250 * 2**20


def test_of_several_quantizations_the_one_with_most_bits_that_fits_is_answered_for() -> None:
    found = fit("llama-3.1-70b", fleet("2xrtx-4090"), quant=["q8_0", "q4_k_m", "q2_k"])
    assert found.quant == "q4_k_m"
    assert [option.quant for option in found.options] == ["q8_0", "q4_k_m", "q2_k"]
    assert [option.fits for option in found.options] == [False, True, True]


def test_each_quantization_is_tried_as_if_it_were_asked_for() -> None:
    host = fleet("8xh200")
    rows = {option.quant: option for option in fit("qwen3-235b-a22b", host).options}
    for quant in ("q4_k_m", "fp8"):
        alone = fit("qwen3-235b-a22b", host, quant=quant)
        assert rows[quant].max_context == alone.max_context
        assert rows[quant].engine == alone.setting.engine.name


def test_a_recipe_that_llama_cpp_cannot_read_gets_none_of_its_flags() -> None:
    found = fit("deepseek-v3", fleet("2xrtx-4090", ram="1024GiB"))
    assert found.offload is None
    assert found.offload_instead is not None
    assert found.offload_instead[0] == "q4_k_m"


def test_too_little_ram_says_how_much_it_takes() -> None:
    found = fit("llama-3.1-70b", fleet("rtx-4090", ram="4GiB"), quant="q4_k_m")
    assert not found.holds
    assert found.unlimited is not None
    enough = fleet("rtx-4090", ram=f"{int(found.unlimited.ram.bytes)}B")
    assert fit("llama-3.1-70b", enough, quant="q4_k_m").holds


def test_unified_memory_is_no_ram_beside() -> None:
    found = fit("deepseek-v3", fleet("m2-ultra", ram="512GiB"), quant="q4_k_m")
    assert not found.holds
    assert found.offload is None


def test_a_cut_quantization_block_is_a_warning_that_names_what_divides() -> None:
    found = fit("qwen3-30b-a3b", fleet("8xh100"), quant="fp8-block128", plan=Plan(tensor=8))
    assert found.fits
    assert "96 wide" in found.warnings[-1]
    assert "`--tp` 1, 2 cut none, or `--ep`" in found.warnings[-1]
    by_itself = fit("qwen3-30b-a3b", fleet("8xh100"), quant="fp8-block128")
    assert by_itself.holding.plan == Plan(tensor=8, expert=8)
    assert not by_itself.warnings


def test_a_context_beyond_the_trained_length_is_a_warning() -> None:
    found = fit("llama-13b", fleet("h100"), context=4096)
    assert found.warnings == ("context 4,096 is beyond the trained length of 2,048",)
    assert found.beyond(4096)


def test_offers_hold_what_they_say() -> None:
    found = offers("qwen3-30b-a3b", quant="q4_k_m", context=32_768)
    assert {offer.kind for offer in found.offers} >= {"gpu", "unified"}
    for offer in found.offers:
        devices = fleet(f"{offer.count}x{offer.device}")
        answer = fit("qwen3-30b-a3b", devices, quant=["q4_k_m", "q2_k"], context=32_768)
        assert (answer.quant, answer.fits) == ("q4_k_m", True), offer.device
    fewest, machine = found.fewest("q4_k_m"), found.machine("q4_k_m")
    assert fewest is not None
    assert fewest.count == 1
    assert machine is not None
    assert machine.kind == "unified"
    assert offers_report(found).models[0]["fit.gpus"].value == 1


def test_offers_name_the_stages_that_their_pipelines_need() -> None:
    uneven = [offer for offer in offers("deepseek-v3", quant="q4_k_m").offers if "--stages" in offer.plan]
    assert uneven
    for offer in uneven:
        layers = tuple(map(int, offer.plan.partition("--stages ")[2].split(",")))
        assert sum(layers) == 61
        assert f"--pp {len(layers)}" in offer.plan
        devices = fleet(f"{offer.count}x{offer.device}")
        for stages, fits in (((), False), (layers, True)):
            plan = Plan(pipeline=len(layers), stages=stages)
            assert fit("deepseek-v3", devices, plan=plan, quant="q4_k_m").fits == fits


def test_offers_name_no_device_without_code_for_the_quantization() -> None:
    gguf = {offer.device for offer in offers("mixtral-8x7b", quant="q4_k_m").offers}
    assert not gguf & {"gaudi-2", "gaudi-3", "tpu-v6e", "trainium2"}
    assert {"v100-sxm-16gb", "m4-max"} <= gguf
    assert "gaudi-3" in {offer.device for offer in offers("mixtral-8x7b", quant="fp8").offers}
    for quant in ("fp8", "fp8-block128", "awq"):
        devices = {offer.device for offer in offers("mixtral-8x7b", quant=quant).offers}
        assert not devices & {"v100-sxm-16gb", "v100-sxm-32gb"}, quant
        assert "h100-sxm" in devices


def test_offers_say_what_is_left_out_and_on_how_many_devices() -> None:
    found = offers("mixtral-8x7b", quant=["fp8", "bf16"])
    # vLLM: fp8 needs compute capability 7.5, a T4's; gfx90a has none (vllm-project/vllm#29901, #44369)
    fp8 = {offer.device for offer in found.of("fp8")}
    bf16 = {offer.device for offer in found.of("bf16")}
    refused = {"v100-sxm-32gb", "p40", "mi210", "mi250", "mi250x", "m2-ultra", "tpu-v5e"}
    assert not fp8 & refused
    assert refused <= bf16
    assert {"t4", "mi300x", "tpu-v6e"} <= fp8
    without = sum("fp8" in device.refuses for device in accelerators())
    (warning,) = found.warnings
    assert warning.startswith(
        f"left out where a source says that no engine runs it: fp8 on {without} devices (`ref"
    )
    assert offers("mixtral-8x7b", quant="bf16").warnings == ()


def test_offers_step_as_each_device_makes_the_engine_step() -> None:
    # vLLM's default chunk is 8,192 tokens on an H100, 2,048 on what has less than 70 GiB.
    found = offers("gemma-3-27b", quant="bf16", context=131_072, engine="vllm", sequences=1)
    for name in ("h100-sxm", "rtx-pro-6000"):
        offer = next(offer for offer in found.offers if offer.device == name)
        setting = Asked(
            "gemma-3-27b", context=131_072, sequences=1, kv_dtype=None, utilization=None, engine="vllm"
        ).setting("bf16", (accelerator(name),))
        assert setting.case.prefill_chunk == 8192
        alone = Search(
            Shards(moecalc.load("gemma-3-27b").ledger, vocabulary_multiple=64),
            precision_for(moecalc.load("gemma-3-27b"), "bf16"),
            setting.overhead,
            setting.case,
        ).fewest(10**15, [offer.count])
        assert alone is not None
        assert offer.rank.total_bytes == alone.rank.total_bytes


def test_prices_come_first_the_cheapest_first() -> None:
    found = offers("mixtral-8x22b", quant="bf16").offers
    prices = [offer.usd_per_hour for offer in found]
    known = [price for price in prices if price is not None]
    assert prices == known + [None] * (len(prices) - len(known))
    assert known == sorted(known)


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"plan": Plan(tensor=4)}, "makes 4 devices, and `--gpu` names 8", "`--tp 4 --pp 2` or `--tp 4 --dp 2`"),
        ({"plan": Plan(tensor=8), "quant": "q4_k_m"}, "deals whole layers", "`--pp 8`, or leave the plan out"),
        ({"quant": "q4_k_m", "kv_dtype": "fp8"}, "llama.cpp has no cache in `fp8`", "q8_0"),
        ({"quant": "nonsense"}, "unknown quantization `nonsense`", "moecalc formats"),
        ({"sequences": 0}, "`sequences` is 0", "from 1"),
        ({"context": -5}, "`context` is -5", "from 1"),
        ({"gpu_memory_utilization": 1.5}, "`gpu_memory_utilization` is 1.5", "at most 1"),
        ({"engine": "vlm"}, "no figures for engine `vlm`", "did you mean `vllm`?"),
    ],
)  # fmt: skip
def test_bad_input_says_what_would_do(options: dict[str, object], message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        fit("deepseek-v3", fleet("8xh200"), **options)  # type: ignore[arg-type]
    assert caught.value.hint is not None
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["gpt-4", "70B-A12B"])
def test_a_model_without_shapes_cannot_be_held_against_devices(name: str) -> None:
    with pytest.raises(UndeterminedError, match="no known architecture"):
        fit(name, fleet("h100"))
