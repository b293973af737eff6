"""Bytes of weights and of state: published cache sizes, hand arithmetic, and growth that adds up."""

from fractions import Fraction
from math import lcm

import pytest

from moecalc.calc import memory
from moecalc.errors import InputError
from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.block_indexer import BlockIndexer
from moecalc.ir.blocks.compressed import CompressedAttention
from moecalc.ir.blocks.embedding import Embedding
from moecalc.ir.blocks.mamba2 import Mamba2
from moecalc.ir.blocks.mla import MLA, Indexer
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.ir.roles import Component
from moecalc.ir.rows import SlotsKind
from moecalc.sources.hf_config import read_config
from moecalc.specs.formats import Precision
from tests.calc import released
from tests.calc.released import ledger_of
from tests.oracle.cases import small_configs

MIB = 2**20
BF16 = Precision("bf16")


def of(*mixers, pattern=None):
    """A model of one layer for each mixer, or in the pattern that names them a, b, ..."""
    layers = {"abc"[index]: Layer(mixer=mixer) for index, mixer in enumerate(mixers)}
    return Architecture(
        hidden_size=64,
        embedding=Embedding(vocab_size=100),
        stacks=[Stack(layers=layers, pattern=pattern or " ".join(layers))],
    ).lower_to_ledger()


# ------------------------------------------------------------------------------------- published figures


def test_cache_per_token_as_deepseek_printed_it():
    # Insights into DeepSeek-V3 (arXiv 2505.09343), table 1: 70.272 KB and 516.096 KB per token in BF16
    assert memory.state_bytes_per_token(ledger_of(released.DEEPSEEK_V3), 4096, "bf16") == 70_272
    assert memory.state_bytes_per_token(ledger_of(released.LLAMA_3_1_405B), 4096, "bf16") == 516_096


def test_cache_buffers_as_llama_cpp_logged_them():
    # ikawrakow/ik_llama.cpp discussions/258: DeepSeek R1, n_ctx 32768, c^KV (f16): 2196.00 MiB
    assert memory.state_bytes(ledger_of(released.DEEPSEEK_V3), 32768, "fp16") == 2196 * MIB
    # ikawrakow/ik_llama.cpp issue 271: n_ctx 2048, c^KV (f16): 137.25 MiB
    assert memory.state_bytes(ledger_of(released.DEEPSEEK_V3), 2048, "fp16") == Fraction("137.25") * MIB
    # ikawrakow/ik_llama.cpp: LLaMA v2 13B, n_ctx 512: K 200 MiB and V 200 MiB in f16
    assert memory.state_bytes(ledger_of(released.LLAMA_13B), 512, "fp16") == 400 * MIB


def test_cache_of_the_four_models_that_break_calculators():
    assert memory.state_bytes_per_token(ledger_of(released.MIXTRAL_8X7B), 4096, "bf16") == 128 * 2**10
    assert memory.state_bytes(ledger_of(released.DEEPSEEK_V3), 8192, "bf16") == 575_668_224
    # 12 layers hold 8,192 tokens and 12 hold 128, each 2 x 8 x 64 elements of 2 bytes
    gpt_oss = memory.state_bytes(ledger_of(released.GPT_OSS_20B), 8192, "bf16")
    assert gpt_oss == 12 * (8192 + 128) * 2 * 8 * 64 * 2 == 204_472_320
    assert memory.state_bytes(ledger_of(released.QWEN3_30B_A3B), 8192, "bf16") == 48 * 2 * 4 * 128 * 2 * 8192


def test_a_window_on_no_layer_is_what_engines_without_windows_reserve():
    everywhere = ["full_attention"] * 24
    ledger = ledger_of(released.GPT_OSS_20B | {"layer_types": everywhere})
    assert memory.state_bytes(ledger, 8192, "bf16") == 24 * 8192 * 2 * 8 * 64 * 2 == 402_653_184


def test_weights_of_mixtral_are_the_bytes_of_its_checkpoint():
    # metadata.total_size of model.safetensors.index.json
    assert memory.weight_bytes(ledger_of(released.MIXTRAL_8X7B), BF16) == 93_405_585_408


def test_buffers_are_stored_in_their_own_format():
    ledger = ledger_of(released.DEEPSEEK_V3)
    # 58 routers keep 256 correction biases of 4 bytes
    assert memory.weight_bytes(ledger, BF16) == 2 * 671_026_404_352 + 4 * 14_848
    assert memory.weight_bytes(ledger, Precision("fp32")) == 4 * (671_026_404_352 + 14_848)
    beside = memory.weight_bytes(ledger, BF16, Component.MTP)
    assert beside == 2 * (11_610_068_224 - 256) + 4 * 256


def test_a_tied_head_is_stored_once():
    assert memory.weight_bytes(ledger_of(released.QWEN3_0_6B), BF16) == 2 * 596_049_920


# ------------------------------------------------------------------------------------------------- growth

FULL = GQA(heads=4, kv_heads=2, head_dim=16)
WINDOW = GQA(heads=4, kv_heads=2, head_dim=16, window=100)
CHUNK = GQA(heads=4, kv_heads=2, head_dim=16, chunk=100)
LATENT = MLA(heads=4, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16)
RECURRENT = Mamba2(heads=4, head_dim=16, state_size=8, groups=2, conv_kernel=4)
KV = 2 * 2 * 16  # keys and values of two heads of 16


def test_full_attention_grows_by_its_keys_and_values_at_any_context():
    ledger = of(FULL, pattern="a*3")
    for context in (1, 100, 10**6):
        assert memory.state_bytes_per_token(ledger, context, "bf16") == 3 * KV * 2
        assert memory.state_bytes(ledger, context, "bf16") == 3 * KV * 2 * context


@pytest.mark.parametrize("mixer", [WINDOW, CHUNK], ids=["window", "chunk"])
def test_a_window_grows_until_it_is_full(mixer):
    ledger = of(mixer, pattern="a*3")
    assert memory.state_bytes_per_token(ledger, 99, "bf16") == 3 * KV * 2
    assert memory.state_bytes_per_token(ledger, 100, "bf16") == 0
    assert memory.state_elements(ledger, 99) == 3 * KV * 99
    assert memory.state_elements(ledger, 100) == memory.state_elements(ledger, 10**6) == 3 * KV * 100


def test_only_the_layers_that_grow_count_per_token():
    ledger = of(FULL, WINDOW, RECURRENT, pattern="(a b c)*2")
    assert memory.state_bytes_per_token(ledger, 1000, "bf16") == 2 * KV * 2
    assert memory.state_bytes_per_token(ledger, 50, "bf16") == 4 * KV * 2


def test_recurrent_state_is_constant_and_in_its_own_format():
    ledger = of(RECURRENT)
    assert memory.state_bytes_per_token(ledger, 1000, "bf16") == 0
    # x, B and C pass a convolution of 4 taps, of which 3 columns stay; a matrix of 16 x 8 per head
    columns, matrix = (4 * 16 + 2 * 2 * 8) * 3, 4 * 16 * 8
    for context in (1, 1000):
        assert memory.state_elements(ledger, context) == columns + matrix
        assert memory.state_bytes(ledger, context, "bf16") == 2 * columns + 4 * matrix
        # A quantized cache is one of tokens: engines keep a convolution's columns at 16 bits.
        assert memory.state_bytes(ledger, context, "fp8") == 2 * columns + 4 * matrix


def test_an_entry_per_block_grows_by_its_share():
    mixer = CompressedAttention(
        heads=4, head_dim=16, q_lora_rank=8, o_groups=2, o_lora_rank=8, window=10, rate=8
    )
    ledger = of(mixer)
    # behind a full window of 10 tokens, one entry of 16 elements for every 8 tokens
    assert memory.state_bytes_per_token(ledger, 1000, "bf16") == 16 * 2 * Fraction(1, 8) == 4
    grown = memory.state_bytes(ledger, 1800, "bf16") - memory.state_bytes(ledger, 1000, "bf16")
    assert grown == 800 * 4
    # 10 window slots, 125 closed blocks, no open one
    assert memory.state_elements(ledger, 1000) == (10 + 125) * 16
    # three tokens further: keys' and values' sums of the open block wait for it to close
    assert memory.state_elements(ledger, 1003) == (10 + 125) * 16 + 3 * 2 * 16


def test_a_latent_is_stored_once_whatever_the_heads():
    assert memory.state_elements(of(LATENT), 1000) == (32 + 8) * 1000
    many = MLA(heads=64, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=16)
    assert memory.state_elements(of(many), 1000) == (32 + 8) * 1000


def test_sparse_attention_stores_all_and_reads_its_top_k_and_every_indexer_key():
    sparse = MLA(
        heads=4,
        kv_lora_rank=32,
        qk_nope_head_dim=16,
        qk_rope_head_dim=8,
        v_head_dim=16,
        indexer=Indexer(heads=2, head_dim=4, top_k=64),
    )
    ledger = of(sparse)
    assert memory.state_bytes(ledger, 1000, "bf16") == 2 * (32 + 8 + 4) * 1000
    assert memory.state_bytes_read(ledger, 1000, "bf16") == 2 * ((32 + 8) * 64 + 4 * 1000)
    assert memory.state_bytes_read(ledger, 10, "bf16") == memory.state_bytes(ledger, 10, "bf16")


@pytest.mark.parametrize(("pooled", "keys"), [(True, 1000 // 64), (False, 1000)])
def test_index_keys_are_read_once_for_a_pooled_block_and_each_for_one_judged_by_its_best(pooled, keys):
    # The mean key of a closed block never changes, so that an engine can keep it.
    blocks = BlockIndexer(heads=2, head_dim=8, block_size=64, top_k=4, pooled=pooled)
    ledger = of(GQA(heads=4, kv_heads=2, head_dim=16, indexer=blocks))
    attended = 4 * 64 + (63 if pooled else 0)
    assert memory.state_bytes(ledger, 1000, "bf16") == 2 * (KV + 8) * 1000
    assert memory.state_bytes_read(ledger, 1000, "bf16") == 2 * (KV * attended + 8 * keys)


def test_the_cache_format_changes_the_cache_alone():
    ledger = of(FULL)
    for name, size in (("fp32", 4), ("bf16", 2), ("fp8", 1), ("int4", Fraction(1, 2))):
        assert memory.state_bytes(ledger, 1000, name) == KV * 1000 * size
        assert memory.state_bytes_per_token(ledger, 1000, name) == KV * size


def test_the_batch_multiplies():
    ledger = of(FULL, WINDOW, RECURRENT)
    assert memory.state_bytes(ledger, 500, "bf16", 7) == 7 * memory.state_bytes(ledger, 500, "bf16")
    assert memory.state_bytes_read(ledger, 500, "bf16", 7) == 7 * memory.state_bytes_read(ledger, 500, "bf16")


def test_transformers_reserves_a_token_less_of_a_window_and_a_column_more_of_a_convolution():
    ledger = of(FULL, WINDOW, RECURRENT)
    logical = memory.state_elements(ledger, 500)
    reserved = memory.state_elements(ledger, 500, "transformers")
    assert reserved == logical - KV + (4 * 16 + 2 * 2 * 8)


def test_an_unknown_runtime_is_refused_with_those_there_are():
    with pytest.raises(InputError, match="`tgi`") as caught:
        memory.state_bytes(of(FULL), 10, "bf16", runtime="tgi")
    assert "transformers" in caught.value.hint


def test_the_rows_of_the_state_sum_to_it():
    ledger = of(FULL, WINDOW, RECURRENT)
    rows = sum(memory.state_row_bytes(state, 500, "bf16") for state in ledger.states)
    assert rows == memory.state_bytes(ledger, 500, "bf16")


UNEVEN = {SlotsKind.BLOCKS, SlotsKind.REMAINDER, SlotsKind.OVERLAP}


@pytest.mark.parametrize("config", [pytest.param(config, id=name) for name, config in small_configs()])
def test_growth_is_the_difference_one_token_makes(config):
    ledger = read_config(config).architecture.lower_to_ledger()
    blocks = [state.slots.size for state in ledger.states if state.slots.kind in UNEVEN]
    # Entries per block come one by one: what is said is their mean over a stretch of whole blocks.
    stretch = lcm(*blocks)
    for context in [stretch * 1000] if blocks else (1, 7, 16, 63, 64, 1000):
        before, after = (
            memory.state_bytes(ledger, tokens, "bf16") for tokens in (context, context + stretch)
        )
        assert after - before == stretch * memory.state_bytes_per_token(ledger, context, "bf16")
