"""Formats of a KV cache: llama.cpp's blocks counted with their scales, by its own printed sizes."""

from fractions import Fraction

import pytest

from moecalc.api.loading import load
from moecalc.errors import InputError
from moecalc.ir.roles import Role
from moecalc.specs.kv_formats import BLOCKS, kv_format, kv_names, state_format


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        # ggml-common.h: block_q8_0 is 34 bytes for 32 values, block_q4_0 18, q4_1 20, q5_0 22, q5_1 24, iq4_nl 18
        ("q8_0", Fraction(34 * 8, 32)),
        ("q5_1", Fraction(24 * 8, 32)),
        ("q5_0", Fraction(22 * 8, 32)),
        ("q4_1", Fraction(20 * 8, 32)),
        ("q4_0", Fraction(18 * 8, 32)),
        ("iq4_nl", Fraction(18 * 8, 32)),
        ("bf16", 16),
        ("fp16", 16),
        ("fp8", 8),
    ],
)
def test_bytes_of_a_cache(name, bits):
    # Llama 3.1 8B: 32 layers x keys and values x 8 heads x 128
    assert load("llama-3.1-8b").state_bytes(8192, kv_dtype=name) == 8192 * 32 * 2 * 8 * 128 * bits / 8


@pytest.mark.parametrize(
    ("typed", "name"), [("fp8_e4m3", "fp8"), ("fp8_e5m2", "fp8"), ("f16", "fp16"), ("Q8_0", "ggml-q8_0")]
)
def test_names_as_engines_write_them(typed, name):
    assert kv_format(typed).name == name


@pytest.mark.parametrize("name", ["mxfp4", "awq-int4-g128", "q8_1", "q4_k", "ggml-q6_k", "fp64", "", "q9"])
def test_what_no_cache_is_stored_in(name):
    with pytest.raises(InputError, match="is no format of a KV cache") as caught:
        load("llama-3.1-8b").state_bytes(kv_dtype=name)
    assert caught.value.hint


def test_heads_that_are_no_whole_blocks():
    # llama-context.cpp refuses a cache type whose block size does not divide n_embd_head_k
    with pytest.raises(
        InputError, match=r"blocks of 32 along the head dimension, and `attention\.key_state` has 112"
    ):
        load("mpt-30b").state_bytes(kv_dtype="q4_0")
    assert load("mpt-30b").state_bytes(kv_dtype="fp8")


def test_a_state_with_a_format_of_its_own_keeps_it():
    states = load("qwen3-next-80b-a3b").ledger.states
    formats = {state.role: state_format(state, "ggml-q8_0").name for state in states}
    assert formats == {
        Role.ATTENTION_KEY_STATE: "ggml-q8_0",
        Role.ATTENTION_VALUE_STATE: "ggml-q8_0",
        Role.RECURRENT_STATE: "fp32",
        Role.RECURRENT_CONV_STATE: "bf16",
    }
    assert {state_format(state, "fp32").name for state in states} == {"fp32"}


def test_every_name_is_a_format():
    assert {"bf16", "fp16", "fp8", *BLOCKS} <= set(kv_names())
    for name in kv_names():
        assert kv_format(name)
