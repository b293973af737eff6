"""Edges a careful tester found: each was once answered wrongly."""

import pytest

import moecalc
from moecalc.errors import InputError
from moecalc.sources import stated
from moecalc.sources.catalog import find
from moecalc.sources.reader import Reader
from moecalc.sources.spec import TotalClaim


def test_models_known_by_two_numbers_take_a_kv_dtype():
    assert moecalc.load("70B-A12B").lines(kv_dtype="fp8")
    assert moecalc.load("gpt-4").lines(kv_dtype="fp8")


def test_a_dtype_by_its_long_name_is_the_same_dtype():
    long, short = (
        moecalc.compare("llama-13b", "llama-7b", dtype=name).device for name in ("float32", "fp32")
    )
    assert long.peak == short.peak == 494_500_000_000_000  # TF32 dense, NVIDIA H100 datasheet


def test_a_trained_length_of_minus_one_is_no_length():
    lines = moecalc.load({"model_type": "llama", "max_position_embeddings": -1}).lines()
    notes = {line["id"]: line["note"] for line in lines}
    assert notes["state.bytes_per_token"] == "at 4,096 tokens"


def test_class_defaults_of_a_section_are_not_keys_that_somebody_wrote():
    reader = Reader({}, {"ffn": {"a": 1, "b": 2}})
    assert reader.section("ffn").size("a") == 1
    assert reader.unread() == []


@pytest.mark.parametrize("name", ["0B", "70B-A0B", "0B-A0B"])
def test_no_model_has_no_parameters(name):
    with pytest.raises(InputError, match="more than 0 parameters"):
        stated.parse(name)


def test_a_figure_with_an_exponent_has_room_of_half_its_last_place():
    claim = TotalClaim(figure="1.6e12", source="somewhere", checked="2026")
    assert claim.bounds == (1_550_000_000_000, 1_650_000_000_000)


def test_a_name_with_a_slash_is_a_hub_id():
    assert find("mixtral/8x7b") is None
    assert find("mistralai/Mixtral-8x7B-v0.1") == find("mixtral-8x7b")


@pytest.mark.parametrize("share", [float("nan"), 0, -1, 1.5])
def test_utilization_is_a_share(share):
    with pytest.raises(InputError, match="utilization"):
        moecalc.compare("llama-13b", "llama-7b", gpu_memory_utilization=share)


@pytest.mark.parametrize("length", ["4k", 10.5, 0, -5, True])
def test_lengths_are_whole_numbers(length):
    model = moecalc.load("llama-13b")
    for call in (
        lambda: model.lines(context=length),
        lambda: model.lines(prompt=length),
        lambda: model.decode_flops(length),
        lambda: model.prefill_flops(length),
        lambda: model.state_bytes(length),
    ):
        with pytest.raises(InputError):
            call()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("text_config", [1]),
        ("quantization_config", "fp8"),
        ("max_position_embeddings", "2048"),
    ],
)
def test_a_wrongly_typed_key_is_named(key, value):
    with pytest.raises(InputError, match=f"`{key}` is"):
        moecalc.load({"model_type": "llama", key: value})


def test_a_byte_order_mark_is_no_part_of_a_config(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "llama"}', encoding="utf-8-sig")
    assert moecalc.load(path).params.total == 6_738_415_616


def test_a_form_is_a_word():
    with pytest.raises(InputError, match="form"):
        moecalc.load("llama-13b").lines(form=["naive"])


def test_a_spec_as_json_is_a_spec():
    with pytest.raises(InputError, match="not a spec"):
        moecalc.load({"name": "x", "title": "X", "architecture": {"hidden_size": "64"}})
