"""Amounts as people type them."""

from decimal import Decimal

import pytest

from moecalc.errors import InputError
from moecalc.specs import money


def test_amounts():
    assert money.usd("--price", "2.50") == money.usd("--price", "$2.50") == Decimal("2.5")
    assert money.usd("--price", 2.95) == Decimal("2.95")  # the digits that were typed, not the binary value
    assert money.usd("--hardware-price", "30,000") == 30_000
    assert money.usd("--electricity", 0, free=True) == 0
    assert (
        money.watts("--power", "700W")
        == money.watts("--power", "0.7kW")
        == money.watts("--power", 700)
        == 700
    )
    assert money.hours("--lifetime", "4y") == 4 * Decimal("365.25") * 24
    assert money.hours("--lifetime", "36mo") == 3 * Decimal("365.25") * 24
    assert money.hours("--lifetime", "10d") == money.hours("--lifetime", "240h") == 240
    assert money.share("--busy", "60%") == money.share("--busy", 0.6) == Decimal("0.6")


@pytest.mark.parametrize(
    ("read", "option", "value"),
    [
        (money.usd, "--price", "0"),
        (money.usd, "--price", 0),
        (money.usd, "--price", "-2.5"),
        (money.usd, "--price", "two"),
        (money.usd, "--price", "2.50/h"),
        (money.usd, "--price", "nan"),
        (money.usd, "--price", float("inf")),
        (money.usd, "--price", True),
        (money.usd, "--price", "1e30"),
        (money.usd, "--price", "1e-30"),
        (money.watts, "--power", "0W"),
        (money.watts, "--power", "2MW"),
        (money.watts, "--power", "2000kW"),
        (money.hours, "--lifetime", "101y"),
        (money.share, "--busy", "1e-9"),
        (money.watts, "--power", "700V"),
        (money.watts, "--power", "-1W"),
        (money.hours, "--lifetime", "4"),
        (money.hours, "--lifetime", "4 years"),
        (money.hours, "--lifetime", "0y"),
        (money.share, "--busy", "0"),
        (money.share, "--busy", "60"),
        (money.share, "--busy", "-0.1"),
        (money.share, "--busy", "1.01"),
    ],
)
def test_amounts_that_cannot_be_are_refused_by_name(read, option, value):
    with pytest.raises(InputError) as caught:
        read(option, value)
    assert option in caught.value.message
    assert str(value) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("option", "per", "most", "beyond", "said"),
    [
        ("--price", "per GPU-hour", "1000", "30000", "`--hardware-price` is what a GPU costs to buy"),
        ("--electricity", "per kWh", "10", "12", "12 cents are `--electricity 0.12`"),
        ("--hardware-price", "per GPU", "10,000,000", "1e8", "at most 10,000,000 USD per GPU"),
    ],
)
def test_amounts_of_another_unit_are_refused(option, per, most, beyond, said):
    assert money.usd(option, most, per=per) == Decimal(most.replace(",", ""))
    with pytest.raises(InputError) as caught:
        money.usd(option, beyond, per=per)
    assert caught.value.message == f"`{option}` is {beyond}"
    assert said in caught.value.hint
