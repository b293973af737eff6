"""No published measurement is faster than the ceiling that holds whatever the routing, but two that are explained."""

import pytest

from moecalc.specs.measurements import measurements
from tests.accuracy.fit import ceilings
from tests.accuracy.rows import is_decode, resident

BY_ID = {row.id: row for row in measurements()}

EXPLAINED = {
    "m2367": "128 requests at once of 9,216 tokens do not fit into one H200 beside 70 GB of weights",
    "m2375": "nor do 64",
}


@pytest.fixture(scope="module")
def limits():
    return ceilings()


def test_no_ceiling_is_beaten(limits):
    assert {limit.id for limit in limits if limit.measured < limit.unconditional} == EXPLAINED.keys()


def test_beaten_batches_do_not_fit():
    for name in EXPLAINED:
        assert BY_ID[name].regime == "served"
        assert resident(BY_ID[name]) < BY_ID[name].batch


def test_dense_models_and_single_sequences_never_beat_the_uniform_one_either(limits):
    beaten = {limit.id for limit in limits if limit.measured < limit.uniform} - EXPLAINED.keys()
    for name in beaten:
        assert BY_ID[name].batch > 1, name
        assert is_decode(BY_ID[name]), name
