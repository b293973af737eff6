"""GGUF metadata -> Architecture, held against llama.cpp's logs: its own parameter counts, a listing of every tensor."""

import json
from math import prod

import pytest

from moecalc.api.gguf import held_against, model_from_gguf
from moecalc.api.gguf_dialect import dialect_of
from moecalc.api.loading import load
from moecalc.calc import memory
from moecalc.calc.gguf_mixture import Dialect, gguf_tensors
from moecalc.errors import InputError
from moecalc.sources.gguf_architecture import KINDS, config_from_gguf
from moecalc.sources.headers.tensors import Header, StoredTensor
from moecalc.sources.hf_config import find_family, read_config
from moecalc.specs.gguf_types import BY_NAME
from tests.console import run
from tests.sources.headers import listed
from tests.sources.headers.gguf_read import read_listing
from tests.sources.headers.gguf_written import laid_out, write

R1 = {
    "general.architecture": "deepseek2",
    "general.name": "DeepSeek R1 BF16",
    "general.file_type": 15,
    "deepseek2.block_count": 61,
    "deepseek2.context_length": 163840,
    "deepseek2.embedding_length": 7168,
    "deepseek2.feed_forward_length": 18432,
    "deepseek2.attention.head_count": 128,
    "deepseek2.attention.head_count_kv": 128,
    "deepseek2.expert_used_count": 8,
    "deepseek2.leading_dense_block_count": 3,
    "deepseek2.vocab_size": 129280,
    "deepseek2.attention.q_lora_rank": 1536,
    "deepseek2.attention.kv_lora_rank": 512,
    "deepseek2.attention.key_length": 192,
    "deepseek2.attention.value_length": 128,
    "deepseek2.expert_feed_forward_length": 2048,
    "deepseek2.expert_count": 256,
    "deepseek2.expert_shared_count": 1,
    "deepseek2.expert_gating_func": 2,
    "deepseek2.rope.dimension_count": 64,
}
"""Metadata of DeepSeek-R1-Q4_K_M: ikawrakow/ik_llama.cpp@8337e4cd3861, github-data/pull_requests/272."""

ABSORBED = {
    **R1,
    "deepseek2.attention.head_count_kv": 1,
    "deepseek2.attention.key_length": 576,
    "deepseek2.attention.value_length": 512,
    "deepseek2.attention.key_length_mla": 192,
    "deepseek2.attention.value_length_mla": 128,
}
"""Of DeepSeek-V3-0324-UD-Q4_K_XL, converted since 2025-04: there, issues/455."""


def llama_like(name, **values):
    return {"general.architecture": name} | {
        f"{name}.{key.replace('__', '.')}": v for key, v in values.items()
    }


LOGS = [  # metadata, vocabulary, names of stored tensors that matter, llama.cpp's "model params" in billions, its log
    (R1, 129280, ["output.weight", "blk.3.exp_probs_b.bias"], 671.026, "issues/389"),
    (ABSORBED, 129280, ["output.weight", "blk.3.exp_probs_b.bias"], 671.026, "issues/455"),
    (
        {
            "general.architecture": "deepseek2",
            "deepseek2.block_count": 27,
            "deepseek2.embedding_length": 2048,
            "deepseek2.feed_forward_length": 10944,
            "deepseek2.attention.head_count": 16,
            "deepseek2.attention.head_count_kv": 16,
            "deepseek2.expert_used_count": 6,
            "deepseek2.leading_dense_block_count": 1,
            "deepseek2.attention.kv_lora_rank": 512,
            "deepseek2.attention.key_length": 192,
            "deepseek2.attention.value_length": 128,
            "deepseek2.expert_feed_forward_length": 1408,
            "deepseek2.expert_count": 64,
            "deepseek2.expert_shared_count": 2,
            "deepseek2.rope.dimension_count": 64,
        },
        102400,
        ["output.weight"],
        15.706,
        "issues/230",
    ),
    (
        llama_like(
            "qwen3moe",
            block_count=94,
            context_length=131072,
            embedding_length=4096,
            feed_forward_length=12288,
            attention__head_count=64,
            attention__head_count_kv=4,
            expert_used_count=8,
            attention__key_length=128,
            attention__value_length=128,
            expert_count=128,
            expert_feed_forward_length=1536,
        ),
        151936,
        ["output.weight"],
        235.094,
        "issues/530",
    ),
    (
        llama_like(
            "qwen3",
            block_count=64,
            embedding_length=5120,
            feed_forward_length=25600,
            attention__head_count=64,
            attention__head_count_kv=8,
            attention__key_length=128,
            attention__value_length=128,
        ),
        151936,
        ["output.weight"],
        32.762,
        "issues/539",
    ),
    (
        llama_like(
            "gemma3",
            block_count=62,
            context_length=131072,
            embedding_length=5376,
            feed_forward_length=21504,
            attention__head_count=32,
            attention__head_count_kv=16,
            attention__key_length=128,
            attention__value_length=128,
            attention__sliding_window=1024,
        ),
        262208,
        [],
        27.009,
        "discussions/334",
    ),
    (
        llama_like(
            "llama",
            block_count=40,
            embedding_length=5120,
            feed_forward_length=13824,
            attention__head_count=40,
            attention__head_count_kv=40,
        ),
        32000,
        ["output.weight"],
        13.016,
        "pull_requests/328",
    ),
    (
        llama_like(
            "llama",
            block_count=32,
            embedding_length=4096,
            feed_forward_length=14336,
            attention__head_count=32,
            attention__head_count_kv=8,
        ),
        128256,
        ["output.weight"],
        8.030,
        "issues/103",
    ),
    (
        llama_like(
            "gpt-oss",
            block_count=24,
            embedding_length=2880,
            feed_forward_length=2880,
            attention__head_count=64,
            attention__head_count_kv=8,
            expert_count=32,
            expert_used_count=4,
            attention__key_length=64,
            attention__value_length=64,
            attention__sliding_window=128,
            expert_feed_forward_length=2880,
        ),
        201088,
        ["output.weight", "blk.0.attn_q.bias"],
        20.91,
        "a log of llama-cli of 2025-12-01",
    ),
]
"""Where no other place is named: ikawrakow/ik_llama.cpp@8337e4cd3861, github-data/."""


def header(metadata, shapes):
    tensors = [StoredTensor(name, "F32", shape, 4 * prod(shape), "m.gguf") for name, shape in shapes.items()]
    return Header("m.gguf", "gguf", tuple(tensors), metadata, ("m.gguf",))


@pytest.mark.parametrize(
    ("metadata", "vocabulary", "stored", "billions", "source"), LOGS, ids=lambda v: str(v)[-24:]
)
def test_parameters_are_those_that_llama_cpp_counts(metadata, vocabulary, stored, billions, source):
    hidden = metadata[f"{metadata['general.architecture']}.embedding_length"]
    shapes = {"token_embd.weight": (vocabulary, hidden), **dict.fromkeys(stored, (1,))}
    ledger = read_config(config_from_gguf(header(metadata, shapes))).architecture.lower_to_ledger()
    counted = sum(w.elements for w in ledger.weights if w.component.value == "language")
    digits = len(str(billions).partition(".")[2])
    assert round(counted / 1e9, digits) == billions


def test_every_kind_has_a_family():
    assert all(find_family(kind.model_type) is not None for kind in KINDS.values())


@pytest.fixture(scope="module")
def r1_header():
    return Header("r1.gguf", "gguf", read_listing("deepseek-r1-q4_k_m"), R1, ("r1.gguf",))


def test_a_listing_of_every_tensor_is_explained(r1_header):
    assert len(r1_header.tensors) == 1025
    assert r1_header.elements == 671_026_419_200
    model = model_from_gguf(r1_header, "r1")
    assert model.reconciliation.agrees
    assert model.reconciliation.findings == ()
    assert model.params.total + model.params.buffers == r1_header.elements
    assert model.weight_bytes() == r1_header.total_bytes
    assert memory.weight_bytes(model.ledger, model.precision) == r1_header.total_bytes
    assert r1_header.total_bytes / 2**30 == pytest.approx(376.650, abs=0.0005)  # the log's "model size"
    assert model.params.active() == load("deepseek-r1").params.active()


def test_the_release_s_config_agrees_with_a_gguf_made_of_it(r1_header):
    """DeepSeek-R1's own config.json against a GGUF that somebody else made: no prediction module there."""
    config = listed.config("deepseek-r1")
    found = held_against(r1_header, config)
    assert found.agrees
    assert found.findings == ()
    wrong = held_against(r1_header, {**config, "moe_intermediate_size": 1024})
    assert {finding.kind for finding in wrong.disagreements} == {"other shape"}


def test_llama_quantize_gives_each_listed_tensor_that_type(r1_header):
    ours = gguf_tensors(load("deepseek-r1").ledger, "Q4_K_M", Dialect(joined_kv_b=True, before_2026_03=True))
    stored = {t.name: t.dtype for t in r1_header.tensors if t.dtype != "F32"}
    assert ours == stored


def test_a_file_is_a_model(tmp_path, r1_header):
    listing = [(t.name, t.shape, BY_NAME[t.dtype]) for t in r1_header.tensors]
    tensors, size = laid_out(listing, lambda shape, type_: prod(shape) // type_.block * type_.bytes)
    path = write(tmp_path / "DeepSeek-R1-Q4_K_M.gguf", R1, tensors, size)
    model = load(path)
    assert model.name == "DeepSeek-R1-Q4_K_M"
    weights = next(line for line in model.lines() if line["id"] == "weights.bytes")
    assert (weights["label"], weights["value"]) == ("weights as stored", r1_header.total_bytes)
    assert weights["note"].startswith("4.82 bits per weight")
    assert model.context_length == 163840
    assert model.warnings == ()


def dense(**more):
    shapes = {
        "token_embd.weight": (100, 64),
        "output_norm.weight": (64,),
        "blk.0.attn_norm.weight": (64,),
        "blk.0.ffn_norm.weight": (64,),
        "blk.0.attn_q.weight": (64, 64),
        "blk.0.attn_k.weight": (32, 64),
        "blk.0.attn_v.weight": (32, 64),
        "blk.0.attn_output.weight": (64, 64),
        "blk.0.ffn_gate.weight": (128, 64),
        "blk.0.ffn_up.weight": (128, 64),
        "blk.0.ffn_down.weight": (64, 128),
    }
    metadata = llama_like(
        "llama",
        block_count=1,
        embedding_length=64,
        feed_forward_length=128,
        attention__head_count=4,
        attention__head_count_kv=2,
    )
    return header({**metadata, **more}, shapes)


def test_a_head_that_is_not_stored_is_tied():
    model = model_from_gguf(dense(), "m")
    assert model.reconciliation.agrees
    assert model.architecture.head.tied


def test_values_by_layer():
    uniform = dense(**{"llama.attention.head_count_kv": [2]})
    assert config_from_gguf(uniform)["num_key_value_heads"] == 2
    with pytest.raises(InputError, match=r"head_count_kv` has 3 values for 1 layers: \[2, 2, 2\]"):
        config_from_gguf(dense(**{"llama.attention.head_count_kv": [2, 2, 2]}))
    differing = dense(**{"llama.attention.head_count_kv": [2, 4], "llama.block_count": 2})
    with pytest.raises(InputError, match=r"head_count_kv` differs from layer to layer"):
        config_from_gguf(differing)
    hybrid = llama_like(
        "lfm2", block_count=3, embedding_length=64, feed_forward_length=128, attention__head_count=4
    )
    hybrid |= {"lfm2.attention.head_count_kv": [0, 2, 0], "lfm2.shortconv.l_cache": 3}
    config = config_from_gguf(header(hybrid, {"token_embd.weight": (100, 64)}))
    assert config["layer_types"] == ["conv", "full_attention", "conv"]
    assert config["num_key_value_heads"] == 2


def test_tensors_that_the_metadata_contradict_are_said():
    model = model_from_gguf(dense(**{"llama.feed_forward_length": 256}), "m")
    assert not model.reconciliation.agrees
    assert any("disagree" in warning for warning in model.warnings)


def test_an_unknown_architecture_leaves_the_tensors_to_answer():
    shapes = {
        "token_embd.weight": (100, 64),
        "blk.0.ffn_gate_exps.weight": (8, 128, 64),
        "blk.0.ffn_up_exps.weight": (8, 128, 64),
        "blk.0.ffn_down_exps.weight": (8, 64, 128),
    }
    made = header({"general.architecture": "newmoe", "newmoe.expert_used_count": 2}, shapes)
    model = model_from_gguf(made, "m")
    lines = {line["id"]: line["value"] for line in model.lines()}
    assert lines["params.total"] == 6400 + 3 * 8 * 128 * 64
    assert lines["params.active.all"] == 6400 + 3 * 2 * 128 * 64
    assert any("no family reads the GGUF architecture `newmoe`" in warning for warning in model.warnings)
    with pytest.raises(InputError, match="`newmoe`"):
        model_from_gguf(made, "m", strict=True)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "no `general.architecture`"),
        ({"general.architecture": "llama"}, "`llama.block_count` is missing"),
        ({"general.architecture": "llama", "llama.block_count": "x"}, "must be an integer|is 'x'"),
    ],
)
def test_metadata_that_says_too_little(metadata, message):
    with pytest.raises(InputError, match=message):
        config_from_gguf(header(metadata, {}))


def test_a_tower_is_no_language_model():
    with pytest.raises(InputError, match="mmproj"):
        model_from_gguf(header({"general.architecture": "clip"}, {}), "m")


def test_dialects():
    assert dialect_of("phi-3-mini", None).fused_qkv
    assert dialect_of("falcon-7b", None).falcon
    assert not dialect_of("falcon-mamba-7b", None).falcon
    assert dialect_of("x", "qwen2").has_seventy


LLAMA_OF_DENSE = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}


def beside(folder, config):
    """A GGUF of `dense` in a directory with a config.json."""
    stored = dense()
    listing = [(t.name, t.shape, BY_NAME[t.dtype]) for t in stored.tensors]
    tensors, size = laid_out(listing, lambda shape, type_: prod(shape) // type_.block * type_.bytes)
    write(folder / "m-F32.gguf", stored.metadata, tensors, size)
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return folder


def test_a_gguf_is_held_against_the_config_beside_it(tmp_path):
    folder = beside(tmp_path, LLAMA_OF_DENSE)
    for path in (folder, folder / "m-F32.gguf", f"{folder}:F32"):
        model = load(path)
        assert [each.summary for each in model.reconciliations] == [
            "metadata and header agree on 11 tensors",
            "config.json and header agree on 11 tensors",
        ]
        assert not model.warnings
        assert model.kv_dtype == "fp16"


def test_a_config_that_is_not_the_ggufs_is_said(tmp_path):
    model = load(beside(tmp_path, {**LLAMA_OF_DENSE, "intermediate_size": 256}))
    metadata, release = model.reconciliations
    assert (metadata.agrees, release.agrees) == (True, False)
    (warning,) = model.warnings
    assert warning.startswith(
        "config.json and header disagree: 3 other shape of 11 tensors: `moecalc reconcile "
    )
    assert model.weight_bytes() == model.header.total_bytes
    done = run(f"moecalc reconcile {tmp_path}")
    assert done.returncode == 1
    assert "metadata and header agree on 11 tensors." in done.stdout
    assert "config.json and header disagree: 3 other shape of 11 tensors." in done.stdout
    assert json.loads(run(f"moecalc reconcile {tmp_path} --json").stdout)["summary"].startswith("config.json")


@pytest.mark.parametrize("config", ["{", "[1, 2]", '{"model_type": "never_heard_of"}'])
def test_a_config_that_cannot_be_read_does_not_stop_a_gguf(tmp_path, config):
    model = load(beside(tmp_path, config))
    assert len(model.reconciliations) == 1
    (warning,) = model.warnings
    assert warning.startswith("the config.json beside it is not read: ")
    with pytest.raises(InputError):
        load(tmp_path, strict=True)
