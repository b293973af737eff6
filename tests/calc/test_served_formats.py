"""States that engines keep in a format of their own: against DeepSeek's paper, and what engines' logs printed."""

from fractions import Fraction

import pytest

from moecalc.api.fleets import fleet_of
from moecalc.api.loading import load
from moecalc.api.speed import speed
from moecalc.calc import memory
from moecalc.calc.serving.reservation import layer_caches, pool
from moecalc.ir.roles import Component, Role
from moecalc.specs.kv_formats import state_format
from moecalc.specs.plan import Plan

MILLION = 2**20
PAGE = 64
"""Slots that SGLang's pools have beside their tokens (memory_pool.py, `size + page_size`)."""


def reserved_per_token(model: str, kv_dtype: str) -> int:
    return int(pool(layer_caches(load(model).ledger, kv_dtype), 64).block_bytes) // 64


@pytest.mark.parametrize(
    ("tokens", "gib"),
    [
        # sgl-project/sglang#11309, DeepSeek-V3.2-Exp on 8x B200: "#tokens: 975424, KV size: 43.67 GB"
        (975_424, "43.67"),
        # the same: "#tokens: 1462784, KV size: 54.52 GB", "KV size including index is actually 65.49 GB"
        (1_462_784, "65.49"),
    ],
)
def test_an_fp8_cache_of_deepseek_v32_is_what_sglang_allocates(tokens, gib):
    assert f"{(tokens + PAGE) * reserved_per_token('deepseek-v3.2', 'fp8') / 2**30:.2f}" == gib


def test_the_same_without_its_index_keys():
    # LMCache/LMCache#3339, GLM-5-FP8 in vLLM 0.21: "GPU KV Cache Dimensions: [158][4372, 64, 132]"
    latents = reserved_per_token("deepseek-v3.2", "fp8") - 61 * 132
    assert f"{(1_462_784 + PAGE) * latents / 2**30:.2f}" == "54.52"


@pytest.mark.parametrize("kv_dtype", ["fp32", "bf16", "fp8", "q8_0"])
def test_index_keys_keep_their_format_in_every_cache(kv_dtype):
    model = load("deepseek-v3.2")
    held = {
        state.role: memory.state_row_bytes(state, 1000, model.kv_name(kv_dtype))
        for state in model.ledger.states
        if state.component is Component.LANGUAGE and state.layers == 58
    }
    assert held[Role.INDEXER_KEY_STATE] == 58 * 1000 * 132


def test_the_reference_and_llama_cpp_keep_them_as_the_rest():
    # transformers' DynamicIndexedLayer takes the keys' own dtype; llama_kv_cache_dsa gives its second cache `type_k`.
    model = load("deepseek-v3.2")
    assert model.state_bytes(1000, runtime="transformers") == 61 * 1000 * 2 * (576 + 128)
    keys = next(state for state in model.ledger.states if state.role is Role.INDEXER_KEY_STATE)
    assert state_format(keys, "fp16", served=False).name == "fp16"


@pytest.mark.parametrize(
    ("model", "times", "printed"), [("deepseek-v4-pro", "9.5x", "10%"), ("deepseek-v4-flash", "13.7x", "7%")]
)
def test_caches_of_deepseek_v4_are_as_small_as_its_paper_says(model, times, printed):
    # arXiv 2606.19348, introduction: at 1M tokens 10% and 7% "of the KV cache size relative to DeepSeek-V3.2"; its
    # figure 1 prints 9.5x and 13.7x smaller. V3.2's cache is the one that DeepSeek serves, in FP8: 656 + 132 bytes.
    ratio = Fraction(MILLION * reserved_per_token("deepseek-v3.2", "fp8")) / Fraction(
        load(model).state_bytes(MILLION)
    )
    assert f"{float(ratio):.1f}x" == times
    assert f"{float(1 / ratio):.0%}" == printed


def test_a_million_tokens_of_deepseek_v32_read_what_its_own_code_reads():
    # Per layer and token 132 bytes of index keys, and 2,048 latents of 1,152; keys scored at the FP8 peak.
    found = speed(load("deepseek-v3.2"), fleet_of("8xb200"), plan=Plan(tensor=8), context=MILLION)
    read = found.decode.ceiling.state_bytes
    assert read == 61 * (132 * MILLION + 2048 * 1152)
    scores = next(group for group in found.groups if group.name == "indexer scores")
    assert scores.formats == ("fp8",)
    assert scores.memory_seconds > scores.compute_seconds > 0


@pytest.mark.parametrize(
    ("model", "device", "arithmetic"),
    [
        ("deepseek-v3.2", "h200", "fp8"),
        ("deepseek-v3.2", "a100-sxm-80gb", "bf16"),
        ("glm-5", "b200", "fp8"),
        ("deepseek-v4-flash", "b200", "fp4"),
        ("deepseek-v4-flash", "h200", "fp8"),
    ],
)
def test_scores_of_an_indexer_run_at_the_peak_of_its_keys(model, device, arithmetic):
    found = speed(load(model), fleet_of(f"16x{device}"), plan=Plan(tensor=8, pipeline=2), context=8192)
    own = {
        op.operands
        for op in found.roofline.sharded.ledger.ops
        if op.role is Role.INDEXER_SCORES and op.component is Component.LANGUAGE
    }
    assert [found.arithmetic[name] for name in own] == [arithmetic]
    assert all(found.roofline.machines[0].peaks[name] for name in own)
