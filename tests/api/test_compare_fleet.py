"""`compare` on devices whose number was named, at prices that were given."""

from decimal import Decimal

import pytest

from moecalc.api import compare, load
from moecalc.errors import InputError
from tests.calc.released import LLAMA_13B, MIXTRAL_8X7B


@pytest.fixture(scope="module")
def models():
    return load(MIXTRAL_8X7B), load(LLAMA_13B)


def test_all_models_stand_on_the_number_named(models):
    found = compare(*models, gpu="4xh100")
    assert [entry.gpus for entry in found.entries] == [4, 4]
    assert [entry.report["fit.gpus"].value for entry in found.entries] == [2, 1]
    # a cell is of four devices: the step that four read, at four rents
    alone = compare(*models, gpu="h100")
    assert found.entries[1].cells[0].gpu_seconds == pytest.approx(alone.entries[1].cells[0].gpu_seconds)
    assert (
        found.entries[1].report["fit.max_sequences"].value
        > 4 * alone.entries[1].report["fit.max_sequences"].value
    )


def test_a_model_that_they_do_not_hold_says_how_many_would(models):
    mixtral, llama = compare(*models, gpu="1xh100").entries
    assert {cell.gpus_needed for cell in mixtral.cells[:1]} == {2}
    assert all(cell.gpu_seconds is None for cell in mixtral.cells)
    assert mixtral.report["fit.max_sequences"].value == 0
    assert llama.cells[0].gpu_seconds is not None


def test_prices_are_those_given(models):
    listed, given = compare(*models).entries[0].cells[0], compare(*models, price="5.90").entries[0].cells[0]
    assert given.usd_per_million == pytest.approx(2 * listed.usd_per_million)  # $2.95 is the list price
    half = compare(*models, utilization="50%").entries[0].cells[0]
    assert half.usd_per_million == pytest.approx(2 * listed.usd_per_million)
    own = compare(
        *models, hardware_price=35_064, lifetime="4y", electricity="0.1", pue="1.5", host_power="300W"
    )
    # $1 per hour written off, and (700 + 300) W x 1.5 x $0.1 per kWh
    assert own.device.usd_per_hour == Decimal("1.15")
    assert own.entries[0].cells[0].usd_per_million == pytest.approx(listed.usd_per_million * 1.15 / 2.95)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"gpu": "h100,h200"}, "one kind of device"),
        ({"gpu": "h100 + h200"}, "one kind of device"),
        ({"gpu": "0xh100"}, "0"),
        ({"price": 0}, "--price"),
        ({"utilization": 2}, "--utilization"),
        ({"lifetime": "3y"}, "belongs to own hardware"),
    ],
)
def test_what_cannot_be_is_refused(models, options, named):
    with pytest.raises(InputError, match=named):
        compare(*models, **options)
