"""Formulas over named sizes, held against plain ints: what they come to is what the ints come to."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moecalc.ir.numeric import fraction, whole
from moecalc.ir.symbolic import Polynomial, Table, size

NAMES = ("a", "b", "c")
SIZES = st.tuples(*[st.integers(1, 10_000)] * 3)


def expressions(leaves):
    two = st.tuples(leaves, leaves)
    return st.one_of(
        st.tuples(st.just("+"), two),
        st.tuples(st.just("-"), two),
        st.tuples(st.just("*"), two),
        st.tuples(st.just("//"), st.tuples(leaves, st.integers(1, 300))),
        st.tuples(st.just("up"), st.tuples(leaves, st.integers(1, 300))),
    )


TREES = st.recursive(st.one_of(st.sampled_from(NAMES), st.integers(-5, 50)), expressions, max_leaves=8)


def evaluate(tree, sizes):
    if isinstance(tree, str):
        return sizes[tree]
    if isinstance(tree, int):
        return tree
    sign, (one, two) = tree
    left = evaluate(one, sizes)
    right = evaluate(two, sizes)
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    return left // right if sign == "//" else -(-left // right)


@given(TREES, st.lists(SIZES, min_size=1, max_size=4))
def test_a_formula_comes_to_what_ints_come_to(tree, rows):
    formula = evaluate(tree, {name: size(name) for name in NAMES})
    columns = dict(zip(NAMES, zip(*rows, strict=True), strict=True))
    wanted = [evaluate(tree, dict(zip(NAMES, row, strict=True))) for row in rows]
    assert list(Table(columns, len(rows)).values(formula)) == wanted


def test_what_is_divided_by_and_multiplied_with_again_leaves_no_trace():
    experts, top_k, width = size("experts"), size("top_k"), size("width")
    share = fraction(top_k, experts)
    assert (experts * width * share).key == "1*top_k*width"


def test_a_figure_that_stays_divided_is_refused():
    with pytest.raises(TypeError, match="divided by `b`"):
        Table({"a": [1], "b": [2]}, 1).values(size("a") / size("b"))


def test_fractions_come_out_as_ints_where_they_are_whole():
    values = Table({"a": [3, 4]}, 2).values(size("a") / 2)
    assert values == [Fraction(3, 2), 2]
    assert isinstance(values[1], int)


@pytest.mark.parametrize(
    "operation",
    [
        lambda a: a < 3,
        lambda a: min(a, 3),
        lambda a: a % 2,
        int,
        lambda a: a / (a + 1),
        lambda a: a * 0.5,
        range,
        lambda a: 7 // a,
    ],
)
def test_what_a_formula_cannot_tell_is_no_guess(operation):
    with pytest.raises(TypeError):
        operation(size("a"))


def test_equal_formulas_are_one_key():
    one, two = size("a") * size("b") + 2, 2 + size("b") * size("a")
    assert one == two
    assert hash(one) == hash(two)
    assert one - two == 0
    assert not bool(one - two)
    assert isinstance(one, Polynomial)


def test_plain_numbers_divide_as_before():
    assert fraction(6, 4) == Fraction(3, 2)
    assert isinstance(fraction(6, 3), Fraction)
    assert isinstance(whole(fraction(6, 3)), int)
