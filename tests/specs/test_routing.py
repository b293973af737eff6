"""Laws of routing as they are typed."""

import pytest

from moecalc.errors import InputError
from moecalc.specs.routing import UNIFORM_SKEW, parse_law


def test_laws():
    assert parse_law(" Uniform ") is UNIFORM_SKEW
    assert (parse_law("zipf:1.2").law, parse_law("zipf:1.2").parameter) == ("zipf", 1.2)
    assert parse_law("dirichlet:0.5").words == "dirichlet:0.5"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("even", "no routing law `even`"),
        ("uniform:1", "no parameter"),
        ("zipf", "exponent of `zipf` is missing"),
        ("zipf:", "is missing"),
        ("zipf:steep", "is `steep`"),
        ("zipf:-0.1", "out of range"),
        ("zipf:nan", "out of range"),
        ("zipf:inf", "out of range"),
        ("zipf:21", "out of range"),
        ("dirichlet:0", "out of range"),
        ("dirichlet:1e9", "out of range"),
    ],
)
def test_laws_that_are_none(text, said):
    with pytest.raises(InputError, match=said):
        parse_law(text)
