"""Loading a model from all that a MODEL can be, and the public lines each kind has."""

import io
import json
from pathlib import Path

import pytest

import moecalc
from moecalc.api import Model, StatedModel, load
from moecalc.errors import InputError
from tests.api.promised import IDS
from tests.calc.released import DEEPSEEK_V3, GPT2, GPT_OSS_20B, LLAMA_13B, MIXTRAL_8X7B

KEYS = ["id", "label", "value", "unit", "basis", "formula", "note"]

OUTLINE = """\
name: secret-1
title: Secret 1
context: 8192
outline:
  - {what: total, low: 1T, high: 2T, provenance: rumoured, source: "https://example.org", checked: 2026-01-01}
  - {what: active, figure: 200B, provenance: stated, source: "https://example.org", checked: 2026-01-01}
  - {what: mixture_of_experts, provenance: confirmed, source: "https://example.org", checked: 2026-01-01}
"""
SPEC = """\
name: small-1
title: Small 1
dtype: fp32
context: 512
architecture:
  hidden_size: 64
  embedding: {vocab_size: 100}
  stacks:
    - pattern: layer*2
      layers:
        layer:
          mixer: {type: gqa, heads: 4, kv_heads: 2, head_dim: 16}
          ffn: {type: gated, intermediate_size: 128}
"""
SMALL = 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64 + 2 * 64) + 2 * 100 * 64 + 64


@pytest.fixture
def write(tmp_path):
    def written(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return written


def values(lines):
    return {line["id"]: line["value"] for line in lines}


# ---------------------------------------------------------------------------------------- what a MODEL can be


def test_a_config_mapping():
    model = load(MIXTRAL_8X7B)
    assert isinstance(model, Model)
    assert model.params.total == 46_702_792_704
    assert model.context_length == 32768


def test_a_path_to_a_config_is_named_after_its_folder(write):
    path = write("My-Model/config.json", json.dumps(GPT2))
    for argument in (path, str(path), path.parent, str(path.parent)):
        model = load(argument)
        assert model.params.total == 124_439_808
        assert model.name == "My-Model"
        assert model.source == str(path)


def test_another_json_file_is_named_after_itself(write):
    assert load(write("gpt2.json", json.dumps(GPT2))).name == "gpt2"


def test_a_spec(write):
    path = write("any.yaml", SPEC)
    model = load(path)
    assert (model.name, model.title, model.source) == ("small-1", "Small 1", str(path))
    assert model.params.total == SMALL
    assert model.weight_bytes() == 4 * SMALL
    assert model.context_length == 512


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(GPT2)))
    assert load("-").params.total == 124_439_808


@pytest.mark.parametrize("name", ["mixtral-8x7b", "Mixtral_8x7B", "mistralai/Mixtral-8x7B-v0.1"])
def test_the_catalogue(name):
    model = load(name)
    assert model.name == "mixtral-8x7b"
    assert model.params.total == 46_702_792_704
    assert model.claims
    assert model.pins


def test_two_numbers():
    model = load("70B-A12B")
    assert isinstance(model, StatedModel)
    assert (model.numbers.total, model.numbers.active) == (70 * 10**9, 12 * 10**9)


def test_an_outline(write):
    model = load(write("secret.yml", OUTLINE))
    assert isinstance(model, StatedModel)
    assert model.numbers is None
    assert len(model.outline) == 3


def test_the_package_offers_the_same():
    assert moecalc.load is load
    assert moecalc.Model is Model


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("mixtral-8x77b", "unknown model `mixtral-8x77b`"),
        ("no/such/path.json", "no such file"),
        ("./nothing-here", "no such file"),
        ("12B-A70B", "exceeds total"),
        ({"model_type": "no_such_family"}, "no family reads `model_type: no_such_family`"),
        ({}, "the config has no `model_type`"),
        ({"model_type": 7}, "`model_type` is 7"),
    ],
)
def test_what_is_none_of_them_is_refused(argument, said):
    with pytest.raises(InputError, match=said):
        load(argument)


def test_a_misspelt_name_is_told_the_nearest():
    with pytest.raises(InputError) as caught:
        load("mixtrl-8x7b")
    assert "`mixtral-8x7b`" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[1, 2]", "not a mapping"),
        ('{"model_type": "gpt2", "n_layer": NaN}', "`NaN`"),
        ("[" * 100_000, "nested too deeply|not JSON"),
    ],
)
def test_what_is_no_config_is_refused_with_its_file(write, text, said):
    path = write("config.json", text)
    with pytest.raises(InputError, match=said) as caught:
        load(path)
    assert caught.value.file == str(path)


def test_a_folder_without_a_config(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json"):
        load(tmp_path)


def test_keys_nobody_read_are_a_warning_and_with_strict_an_error():
    config = GPT2 | {"n_gizmos": 7}
    (warning,) = load(config).warnings
    assert "`n_gizmos`" in warning
    assert load(GPT2).warnings == ()
    with pytest.raises(InputError, match="`n_gizmos`"):
        load(config, strict=True)
    assert load(GPT2, strict=True).params.total == 124_439_808


# ------------------------------------------------------------------------------------------------ the lines


def test_the_lines_of_a_known_model_are_those_promised_in_order():
    lines = load(MIXTRAL_8X7B).lines()
    assert [line["id"] for line in lines] == IDS
    assert all(list(line) == KEYS for line in lines)
    assert all(isinstance(line["value"], int) for line in lines)
    assert json.loads(json.dumps(lines)) == lines


@pytest.mark.parametrize("name", ["70B-A12B", "70B-A12B:128x8", "13B"])
def test_the_lines_of_two_numbers_are_those_promised(name):
    lines = load(name).lines()
    assert sorted(line["id"] for line in lines) == sorted(IDS)
    assert all(line["basis"] == "estimate" for line in lines)


def test_the_lines_of_an_outline_are_those_promised_and_what_else_is_stated(write):
    lines = load(write("secret.yaml", OUTLINE)).lines()
    assert sorted(line["id"] for line in lines) == sorted([*IDS, "stated.mixture_of_experts"])


def test_every_line_of_mixtral():
    # One sequence at the default context of 4,096 tokens; the arithmetic stands in tests/calc.
    layer = 2 * 4096 * 4096 + 2 * 1024 * 4096 + 8 * 4096 + 2 * 3 * 14336 * 4096
    head, pairs = 32000 * 4096, 4096 * 4097 // 2
    decode = 2 * (32 * layer + head) + 32 * 4 * 4096 * 4096
    prefill = 2 * (4096 * 32 * layer + head) + 32 * 4 * 4096 * pairs
    assert values(load(MIXTRAL_8X7B).lines()) == {
        "params.total": 46_702_792_704,
        "params.active.all": 12_879_925_248,
        "params.active.no_input_embedding": 12_748_853_248,
        "params.active.no_embeddings": 12_617_781_248,
        "params.routed": 45_097_156_608,
        "params.buffers": 0,
        "params.mtp": 0,
        "weights.bytes": 93_405_585_408,
        "state.bytes_per_token": 131_072,
        "state.bytes": 131_072 * 4096,
        "state.elements": 65_536 * 4096,
        "flops.decode_per_token": decode,
        "flops.prefill_per_token": prefill // 4096 if prefill % 4096 == 0 else prefill / 4096,
        "flops.prefill": prefill,
    }


def test_what_was_chosen_is_what_is_computed():
    model = load(MIXTRAL_8X7B)
    chosen = values(
        model.lines(context=8192, prompt=10, batch=3, convention="full", dtype="fp32", kv_dtype="fp8")
    )
    assert chosen["weights.bytes"] == 4 * 46_702_792_704
    assert chosen["state.bytes_per_token"] == 65_536
    assert chosen["state.bytes"] == 3 * 65_536 * 8192
    assert chosen["state.elements"] == 3 * 65_536 * 8192
    layer = 2 * 4096 * 4096 + 2 * 1024 * 4096 + 8 * 4096 + 2 * 3 * 14336 * 4096
    assert chosen["flops.prefill"] == 20 * (32 * layer + 32000 * 4096) + 32 * 4 * 4096 * 100
    # of one sequence, whatever the batch
    assert chosen["flops.decode_per_token"] == 2 * (32 * layer + 32000 * 4096) + 32 * 4 * 4096 * 8192


def test_the_default_context_is_4096_or_what_it_was_trained_for():
    assert values(load(MIXTRAL_8X7B).lines())["state.bytes"] == 131_072 * 4096
    assert values(load(LLAMA_13B).lines())["state.bytes"] == 819_200 * 2048
    assert values(load(GPT2).lines())["state.elements"] == 12 * 2 * 768 * 1024


def test_a_longer_context_warns_and_never_raises():
    model = load(GPT2)
    assert values(model.lines(context=5000))["state.elements"] == 12 * 2 * 768 * 5000
    (warning,) = model.workload(context=5000).warnings
    assert "1,024" in warning


def test_dtypes_are_those_of_the_release():
    gpt_oss = load(GPT_OSS_20B)
    # experts in MXFP4, the rest and the cache in BF16
    assert f"{values(gpt_oss.lines())['weights.bytes'] / 2**30:.2f}" == "12.82"
    assert values(gpt_oss.lines(context=8192))["state.bytes"] == 204_472_320
    assert values(gpt_oss.lines(dtype="bf16"))["weights.bytes"] == 2 * 20_914_757_184
    assert values(load(GPT2 | {"torch_dtype": "float32"}).lines())["weights.bytes"] == 4 * 124_439_808
    assert values(load(GPT2).lines())["weights.bytes"] == 2 * 124_439_808


def test_a_runtime_reserves_what_it_reserves_and_says_so():
    lines = load(GPT_OSS_20B).lines(context=8192, runtime="transformers")
    # a window of 128 is 127 tokens and the new one
    assert values(lines)["state.elements"] == 12 * (8192 + 127) * 2 * 8 * 64
    (line,) = [line for line in lines if line["id"] == "state.bytes"]
    assert (line["basis"], "transformers" in line["note"]) == ("convention", True)


def test_deepseek_v3_beside_the_total():
    found = values(load(DEEPSEEK_V3).lines(context=8192))
    assert found["params.buffers"] == 14_848
    assert found["params.mtp"] == 11_610_068_224
    assert found["state.bytes"] == 575_668_224


def test_zero_compute_experts_give_the_active_parameters_a_range(write):
    ffn = "{type: moe, experts: 4, top_k: 3, intermediate_size: 8, zero_experts: 2}"
    model = load(write("zero.yaml", SPEC.replace("{type: gated, intermediate_size: 128}", ffn)))
    lines = {line["id"]: line for line in model.lines()}
    expert = 2 * 3 * 8 * 64
    everything = SMALL - 2 * 3 * 128 * 64 + 2 * 6 * 64 + 4 * expert
    # of 3 choices among 6, one to three fall on experts with weights, two on average
    active = lines["params.active.all"]
    assert active["value"] == everything - 2 * expert
    assert (active["low"], active["high"]) == (everything - 3 * expert, everything - expert)
    assert not any("low" in line for name, line in lines.items() if name != "params.active.all")


def test_bases_are_what_they_say():
    bases = {line["id"]: line["basis"] for line in load(MIXTRAL_8X7B).lines()}
    assert {bases[name] for name in IDS if name.startswith(("params.active", "flops"))} == {"convention"}
    exact = [name for name in IDS if name.startswith(("params.total", "params.routed", "weights", "state"))]
    assert {bases[name] for name in exact} == {"exact"}


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"context": 0}, "`context` is 0"),
        ({"prompt": -1}, "`prompt` is -1"),
        ({"batch": 0}, "`batch` is 0"),
        ({"convention": "kaplan"}, "`kaplan`"),
        ({"dtype": "fp7"}, "`fp7`"),
        ({"kv_dtype": "fp7"}, "`fp7`"),
        ({"runtime": "abacus"}, "`abacus`"),
    ],
)
def test_what_cannot_be_computed_is_refused(chosen, said):
    with pytest.raises(InputError, match=said):
        load(MIXTRAL_8X7B).lines(**chosen)


# --------------------------------------------------------------------------------------- models half known


def test_what_follows_from_two_numbers():
    found = values(load("70B-A12B").lines(prompt=1000))
    assert found == dict.fromkeys(IDS) | {
        "params.total": 70 * 10**9,
        "params.active.all": 12 * 10**9,
        "weights.bytes": 140 * 10**9,
        "flops.decode_per_token": 24 * 10**9,
        "flops.prefill_per_token": 24 * 10**9,
        "flops.prefill": 24 * 10**12,
    }
    assert values(load("70B-A12B").lines(dtype="fp8"))["weights.bytes"] == 70 * 10**9


def test_experts_tell_the_routed_share():
    # 58 B lie in the 120 experts a token does not use
    assert values(load("70B-A12B:128x8").lines())["params.routed"] == pytest.approx(128 / 120 * 58e9)


def test_what_is_said_about_an_outline_carries_whose_word_it_is(write):
    lines = {line["id"]: line for line in load(write("secret.yaml", OUTLINE)).lines(dtype="fp8")}
    total, active = lines["params.total"], lines["params.active.all"]
    assert (total["value"], total["low"], total["high"]) == (None, 10**12, 2 * 10**12)
    assert total["provenance"] == "rumoured"
    assert (active["value"], active["provenance"]) == (200 * 10**9, "stated")
    weights = lines["weights.bytes"]
    assert (weights["value"], weights["low"], weights["high"]) == (None, 10**12, 2 * 10**12)
    assert weights["provenance"] == "rumoured"
    assert lines["stated.mixture_of_experts"]["provenance"] == "confirmed"
    unknown = [name for name in IDS if name not in ("params.total", "params.active.all", "weights.bytes")]
    assert all(lines[name]["value"] is None for name in unknown)
    assert not any("low" in lines[name] or "provenance" in lines[name] for name in unknown)


# ------------------------------------------------------------------------------------------------ a model


def test_figures_one_by_one():
    model = load(MIXTRAL_8X7B)
    assert model.params.active() == 12_879_925_248
    assert model.params.active("no_embeddings") == 12_617_781_248
    assert model.params.by_group()["routed"] == (45_097_156_608, 45_097_156_608 // 4)
    assert model.weight_bytes() == 93_405_585_408
    assert model.state_bytes(1000, batch=2) == 2 * 1000 * 131_072
    assert model.state_bytes_per_token() == 131_072
    found = values(model.lines(context=777, prompt=333))
    assert model.decode_flops(777) == found["flops.decode_per_token"]
    assert model.prefill_flops(333) == found["flops.prefill"]


def test_a_model_in_a_few_words():
    assert repr(load(MIXTRAL_8X7B)) == "<Model config: 46.70 B parameters, 12.88 B active per token>"
    assert "46,702,792,704" in repr(load(MIXTRAL_8X7B).params)
    assert repr(load("70B-A12B")).startswith("<StatedModel 70B-A12B")


def test_a_path_of_pathlib_and_one_as_text_are_one(write):
    path = write("small.yaml", SPEC)
    assert load(Path(path)).lines() == load(str(path)).lines()
