"""Placement beside a host's RAM: every byte once, the flags as llama.cpp reads them, and runs that people published."""

from bisect import bisect_right
from fractions import Fraction

import pytest

from moecalc.api.fitting import fit
from moecalc.api.fleets import fleet_of
from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.api.precision import precision_for
from moecalc.calc import memory
from moecalc.calc.deploy.fitted import Fit
from moecalc.calc.deploy.ktransformers import method_of
from moecalc.calc.deploy.offload import Demand, Layers, Offload
from moecalc.ir.roles import Role

GIB = 2**30
DEMAND = Demand(kv_dtype="fp16", context=4096, sequences=2)


def model(name: str) -> Model:
    found = load(name)
    assert isinstance(found, Model)
    return found


def placed(name: str, quant: str, gib: tuple[float, ...], demand: Demand = DEMAND) -> Offload:
    found = model(name)
    layers = Layers(ledger=found.ledger, precision=precision_for(found, quant))
    offload = layers.place(demand, tuple(int(size * GIB) for size in gib))
    assert offload is not None
    return offload


CASES = [
    ("qwen3-30b-a3b", "q4_k_m", (12.0,)),
    ("qwen3-30b-a3b", "q4_k_m", (1.0,)),
    ("deepseek-v3", "q4_k_m", (23.5, 23.5)),
    ("llama-3.1-70b", "q4_k_m", (8.0, 12.0)),
    ("gpt-oss-120b", "released", (28.0, 28.0)),
    ("qwen3-next-80b-a3b", "q4_k_m", (10.0,)),
    ("jamba-1.5-mini", "q4_k_m", (24.0,)),
    ("gemma-2-9b", "q4_k_m", (3.0,)),
]


@pytest.mark.parametrize(("name", "quant", "gib"), CASES)
def test_gpus_and_ram_hold_every_byte_once(name: str, quant: str, gib: tuple[float, ...]) -> None:
    found = model(name)
    precision = precision_for(found, quant)
    offload = placed(name, quant, gib)
    whole = memory.weight_bytes(found.ledger, precision)
    # A tied head is stored once and held twice: look-ups read RAM, logits are computed on the GPU.
    tables = [w for w in found.ledger.weights if w.role is Role.EMBEDDING_TOKENS]
    heads = [w for w in found.ledger.weights if w.tied_to is not None and w.role is Role.HEAD]
    copy = precision.bytes_of(tables[0]) if heads else 0
    state = memory.state_bytes(found.ledger, DEMAND.context, DEMAND.kv_dtype, DEMAND.sequences)
    held = sum(gpu.bytes for gpu in offload.gpus) + offload.ram.bytes
    assert held == whole + copy + state
    assert all(gpu.bytes <= size * GIB for gpu, size in zip(offload.gpus, gib, strict=True))


@pytest.mark.parametrize(("name", "quant", "gib"), CASES)
def test_one_step_less_into_ram_does_not_fit(name: str, quant: str, gib: tuple[float, ...]) -> None:
    offload = placed(name, quant, gib)
    found = model(name)
    layers = Layers(ledger=found.ledger, precision=precision_for(found, quant)).layers(DEMAND)
    assert offload.expert_layers or offload.gpu_layers < offload.layers
    if len(gib) == 1:
        whole_layers = offload.gpu_layers == offload.layers
        back = layers[offload.expert_layers[-1] if whole_layers else offload.layers - offload.gpu_layers - 1]
        moved = back.experts if whole_layers else back.rest + back.state
        assert offload.gpus[0].bytes + moved > gib[0] * GIB


@pytest.mark.parametrize(("name", "quant", "gib"), [case for case in CASES if len(case[2]) > 1])
def test_tensor_split_deals_the_slots_as_llama_cpp_does(
    name: str, quant: str, gib: tuple[float, ...]
) -> None:
    """`get_layer_buft_list` of src/llama-model.cpp, ggml-org/llama.cpp: slots over their number, by upper bound."""
    offload = placed(name, quant, gib)
    shares = [int(part) for part in offload.flags[-1].split()[1].split(",")]
    gpu_slots = offload.layers + 1 if offload.flags[0] == "-ngl 99" else int(offload.flags[0].split()[1])
    splits = [Fraction(sum(shares[: i + 1]), sum(shares)) for i in range(len(shares))]
    first = max(offload.layers + 1 - gpu_slots, 0)
    devices = [
        bisect_right(splits, Fraction(slot - first, gpu_slots)) for slot in range(first, offload.layers + 1)
    ]
    assert [devices.count(gpu) for gpu in range(len(gib))] == [gpu.slots for gpu in offload.gpus]
    assert offload.gpus[devices[-1]].head


def test_partial_offload_counts_the_head_as_a_slot() -> None:
    offload = placed("llama-3.1-70b", "q4_k_m", (20.0,))
    assert offload.flags == (f"-ngl {offload.gpu_layers + 1}",)
    assert 0 < offload.gpu_layers < 80
    assert offload.gpus[0].head


def test_ngl_reaches_beyond_99_layers() -> None:
    assert placed("llama-3.1-405b", "q4_k_m", (400.0,)).flags == ("-ngl 999",)  # 126 layers


def test_the_pattern_names_the_layers_that_n_cpu_moe_moves() -> None:
    offload = placed("deepseek-v3", "q4_k_m", (48.0,))
    assert offload.flags[1] == f"--n-cpu-moe {offload.expert_layers[-1] + 1}"
    assert offload.expert_layers[0] == 3  # three dense layers come first (config.json, first_k_dense_replace)
    pattern = offload.override_tensor
    assert pattern is not None
    assert pattern.startswith('-ot "blk\\.(3|4|5|')
    assert pattern.endswith('ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"')


def test_too_little_ram_is_no_placement() -> None:
    found = model("qwen3-30b-a3b")
    layers = Layers(ledger=found.ledger, precision=precision_for(found, "q4_k_m"))
    needed = placed("qwen3-30b-a3b", "q4_k_m", (12.0,)).ram.bytes
    assert layers.place(DEMAND, (12 * GIB,), ram_bytes=int(needed)) is not None
    assert layers.place(DEMAND, (12 * GIB,), ram_bytes=int(needed) - 1) is None


LLMFIT = "AlexsJones/llmfit, RTX 2080 (8 GB), llama.cpp, Q4_K_M (gpt-oss MXFP4), context 4096, pull request "

RAN = [
    # Published runs: what people typed after trying. Ours must fit with at most as much in RAM.
    # model, device, quant, context, --n-cpu-moe, source
    ("gpt-oss-20b", "rtx-3070", "released", 131_072, 24, "ikawrakow/ik_llama.cpp issue 822: --n-cpu-moe 99"),
    ("gpt-oss-120b", "2xrtx-5090", "released", 131_072, 3, "ggml-org/llama.cpp pull request 15077, 2025-08-07"),
    ("gpt-oss-20b", "8GiB", "released", 4096, 12, LLMFIT + "775"),
    ("qwen3-30b-a3b", "8GiB", "q4_k_m", 4096, 36, LLMFIT + "755"),
    ("deepseek-v2-lite", "8GiB", "q4_k_m", 4096, 16, LLMFIT + "778"),
    ("qwen3.5-35b-a3b", "12GiB", "q4_k_m", 4096, 40, "dev.to, kenimo49, 2026: RTX 4070, --cpu-moe -c 4096"),
]  # fmt: skip


def answer(name: str, device: str, quant: str, context: int) -> Fit:
    sized = device.endswith("GiB")
    fleet = fleet_of(None if sized else device, device if sized else None, ram="128GiB")
    return fit(name, fleet, quant=quant, context=context)


@pytest.mark.parametrize(("name", "device", "quant", "context", "typed", "source"), RAN)
def test_published_expert_offload_fits(
    name: str, device: str, quant: str, context: int, typed: int, source: str
) -> None:
    found = answer(name, device, quant, context)
    assert found.holds, source
    assert not found.fits, "it would not have been offloaded"
    assert found.offload is not None
    assert found.offload.gpu_layers == found.offload.layers
    assert found.offload.n_cpu_moe <= typed, source


LAYERS = [
    ("gemma-3-12b", 44, "774"),
    ("qwen3-14b", 32, "774"),
    ("phi-4", 32, "774"),
    ("mistral-small-24b", 16, "775"),
    ("qwen2.5-14b", 42, "778"),
    ("gemma-2-9b", 36, "778"),
    # all layers, -ngl 99
    ("llama-3.1-8b", 33, "773"),
    ("qwen3-8b", 37, "773"),
    ("qwen2.5-7b", 29, "778"),
    ("mistral-7b-v0.3", 33, "778"),
]


@pytest.mark.parametrize(("name", "typed", "source"), LAYERS)
def test_published_layer_offload_fits(name: str, typed: int, source: str) -> None:
    found = answer(name, "8GiB", "q4_k_m", 4096)
    if found.offload is None:
        assert found.fits, LLMFIT + source
    else:
        assert found.offload.gpu_layers + 1 >= typed, LLMFIT + source


def test_what_needs_no_flag_on_the_published_card_gets_none() -> None:
    # smeltcore.com, 2026-06-27: Qwen3-30B-A3B Q4_K_M on an RTX 3090 Ti (24 GB), -ngl 99, 4K context
    assert answer("qwen3-30b-a3b", "rtx-3090", "q4_k_m", 4096).fits


@pytest.mark.parametrize(
    ("name", "quant", "method"),
    [
        ("deepseek-v3", "released", "FP8"),
        ("qwen3-235b-a22b", "bf16", "BF16"),
        ("kimi-k2", "int4-experts", "RAWINT4"),
        ("qwen3-30b-a3b", "q4_k_m", None),
        ("llama-3.1-8b", "bf16", None),
    ],
)
def test_ktransformers_reads_what_its_guide_lists(name: str, quant: str, method: str | None) -> None:
    # kvcache-ai/ktransformers@95009ea doc/en/kt-kernel/Native-Precision-Tutorial.md, `Supported Models`
    found = model(name)
    assert method_of(found.ledger, precision_for(found, quant)) == method


@pytest.mark.parametrize(
    ("gpus", "typed"),
    # The same guide for Kimi K2 Thinking on RTX 4090s of 48 GB, 65,536 tokens and chunks as long (one: 30,000).
    [(2, 8), (4, 30), (8, 80)],
)
def test_ktransformers_fits_what_its_guide_keeps_on_the_gpus(gpus: int, typed: int) -> None:
    fleet = fleet_of(f"{gpus}xunlisted", "48GiB", ram="1024GiB")
    found = fit("kimi-k2", fleet, quant="int4-experts", context=65_536)
    assert found.ktransformers is not None
    # Theirs leaves room for prompts in one chunk of 65,536, beside a layer's experts for prefill.
    assert typed <= found.ktransformers.gpu_experts < 384
