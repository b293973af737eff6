"""Checkpoints on disk: the header beside the config, alone, and where the two contradict each other."""

import json

import pytest

import moecalc
from moecalc.api.checkpoint import CheckpointModel
from moecalc.api.explaining import explain
from moecalc.api.header_alone import HeaderModel
from moecalc.api.indexed import IndexedModel
from moecalc.api.reconciling import reconciled
from moecalc.errors import InputError
from moecalc.sources.headers.checkpoint import Index
from tests.sources.headers import listed
from tests.sources.headers.written import write, write_sharded

CONFIG = {
    "model_type": "llama",
    "vocab_size": 100,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}
TOTAL = 100 * 16 + 2 * (16 * 16 * 2 + 8 * 16 * 2 + 3 * 16 * 32 + 2 * 16) + 16


def tensors(dtype="BF16"):
    layer = {
        "input_layernorm": (16,),
        "post_attention_layernorm": (16,),
        "self_attn.q_proj": (16, 16),
        "self_attn.k_proj": (8, 16),
        "self_attn.v_proj": (8, 16),
        "self_attn.o_proj": (16, 16),
        "mlp.gate_proj": (32, 16),
        "mlp.up_proj": (32, 16),
        "mlp.down_proj": (16, 32),
    }
    made = [("model.embed_tokens.weight", dtype, (100, 16)), ("model.norm.weight", dtype, (16,))]
    return made + [
        (f"model.layers.{i}.{name}.weight", dtype, shape) for i in range(2) for name, shape in layer.items()
    ]


def checkpoint(folder, stored, config=CONFIG):
    folder.mkdir(exist_ok=True)
    write(folder / "model.safetensors", stored)
    if config is not None:
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_config_and_header_agree(tmp_path):
    folder = checkpoint(tmp_path / "m", tensors())
    for path in (folder, folder / "model.safetensors"):
        model = moecalc.load(path)
        assert isinstance(model, CheckpointModel)
        assert model.reconciliation.agrees
        assert model.params.total == TOTAL
        assert model.weight_bytes() == 2 * TOTAL
        assert not model.warnings
    lines = {line["id"]: line for line in moecalc.load(folder).lines()}
    assert lines["checkpoint.bytes"]["value"] == 2 * TOTAL
    assert lines["checkpoint.bytes"]["note"] == "the config agrees"


def test_the_header_beats_the_config_on_bytes(tmp_path):
    """Granite-3.1's trap: the config says bfloat16, the file stores float32."""
    model = moecalc.load(checkpoint(tmp_path / "m", tensors("F32")))
    assert model.weight_bytes() == 4 * TOTAL
    assert model.demand().weight_bytes == 4 * TOTAL
    assert model.weight_bytes("bf16") == 2 * TOTAL
    assert model.kv_dtype == "bf16"
    (warning,) = model.warnings
    assert "config and header disagree: 20 other dtype of 20 tensors" in warning
    assert {line["id"]: line["value"] for line in model.lines()}["weights.bytes"] == 4 * TOTAL


def test_some_tensors_in_another_dtype(tmp_path):
    stored = [
        (name, "F32" if "norm" in name and "layers.1" in name else dtype, shape)
        for name, dtype, shape in tensors()
    ]
    model = moecalc.load(checkpoint(tmp_path / "m", stored))
    assert model.weight_bytes() == model.demand().weight_bytes == 2 * TOTAL + 2 * 2 * 16
    assert [finding.layers for finding in model.reconciliation.disagreements] == [(1,), (1,)]


def test_every_kind_of_disagreement(tmp_path):
    stored = [t for t in tensors() if t[0] != "model.layers.1.mlp.up_proj.weight"]
    stored = [(n, d, (9, 16) if n == "model.layers.0.self_attn.k_proj.weight" else s) for n, d, s in stored]
    stored += [
        ("model.layers.0.self_attn.q_proj.bias", "BF16", (16,)),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", "F32", (2,)),
        ("lm_head.weight", "BF16", (100, 16)),
        ("model.layers.0.mystery.weight", "BF16", (3,)),
        ("visual.patch_embed.weight", "BF16", (3, 3)),
    ]
    found = reconciled(str(checkpoint(tmp_path / "m", stored))).reconciliation
    assert {(finding.kind, finding.name) for finding in found.findings} == {
        ("missing", "model.layers.{}.mlp.up_proj.weight"),
        ("other shape", "model.layers.{}.self_attn.k_proj.weight"),
        ("unexpected", "model.layers.{}.self_attn.q_proj.bias"),
        ("unknown name", "model.layers.{}.mystery.weight"),
        ("buffer", "model.layers.{}.self_attn.rotary_emb.inv_freq"),
        ("copy", "lm_head.weight"),
        ("beside", "vision tower"),
    }
    assert found.breakdown.unknown.elements == 3
    assert found.breakdown.total.bytes == found.header.total_bytes
    shape = next(finding for finding in found.findings if finding.kind == "other shape")
    assert (shape.expected, shape.stored) == ("[8, 16]", "[9, 16]")


def test_a_header_alone(tmp_path):
    model = moecalc.load(checkpoint(tmp_path / "m", tensors(), config=None))
    assert isinstance(model, HeaderModel)
    lines = {line["id"]: line["value"] for line in model.lines()}
    assert lines["params.total"] == lines["params.active.all"] == TOTAL
    assert lines["weights.bytes"] == lines["checkpoint.bytes"] == 2 * TOTAL
    assert lines["flops.prefill"] is None


def experts():
    return [
        ("model.embed_tokens.weight", "BF16", (100, 16)),
        ("model.layers.0.mlp.gate.weight", "BF16", (4, 16)),
    ] + [
        (f"model.layers.0.mlp.experts.{e}.{name}_proj.weight", "BF16", shape)
        for e in range(4)
        for name, shape in {"gate": (8, 16), "up": (8, 16), "down": (16, 8)}.items()
    ]


def test_active_parameters_need_top_k(tmp_path):
    folder = checkpoint(tmp_path / "m", experts(), config=None)
    unknown = moecalc.load(folder)
    assert {line["id"]: line["value"] for line in unknown.lines()}["params.active.all"] is None
    assert unknown.demand() is None
    assert "--top-k" in unknown.warnings[0]
    from moecalc.api.loading import load

    told = load(folder, top_k=2)
    assert {line["id"]: line["value"] for line in told.lines()}["params.active.all"] == 1600 + 64 + 2 * 384
    assert moecalc.compare(told, "llama-13b").entries


def test_a_config_of_an_unknown_type_still_says_top_k(tmp_path):
    config = {"model_type": "never_heard_of", "text_config": {"num_experts_per_tok": 1}}
    model = moecalc.load(checkpoint(tmp_path / "m", experts(), config))
    assert isinstance(model, HeaderModel)
    assert {line["id"]: line["value"] for line in model.lines()}["params.active.all"] == 1600 + 64 + 384
    assert "no family reads `model_type: never_heard_of`" in model.warnings[0]
    with pytest.raises(InputError, match="has no config to hold its header against"):
        reconciled(str(tmp_path / "m"))


def test_names_no_layout_knows_are_counted_and_not_classified(tmp_path):
    model = moecalc.load(checkpoint(tmp_path / "m", [*tensors(), ("what.is.this", "F32", (5,))], config=None))
    lines = {line["id"]: line["value"] for line in model.lines()}
    assert lines["checkpoint.bytes"] == lines["weights.bytes"] == 2 * TOTAL + 20
    assert lines["params.total"] == TOTAL + 5
    (warning,) = model.warnings
    assert warning.startswith("1 tensor has a name no layout knows (`what.is.this`)")
    # it may be an expert's or every token's
    active = {line.id: line for line in model.report(model.workload()).lines}["params.active.all"]
    assert (active.value, active.low, active.high) == (None, TOTAL, TOTAL + 5)
    assert model.demand() is None


def test_experts_under_unknown_names_are_not_active_nor_idle(tmp_path):
    stored = [(name.replace("experts", "specialists"), *rest) for name, *rest in experts()]
    model = moecalc.load(checkpoint(tmp_path / "m", stored, config=None))
    lines = {line.id: line for line in model.report(model.workload()).lines}
    known, whole = 1600 + 64, 1600 + 64 + 4 * 384
    assert lines["params.total"].value == whole
    for line_id in ("params.active.all", "params.routed"):
        low = known if "active" in line_id else 0
        high = low + 4 * 384
        assert (lines[line_id].value, lines[line_id].low, lines[line_id].high) == (None, low, high)
    assert "specialists.{}.down_proj.weight` and" not in model.warnings[0]
    assert "what is active, routed or beside the model is not known" in model.warnings[0]
    compared = moecalc.compare(model, "llama-13b").entries[0]
    assert (compared.report["params.active.all"].value, compared.cells) == (None, ())


def test_one_shard_of_several_is_no_model_of_the_config(tmp_path):
    folder = write_sharded(tmp_path / "m", [tensors()[:9], tensors()[9:]])
    (folder / "config.json").write_text(json.dumps(CONFIG))
    assert isinstance(moecalc.load(folder), CheckpointModel)
    assert isinstance(moecalc.load(folder / "model-00001-of-00002.safetensors"), HeaderModel)


def test_an_index_whose_files_were_not_fetched_leaves_the_config(tmp_path):
    folder = write_sharded(tmp_path / "m", [tensors()])
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model-00001-of-00001.safetensors").unlink()
    model = moecalc.load(folder)
    assert model.params.total == TOTAL
    assert model.warnings == (
        "the 1 file that model.safetensors.index.json names is not here: the config answers alone",
    )
    line = next(line for line in model.lines() if line["id"] == "checkpoint.bytes")
    assert (line["value"], line["basis"], line["note"]) == (2 * TOTAL, "estimate", "as the config gives")
    assert line["label"] == "checkpoint, 20 tensors, by its index"
    with pytest.raises(InputError, match=f"it says that all take {2 * TOTAL:,} bytes"):
        moecalc.load(folder, headers=True)
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match="1 of its 1 files is missing"):
        moecalc.load(folder)


def test_pickles_are_refused(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(InputError, match="never opened") as caught:
        moecalc.load(tmp_path)
    assert "give a config.json" in caught.value.hint
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    model = moecalc.load(tmp_path)
    assert model.params.total == moecalc.load(tmp_path / "config.json").params.total == TOTAL
    assert "`pytorch_model.bin`) are never opened" in model.warnings[0]
    with pytest.raises(InputError, match="never opened") as caught:
        reconciled(str(tmp_path))
    assert str(tmp_path / "config.json") in caught.value.hint
    with pytest.raises(InputError, match="never opened"):
        moecalc.load(tmp_path / "pytorch_model.bin")


def test_params_json_with_consolidated_weights(tmp_path):
    params = {"dim": 16, "n_layers": 1, "n_heads": 4, "n_kv_heads": 2, "hidden_dim": 32, "vocab_size": -1}
    (tmp_path / "params.json").write_text(json.dumps(params))
    stored = [
        ("tok_embeddings.weight", "BF16", (100, 16)),
        ("norm.weight", "BF16", (16,)),
        ("output.weight", "BF16", (100, 16)),
        ("layers.0.attention_norm.weight", "BF16", (16,)),
        ("layers.0.ffn_norm.weight", "BF16", (16,)),
        ("layers.0.attention.wq.weight", "BF16", (16, 16)),
        ("layers.0.attention.wk.weight", "BF16", (8, 16)),
        ("layers.0.attention.wv.weight", "BF16", (8, 16)),
        ("layers.0.attention.wo.weight", "BF16", (16, 16)),
        ("layers.0.feed_forward.w1.weight", "BF16", (32, 16)),
        ("layers.0.feed_forward.w2.weight", "BF16", (16, 32)),
        ("layers.0.feed_forward.w3.weight", "BF16", (32, 16)),
    ]
    write(tmp_path / "consolidated.safetensors", stored)
    model = moecalc.load(tmp_path)
    assert model.reconciliation.agrees
    assert model.reconciliation.layout == "consolidated"
    with pytest.raises(InputError, match="the tokenizer decides"):
        moecalc.load(tmp_path / "params.json")


def test_a_published_checkpoint_from_disk(tmp_path):
    """The listing of gpt-oss-20b as files: the header's bytes are the index's total_size."""
    header = listed.header("gpt-oss-20b")
    folder = write_sharded(tmp_path / "m", [[(t.name, t.dtype, t.shape) for t in header.tensors]])
    (folder / "config.json").write_text(json.dumps(listed.config("gpt-oss-20b")))
    model = moecalc.load(folder)
    assert model.reconciliation.agrees
    assert model.weight_bytes() == 13_761_264_768


@pytest.mark.parametrize("name", ["kimi-linear-48b-a3b", "qwen-vl-chat-int4", "gpt-oss-20b"])
def test_the_working_sums_to_what_is_shown(tmp_path, name):
    """Kimi's correction bias is stored in bf16, Qwen-VL's int4 has biases of zeros: both are in the sum."""
    folder = write_sharded(
        tmp_path / "m", [[(t.name, t.dtype, t.shape) for t in listed.header(name).tensors]]
    )
    (folder / "config.json").write_text(json.dumps(listed.config(name)))
    model = moecalc.load(folder)
    assert model.source == str(folder)  # what `show` says to type
    weights, _ = explain(model, "memory", model.workload())
    assert weights.total == sum(row.value for row in weights.rows) == model.weight_bytes()
    if name != "qwen-vl-chat-int4":
        assert model.demand().weight_bytes == model.weight_bytes()
        assert "checkpoint" not in {row.role for row in weights.rows}


def test_what_an_indexed_model_takes_over(tmp_path):
    """Whatever a model knows, whoever adds to it later: nothing is copied by hand."""
    known = moecalc.load("mixtral-8x7b")
    known.kv_dtype = "fp8"
    indexed = IndexedModel(known, Index({}))
    assert {key: value for key, value in vars(indexed).items() if key not in {"index", "warnings"}} == {
        key: value for key, value in vars(known).items() if key != "warnings"
    }
    assert indexed.pins
