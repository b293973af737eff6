"""What the hottest experts take off slow memory."""

import pytest

from moecalc.calc.routing.inclusion import layers_of
from moecalc.calc.routing.residency import residency
from moecalc.ir.rows import Pool
from moecalc.specs.routing import parse_law

POOL = Pool(128, 8)


def test_uniform_choice_hits_the_share_that_is_held():
    found = residency(layers_of(parse_law("uniform"), POOL), 0.25, 1)
    assert (found.held, found.held_share) == (32, 0.25)
    assert found.hit_share == pytest.approx(0.25)
    assert found.missed_share * 128 == pytest.approx(8 * 0.75)
    assert found.read_share * 128 == pytest.approx(8 * 0.25)


def test_a_skew_hits_more_and_one_token_misses_what_does_not_hit():
    found = residency(layers_of(parse_law("zipf:1"), POOL), 0.25, 1)
    assert found.hit_share > 0.6
    assert found.missed_share * 128 == pytest.approx(8 * (1 - found.hit_share))


def test_ends():
    layers = layers_of(parse_law("zipf:1"), POOL)
    assert residency(layers, 1.0, 64).hit_share == 1
    assert residency(layers, 1.0, 64).missed_share == 0
    assert residency(layers, 0.0, 64).hit_share == 0
    assert residency(layers, 59 / 128, 1).held == 59
