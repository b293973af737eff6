"""What llama-quantize makes of a model: its own snapshots of types, counts from its logs, sizes of published files."""

import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from moecalc.api.gguf_dialect import dialect_of
from moecalc.api.loading import load
from moecalc.calc import memory, parameters
from moecalc.calc.gguf_mixture import Dialect, gguf_precision, gguf_tensors
from moecalc.errors import InputError
from moecalc.ir.roles import Component
from moecalc.specs.formats import find_format
from moecalc.specs.gguf_mixtures import MIXTURES, find_mixture
from moecalc.specs.gguf_types import BY_NAME, TYPES

SNAPSHOTS = Path(__file__).parent / "gguf_snapshots"

MODELS = {
    "deepseek-v3.1": "deepseek-v3",
    "gemma-3-4b-it": "gemma-3-4b",
    "glm-4.6v": "glm-4.5-air",  # the same language model
    "gpt-oss-120b": "gpt-oss-120b",
    "meta-llama-3.1-70b-instruct": "llama-3.1-70b",
    "nemotron-nano-3-30b-a3b": "nemotron-3-nano-30b-a3b",
    "qwen3-14b": "qwen3-14b",
    "qwen3-coder-next": "qwen3-next-80b-a3b",  # the same shapes
    "qwen3.5-27b": "qwen3.5-27b",
    "qwen3.5-397b-a17b": "qwen3.5-397b-a17b",
}
"""llama.cpp's snapshot of a model -> the catalogue's name of it."""


def layers_of(text):
    """`0-3,6` -> 0, 1, 2, 3, 6."""
    for span in text.split(","):
        first, _, last = span.partition("-")
        yield from range(int(first), int(last or first) + 1)


def snapshot(name):
    """Mixture -> (default type, {stored name: type})."""
    sections = {}
    for line in (SNAPSHOTS / f"{name}.txt").read_text().splitlines():
        if line.startswith("["):
            mixture, default = re.fullmatch(r"\[(\w+)\] (\w+)", line).groups()
            default, types = sections[mixture] = default.upper(), {}
        elif not line.startswith("#"):
            tensor, type_, *layers = line.split()
            for layer in layers_of(layers[0]) if layers else [None]:
                stored = f"{tensor}.weight" if layer is None else f"blk.{layer}.{tensor}.weight"
                types[stored] = type_.upper()
    return sections


def one_projection(types):
    """Qwen3.5 stores as ssm_alpha and ssm_beta what Qwen3-Next stores as ssm_ba; one row of the ledger either way."""
    return {re.sub("ssm_(alpha|beta)", "ssm_ba", name): type_ for name, type_ in types.items()}


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_gets_the_type_that_llama_cpp_gives_it(name):
    model = load(MODELS[name])
    # GLM-4.6V's config declares no prediction module
    dialect = msgspec.structs.replace(dialect_of(model.name, None), prediction=False)
    sections = snapshot(name)
    assert len(sections) == 22
    for mixture, (default, expected) in sections.items():
        # The snapshots are made without an importance matrix, also of mixtures that need one.
        chosen = gguf_tensors(model.ledger, mixture, dialect, imatrix=False)
        found = {stored: type_ for stored, type_ in chosen.items() if type_ != default}
        assert found == one_projection(expected), mixture


def test_snapshots_name_every_quantized_tensor_of_a_mixture_of_experts():
    _, others = snapshot("deepseek-v3.1")["MXFP4_MOE"]
    ours = gguf_tensors(load("deepseek-v3").ledger, "MXFP4_MOE")
    assert {name for name, type_ in ours.items() if type_ == "Q8_0"} == set(others)
    stacked = {re.sub(r"\d+", "N", name) for name in set(ours) - set(others)}
    assert stacked == {
        f"blk.N.{name}.weight"
        for name in ("attn_k_b", "attn_v_b", "ffn_gate_exps", "ffn_up_exps", "ffn_down_exps")
    }


COUNTS = [
    ("qwen3-235b-a22b", "Q4_K_M", {"Q4_K": 567, "Q6_K": 93}, "issues/530, Qwen3-235B-A22B-128K-Q4_K_M"),
    ("qwen3-30b-a3b", "Q5_K_M", {"Q5_K": 289, "Q6_K": 49}, "issues/380, Qwen3-30B-A3B-Q5_K_M"),
    ("qwen3-30b-a3b", "Q4_K_M", {"Q4_K": 289, "Q6_K": 49}, "issues/514, Qwen3-30B-A3B-Q4_K_M"),
    ("qwen3-32b", "Q4_0-imatrix", {"Q4_0": 441, "Q4_1": 8, "Q6_K": 1}, "issues/539, Qwen3-32B-Q4_0"),
    ("gemma-3-27b", "Q4_0-imatrix", {"Q4_0": 427, "Q4_1": 7, "Q6_K": 1}, "issues/539, gemma-3-27b-it-Q4_0"),
    ("gemma-3-27b", "Q4_K_M", {"Q4_K": 374, "Q6_K": 61}, "discussions/334, google_gemma-3-27b-it-qat-Q4_K_M"),
    ("gemma-3-27b", "IQ4_XS-imatrix", {"IQ4_XS": 434, "Q6_K": 1}, "issues/539, gemma-3-27b-it-IQ4_XS"),
    ("gpt-oss-20b", "MXFP4_MOE", {"MXFP4": 72, "Q8_0": 98}, "not there: its loader's log of 2025-12"),
    ("llama-2-13b", "Q8_0", {"Q8_0": 282}, "pull_requests/328, llama-2-13b-chat.Q8_0"),
    ("llama-3.1-8b", "Q4_0", {"Q4_0": 225, "Q6_K": 1}, "discussions/562, a Llama 3.1 8B"),
    (
        "deepseek-v2-lite",
        "Q4_K_M",
        {"Q4_K": 229, "Q5_0": 14, "Q6_K": 13, "Q8_0": 13},
        "issues/230, DeepSeek-Coder-V2-Lite-Instruct-Q4_K_M",
    ),
]
"""Tensors of each type that llama.cpp's loader counted: ikawrakow/ik_llama.cpp@8337e4cd3861, github-data/."""


@pytest.mark.parametrize(("name", "mixture", "expected", "source"), COUNTS, ids=lambda v: str(v)[:24])
def test_counts_of_types_equal_those_of_the_loaders_logs(name, mixture, expected, source):
    model = load(name)
    dialect = msgspec.structs.replace(dialect_of(name, None), joined_kv_b=True, before_2026_03=True)
    assert Counter(gguf_tensors(model.ledger, mixture, dialect).values()) == expected


GPT4ALL = "nomic-ai/gpt4all@cd70db29edaf gpt4all-chat/metadata/models3.json"
LM_STUDIO = "lmstudio-ai/model-catalog@78bd56022951 catalog.json"
IK = "ikawrakow/ik_llama.cpp@8337e4cd3861 github-data/"
GIB = 2**30

FILES = [  # model, mixture, published bytes, places of the published figure (0: exact), source
    ("llama-3-8b", "Q4_0", 4_661_724_384, 0, GPT4ALL),
    ("llama-3-8b", "Q4_K_M", 4_920_733_888, 0, LM_STUDIO),
    ("llama-3.2-3b", "Q4_0-imatrix", 1_921_909_280, 0, GPT4ALL),
    ("llama-2-13b", "Q4_0", 7_365_834_624, 0, GPT4ALL + " (wizardlm-13b-v1.2)"),
    ("llama-2-13b", "Q4_K_S", 7_414_338_464, 0, LM_STUDIO + " (wizardcoder-python-13b)"),
    ("llama-2-13b", "Q6_K", 10_679_148_768, 0, LM_STUDIO + " (wizardcoder-python-13b)"),
    ("llama-2-70b", "IQ4_XS-imatrix", 34.30 * GIB, 0.005 * GIB, IK + "pull_requests/178"),
    ("mistral-7b", "Q4_0", 4_108_916_384, 0, GPT4ALL),
    ("mistral-7b", "Q4_K_S", 4_140_373_664, 0, LM_STUDIO),
    ("mistral-7b", "Q6_K", 5_942_064_832, 0, LM_STUDIO + " (zephyr-7b-beta)"),
    ("mistral-7b", "IQ4_XS", 3_944_399_776, 0, LM_STUDIO + " (Starling-LM-7B-beta)"),
    ("qwen2.5-7b", "Q4_0", 4_431_390_720, 0, GPT4ALL),
    ("qwen2.5-32b", "Q4_K_M", 18.50 * GIB, 0.005 * GIB, IK + "issues/255"),
    ("qwen2.5-32b", "Q5_K_M", 21.66 * GIB, 0.005 * GIB, IK + "issues/255"),
    ("qwen3-32b", "Q4_0-imatrix", 17.413 * GIB, 0.0005 * GIB, IK + "issues/539"),
    ("gemma-2b", "Q8_0", 2_669_351_840, 0, LM_STUDIO),
    ("gemma-2-9b", "Q4_K_M", 5_761_057_728, 0, LM_STUDIO),
    ("gemma-3-27b", "Q4_0-imatrix", 14.539 * GIB, 0.0005 * GIB, IK + "issues/539"),
    ("gemma-3-27b", "IQ4_XS-imatrix", 13.747 * GIB, 0.0005 * GIB, IK + "issues/539"),
    ("gemma-3-27b", "Q4_K_M", 15.404 * GIB, 0.0005 * GIB, IK + "discussions/334"),
    ("phi-3-mini", "Q4_0", 2_176_181_568, 0, GPT4ALL),
    ("phi-2", "Q4_K_S", 1_615_568_736, 0, LM_STUDIO),
    ("phi-2", "Q6_K", 2_285_059_936, 0, LM_STUDIO),
    ("qwen3-30b-a3b", "Q4_K_M", 17.28 * GIB, 0.005 * GIB, IK + "issues/514"),
    ("qwen3-30b-a3b", "Q5_K_M", 20.228 * GIB, 0.0005 * GIB, IK + "issues/380"),
    ("qwen3-235b-a22b", "Q4_K_M", 132.386 * GIB, 0.0005 * GIB, IK + "issues/389"),
    ("qwen3-235b-a22b", "Q6_K", 179.75 * GIB, 0.005 * GIB, IK + "discussions/357"),
    ("qwen3-235b-a22b", "Q8_0", 232.769 * GIB, 0.0005 * GIB, IK + "issues/629"),
    ("deepseek-v3", "Q4_K_M", 376.650 * GIB, 0.0005 * GIB, IK + "issues/389"),
    ("deepseek-v3", "Q8_0", 664.295 * GIB, 0.0005 * GIB, IK + "discussions/258"),
    ("deepseek-v3", "Q3_K_M", 298 * GIB, 0.5 * GIB, "unsloth/DeepSeek-V3-GGUF, model card; its GB are GiB"),
    ("deepseek-v3", "Q5_K_M", 443 * GIB, 0.5 * GIB, "unsloth/DeepSeek-V3-GGUF, model card; its GB are GiB"),
    ("deepseek-v3", "Q6_K", 513 * GIB, 0.5 * GIB, "unsloth/DeepSeek-V3-GGUF, model card; its GB are GiB"),
    ("deepseek-v2-lite", "Q4_K_M", 9.649 * GIB, 0.0005 * GIB, IK + "issues/230 (DeepSeek-Coder-V2-Lite)"),
    ("gpt-oss-20b", "MXFP4_MOE", 11.27 * GIB, 0.005 * GIB, "a log of llama-cli of 2025-12-01"),
    ("kimi-k2", "Q8_0", 1016.623 * GIB, 0.0005 * GIB, IK + "pull_requests/616; k_b and v_b beside kv_b"),
]


@pytest.mark.parametrize(("name", "mixture", "published", "slack", "source"), FILES)
def test_sizes_of_published_files_within_half_a_percent(name, mixture, published, slack, source):
    model = load(name)
    dialect = msgspec.structs.replace(dialect_of(name, None), joined_kv_b=True, before_2026_03=True)
    precision = gguf_precision(model.ledger, mixture, dialect)
    size = memory.weight_bytes(model.ledger, precision)
    low, high = memory.gguf_header_bytes(model.ledger)
    error = (size - published) / published
    assert abs(error) < 0.005 + slack / published
    assert abs(size + (low + high) / 2 - published) < 0.005 * published + slack


ELSEWHERE = [
    (
        "falcon-7b",
        "Q4_0",
        4_210_994_112,
        65_024 * 4_544 // 32 * 18,
        "an old conversion stored the tied head apart, so that the embedding took Q4_0 beside it",
    ),
    (
        "mpt-7b",
        "Q4_0",
        3_912_373_472,
        50_432 * 4_096 // 32 * 18,
        "the same",
    ),
    (
        "qwen3-30b-a3b",
        "Q4_K_M",
        16.49 * GIB,
        -844_700_000,
        "a mixture of its publisher's own (UD-Q4_K_XL) under this file type",
    ),
]
"""Published files outside 0.5%: the difference and its cause. Sources: gpt4all twice, ik_llama.cpp discussions/201."""


@pytest.mark.parametrize(("name", "mixture", "published", "difference", "cause"), ELSEWHERE)
def test_files_that_differ_and_why(name, mixture, published, difference, cause):
    model = load(name)
    size = memory.weight_bytes(model.ledger, gguf_precision(model.ledger, mixture, dialect_of(name, None)))
    assert abs(size / published - 1) > 0.005
    assert abs(size + difference - published) < 0.002 * published


def test_a_mixture_covers_the_ledger_to_the_byte():
    for name in ("deepseek-v3", "llama-3-8b", "qwen3-next-80b-a3b", "gpt-oss-20b"):
        ledger = load(name).ledger
        in_f32 = memory.weight_bytes(ledger, gguf_precision(ledger, "F32"))
        elements = parameters.total(ledger) + parameters.buffers(ledger)
        assert in_f32 == 4 * elements, name


@pytest.mark.parametrize("type_", TYPES, ids=lambda t: t.name)
def test_formats_take_the_blocks_of_their_type(type_):
    if type_.block == 1:
        return
    weight = next(w for w in load("llama-3-8b").ledger.weights if w.role.value == "ffn.up")
    size = find_format(f"ggml-{type_.name.lower()}").bytes_of(weight)
    assert size == 32 * 14_336 * type_.row_bytes(4096)


def test_rows_that_are_no_whole_blocks_fall_back():
    found = gguf_tensors(load("gpt-oss-20b").ledger, "Q4_K_M")  # rows of 2,880
    assert found["token_embd.weight"] == "Q5_0"
    assert found["output.weight"] == "Q8_0"
    assert BY_NAME["Q4_K"].block == 256


def test_llama_2_70b_spends_more_on_values():
    found = gguf_tensors(load("llama-2-70b").ledger, "Q4_K_S", Dialect(has_seventy=True))
    assert {type_ for name, type_ in found.items() if "attn_v" in name} == {"Q5_K"}


def test_names_of_mixtures():
    assert find_mixture("q4_k")[0].name == "Q4_K_M"
    assert find_mixture("iq2_xs") == (MIXTURES["IQ2_XS"], True)
    assert find_mixture("Q4_0-imatrix") == (MIXTURES["Q4_0"], True)
    assert find_mixture("bf17") is None
    with pytest.raises(InputError, match="llama-quantize makes no `q4_k_x`"):
        gguf_precision(load("llama-3-8b").ledger, "q4_k_x")


def test_a_mixture_is_a_quantization():
    model = load("llama-3-8b")
    assert model.weight_bytes(quant="q4_k_m") == 4_912_898_048
    weights = next(line for line in model.lines(quant="q4_k_m") if line["id"] == "weights.bytes")
    assert weights["label"] == "weights, Q4_K_M"
    assert weights["note"].startswith("4.89 bits per weight")
    assert model.demand(quant="q8_0").weight_bytes < model.demand("bf16").weight_bytes


def test_two_numbers_have_no_mixture():
    with pytest.raises(InputError, match="needs the shapes of matrices"):
        load("70B-A12B").lines(quant="q4_k_m")


def test_kimi_delta_attention_is_stored_as_attention():
    """llama.cpp's conversion keeps its queries, keys and values apart (gguf-py, `MODEL_ARCH.KIMI_LINEAR`)."""
    model = load("kimi-linear-48b-a3b")
    types = gguf_tensors(model.ledger, "Q4_K_M")
    names = {re.sub(r"blk\.\d+\.", "", name) for name in types}
    assert names >= {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight"}
    assert not names & {"ssm_in.weight", "ssm_out.weight", "attn_qkv.weight"}
    assert {types[f"blk.0.{name}.weight"] for name in ("attn_q", "attn_k")} == {"Q4_K"}
    assert types["blk.0.attn_v.weight"] == "Q6_K"  # the first eighth of the layers gets more bits
    fused = next(w for w in model.ledger.weights if w.role.value == "recurrent.in")
    row = gguf_precision(model.ledger, "Q4_K_M")
    one = msgspec.structs.replace(fused, layers=1, indices=(0,))
    columns, third = 2304, 4096
    assert row.bytes_of(one) == third * (columns // 256) * (2 * 144 + 210)


def test_glm_45_keeps_its_prediction_module_and_deepseek_v3_does_not():
    """What llama.cpp says it leaves unused of layer 46 of a GLM-4.5-Air GGUF (ik_llama.cpp, logs of its issues).

    The module's own copies of embedding and head are in the file too, and in no row.
    """
    model = load("glm-4.5-air")
    types = gguf_tensors(model.ledger, "Q4_K_M", dialect_of(model.name, None))
    listed = {f"ffn_{part}_{who}" for part in ("gate", "up", "down") for who in ("exps", "shexp")}
    listed |= {"nextn.eh_proj"}
    behind = {name.removeprefix("blk.46.").removesuffix(".weight") for name in types if "blk.46." in name}
    assert {name for name in behind if not name.startswith("attn")} == listed
    stored = gguf_precision(model.ledger, "Q4_K_M", dialect_of(model.name, None))
    module = {
        w.role.value: stored.format_of(w).name for w in model.ledger.weights if w.component is Component.MTP
    }
    assert (module["mtp.projection"], module["mtp.norm"]) == ("ggml-q4_k", "fp32")
    # 128 experts of 1,408 x 4,096: no whole blocks of 256 in a row of the down-projection
    assert module["routed.down"] == "ggml-q8_0"
    dropped = load("deepseek-v3")
    assert not any(
        "blk.61." in name for name in gguf_tensors(dropped.ledger, "Q4_K_M", dialect_of(dropped.name, None))
    )
