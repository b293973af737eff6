"""Rules of reservation beyond what logs show: see test_engine_logs.py for those."""

import pytest

from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.calc.deploy.sharding import rank_ledger
from moecalc.calc.serving.reservation import (
    Cells,
    LayerCache,
    cell_buffers,
    layer_caches,
    logical_bytes,
    naive_bytes,
    pool,
)
from moecalc.errors import UndeterminedError
from moecalc.ir.rows import Ledger
from moecalc.specs.plan import Plan

GIB = 2**30


def ledger(name: str) -> Ledger:
    found = load(name)
    assert isinstance(found, Model)
    return found.ledger


def test_without_the_hybrid_manager_every_layer_keeps_every_token() -> None:
    caches = layer_caches(ledger("gemma-3-27b"), "bf16")
    one = pool(caches, 16, hybrid=False)
    assert len(one.groups) == 1
    # 62 layers x 2 x 16 heads x 128 x 2 bytes, at every one of 131,072 tokens
    assert one.reserved_bytes(131_072, 8192) == 62 * 2 * 16 * 128 * 2 * 131_072
    assert one.reserved_bytes(131_072, 8192) > 4 * pool(caches, 16).reserved_bytes(131_072, 8192)


def test_a_model_of_windows_alone_keeps_windows() -> None:
    """Mistral 7B v0.1: all layers see 4,096 tokens."""
    one = pool(layer_caches(ledger("mistral-7b"), "bf16"), 16)
    assert [len(group.layers) for group in one.groups] == [32]
    assert one.groups[0].cache.kind == "window"
    assert one.request_blocks(32_768, 2048) == -(-(4095 + 2048) // 16) + 1
    assert one.request_blocks(100, 2048) == 7 + 1


def test_decode_context_ranks_deal_out_the_tokens_of_a_latent() -> None:
    whole = ledger("deepseek-v3")
    alone = pool(layer_caches(rank_ledger(whole, Plan(tensor=8)), "bf16"), 64)
    dealt = pool(layer_caches(rank_ledger(whole, Plan(tensor=8, decode_context=8)), "bf16"), 64)
    assert alone.block_bytes == dealt.block_bytes == 64 * 61 * 576 * 2
    assert alone.request_blocks(131_072, 0) == 8 * dealt.request_blocks(131_072, 0) == 2048
    assert dealt.tokens(1000, 131_072, 0) == 8 * alone.tokens(1000, 131_072, 0) == 8 * 64_000


def test_pages_of_a_pipeline_stage_hold_its_own_layers() -> None:
    caches = layer_caches(ledger("llama-3.1-70b"), "bf16")
    whole = pool(caches, 16)
    stages = [pool(caches, 16, here=range(start, start + 20)) for start in range(0, 80, 20)]
    assert sum(stage.block_bytes for stage in stages) == whole.block_bytes
    assert {stage.request_blocks(4096, 0) for stage in stages} == {256}


def test_the_longest_context_is_the_last_that_fits() -> None:
    one = pool(layer_caches(ledger("gemma-3-27b"), "bf16"), 16)
    longest = one.longest_context(10_000, 2048, 2**32)
    assert one.request_blocks(longest, 2048) <= 10_000 < one.request_blocks(longest + 1, 2048)
    assert one.longest_context(1, 2048, 2**32) == 0
    assert one.longest_context(10_000, 2048, 1024) == 1024


def test_pages_that_no_whole_number_of_tokens_fills_are_not_guessed() -> None:
    caches = ((0, LayerCache("full", 1, 300)), (1, LayerCache("window", 512, 700)))
    with pytest.raises(UndeterminedError, match="no whole number of tokens"):
        pool(caches, 16)


@pytest.mark.parametrize(
    "of", [layer_caches, lambda rows, dtype: cell_buffers(rows, 4096, rule=Cells(key_dtype=dtype))]
)
def test_states_whose_layout_no_log_shows_are_not_guessed(of) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UndeterminedError, match="one slot per blocks") as told:
        of(ledger("deepseek-v4-flash"), "bf16")
    assert "generic" in (told.value.hint or "")


def test_the_naive_figure_is_that_of_every_head() -> None:
    """Llama 2 7B has as many key-value heads as heads: 2 GiB at 4,096 tokens in 16 bits, naive or not."""
    llama = ledger("llama-2-7b")
    assert naive_bytes(llama, 4096, 2) == logical_bytes(llama, 4096, "bf16") == 2 * GIB
    grouped = ledger("llama-3.1-8b")  # 8 of 32 heads have keys and values of their own
    assert naive_bytes(grouped, 4096, 2) == 4 * logical_bytes(grouped, 4096, "bf16")


def test_a_shared_buffer_has_the_cells_of_one_context() -> None:
    llama = ledger("llama-3.1-8b")
    own = cell_buffers(llama, 4096, 4, rule=Cells(key_dtype="fp16"))
    shared = cell_buffers(llama, 4096, 4, rule=Cells(key_dtype="fp16", unified=True))
    assert sum(buffer.bytes for buffer in own) == 4 * sum(buffer.bytes for buffer in shared) == 2 * GIB


def test_cells_are_padded() -> None:
    one, padded = (
        cell_buffers(ledger("llama-3.1-8b"), context, rule=Cells(key_dtype="fp16"))
        for context in (4097, 4352)
    )
    assert one == padded
