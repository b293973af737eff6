"""When a stored shape is a row's: by hand, for each way of writing one."""

import pytest

from moecalc.checks.expected import Row
from moecalc.checks.shapes import fits, is_cut
from moecalc.ir.dims import Dim, axis, concat
from moecalc.ir.roles import Role
from moecalc.ir.rows import Weight
from moecalc.sources.layouts.layout import parse

HEADS, HEAD_DIM, HIDDEN = Dim("heads", 4), Dim("head_dim", 6), Dim("hidden_size", 10)
EXPERTS, INNER = Dim("experts", 3), Dim("moe_intermediate_size", 8)


def row(*sides):
    return Row(Weight(role=Role.FFN_UP, shape=sides), 0)


@pytest.mark.parametrize(
    ("stored", "entry", "fitting"),
    [
        ((24, 10), "ffn.up", True),
        ((10, 24), "ffn.up", False),
        ((10, 24), "ffn.up turned", True),
        ((12, 20), "ffn.up turned", False),
        ((240,), "ffn.up", False),
        ((4, 6, 10), "ffn.up", True),
        ((6, 4, 10), "ffn.up", False),
        ((1, 24, 10, 1), "ffn.up", True),
        ((), "ffn.up", False),
    ],
)
def test_a_matrix_of_heads(stored, entry, fitting):
    reading = parse(entry).readings[0]
    assert fits(stored, [row(axis(HEADS, HEAD_DIM), axis(HIDDEN))], reading) is fitting


@pytest.mark.parametrize(
    ("stored", "entry", "fitting"),
    [
        ((3, 8, 10), "ffn.up", True),
        ((24, 10), "ffn.up", False),
        ((24, 10), "ffn.up flat", True),
        ((30, 8), "ffn.up flat", False),
        ((30, 8), "ffn.up turned flat", True),
        ((3, 10, 8), "ffn.up", False),
        ((3, 10, 8), "ffn.up turned", True),
        ((8, 3, 10), "ffn.up turned flat", False),
    ],
)
def test_a_matrix_for_each_expert(stored, entry, fitting):
    reading = parse(entry).readings[0]
    assert fits(stored, [row(axis(EXPERTS), axis(INNER), axis(HIDDEN))], reading) is fitting


@pytest.mark.parametrize(
    ("stored", "fitting"), [((2, 4, 10), True), ((4, 2, 10), True), ((2, 8, 10), False), ((2, 10, 4), False)]
)
def test_shared_experts_for_themselves(stored, fitting):
    assert fits(stored, [row(axis(INNER), axis(HIDDEN))], parse("ffn.up led").readings[0]) is fitting


@pytest.mark.parametrize(
    ("pieces", "cut"),
    [
        ([(10, 10), (14, 10)], True),
        ([(24, 4), (24, 6)], True),
        ([(24, 5), (24, 6)], False),
        ([(1, 10), (23, 10)], True),
        ([(12, 10), (10, 12)], False),
        ([(4, 1, 10), (4, 5, 10)], True),
        ([(4, 2, 10), (4, 4, 10)], True),
        ([(10,), (23, 10)], False),
        ([(120,), (120,)], False),
    ],
)
def test_pieces_end_to_end(pieces, cut):
    whole = row(axis(HEADS, HEAD_DIM), axis(HIDDEN))
    assert is_cut(pieces, whole, [False] * len(pieces)) is cut


def test_latent_keys_and_values_as_llama_cpp_keeps_them():
    """`attn_k_b` [heads, rank, nope] is turned round, `attn_v_b` [heads, v, rank] is not."""
    kv_b = row(axis(HEADS, Dim("nope_and_v", 7)), axis(Dim("kv_lora_rank", 5)))
    assert is_cut([(4, 5, 3), (4, 4, 5)], kv_b, [True, False])
    assert not is_cut([(4, 5, 3), (4, 4, 5)], kv_b, [False, False])
    assert not is_cut([(4, 5, 3), (4, 5, 5)], kv_b, [True, False])


def test_single_numbers_make_a_vector():
    assert is_cut([(1,), ()], row(axis(Dim("pair", 2))), [False, False])
    assert not is_cut([(1,), (), ()], row(axis(Dim("pair", 2))), [False] * 3)


def test_a_side_of_parts_is_never_written_out():
    side = concat(axis(HEADS), axis(HEAD_DIM))
    assert fits((10, 10), [row(side, axis(HIDDEN))], parse("ffn.up").readings[0])
    assert not fits((4, 6, 10), [row(side, axis(HIDDEN))], parse("ffn.up").readings[0])
