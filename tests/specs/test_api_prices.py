"""API prices against the package they come from: which ids are which model, and what a request costs."""

import datetime as dt
import sys
from decimal import Decimal

import pytest

from moecalc.errors import InputError
from moecalc.sources import catalog
from moecalc.specs.api_prices import ApiPrice, aliases, api_prices

ON = dt.date(2026, 11, 20)


def of(model, prompt=8192, on=ON):
    spec = catalog.load(catalog.find(model))
    return api_prices(model, (*spec.aliases, *spec.hub), prompt, on)


def package():
    from genai_prices.data import providers

    return {provider.id: provider for provider in providers}


def test_a_request_by_hand():
    price = ApiPrice(
        provider="p",
        model="m",
        matched="name",
        input_usd=Decimal("0.50"),
        output_usd=Decimal(2),
        cached_usd=Decimal("0.05"),
        since=None,
    )
    # 2,000 x 0.50 + 6,000 x 0.05 + 1,000 x 2 = 3,300 dollars per million requests
    assert price.request_usd(2000, 6000, 1000) == Decimal("0.0033")


def test_cached_input_without_a_price_of_its_own_costs_what_input_costs():
    price = ApiPrice(
        provider="p",
        model="m",
        matched="name",
        input_usd=Decimal("0.50"),
        output_usd=Decimal(2),
        cached_usd=None,
        since=None,
    )
    assert price.request_usd(2000, 6000, 1000) == Decimal("0.006")


@pytest.mark.parametrize(
    "model", ["gpt-oss-120b", "deepseek-v3.2", "llama-3.3-70b", "glm-5.2", "kimi-k2", "deepseek-v4-pro"]
)
@pytest.mark.oracle
def test_every_price_is_what_the_package_itself_calculates(model):
    from genai_prices import Usage

    found = of(model)
    assert len(found.prices) >= 4
    providers = package()
    for price in found.prices:
        provider = providers[price.provider]
        offered = next(entry for entry in provider.models if entry.id == price.model)
        hour, minute = (
            (int(part) for part in price.hours.split()[1].rstrip(",").split(":")) if price.hours else (12, 0)
        )
        calculated = offered.calc_price(
            Usage(input_tokens=8192, cache_read_tokens=5734, output_tokens=1024),
            provider,
            genai_request_timestamp=dt.datetime(ON.year, ON.month, ON.day, hour, minute, tzinfo=dt.UTC),
        )
        assert price.request_usd(8192 - 5734, 5734, 1024) == calculated.total_price, (
            price.provider,
            price.model,
        )


@pytest.mark.oracle
def test_prices_that_rise_with_the_prompt_do_so_here():
    from genai_prices import Usage

    # The package has tiers of one catalogue model at least; all of them are held to its own arithmetic.
    providers, seen = package(), 0
    for name in ("minimax-m3", "qwen3-coder-480b-a35b", "gemini-1.5-pro"):
        for price in of(name, prompt=600_000).prices:
            provider = providers[price.provider]
            offered = next(entry for entry in provider.models if entry.id == price.model)
            calculated = offered.calc_price(
                Usage(input_tokens=600_000, output_tokens=1000),
                provider,
                genai_request_timestamp=dt.datetime(ON.year, ON.month, ON.day, 12, tzinfo=dt.UTC),
            )
            assert price.request_usd(600_000, 0, 1000) == calculated.total_price
            seen += price.input_usd != next(
                (
                    p.input_usd
                    for p in of(name, prompt=1).prices
                    if (p.provider, p.model) == (price.provider, price.model)
                ),
                None,
            )
    assert seen >= 1


def test_a_price_that_changes_over_the_day_is_told_with_its_hours():
    prices = [price for price in of("deepseek-v4-pro").prices if price.provider == "deepseek"]
    assert {price.hours for price in prices} == {"from 00:00, 04:00, 10:00 UTC", "from 01:00, 06:00 UTC"}
    assert max(price.output_usd for price in prices) > min(price.output_usd for price in prices)


def test_a_day_picks_the_price_that_held():
    def routed(on):
        return {(price.provider, price.model): price for price in of("deepseek-v3.2", on=on).prices}[
            "openrouter", "deepseek/deepseek-v3.2"
        ]

    before, after = routed(dt.date(2026, 10, 18)), routed(dt.date(2026, 11, 9))
    assert before.since is None
    assert after.since == dt.date(2026, 11, 9)
    assert before.output_usd != after.output_usd


def test_the_newest_date_is_none_of_the_future():
    assert of("gpt-oss-120b").newest <= ON


def test_what_reads_like_the_model_and_is_not_is_left_out_and_said():
    found = of("deepseek-v4-flash")
    assert ("deepseek", "deepseek-v4-flash") not in {(price.provider, price.model) for price in found.prices}
    assert [(entry.provider, entry.model) for entry in found.excluded] == [("deepseek", "deepseek-v4-flash")]


def test_nothing_is_matched_by_resemblance():
    matched = {
        (price.provider, price.model)
        for name in ("gpt-4", "glm-5", "kimi-k2", "deepseek-v3")
        for price in of(name).prices
    }
    for provider, model in (
        ("openai", "gpt-4-turbo"),
        ("zhipuai", "GLM-5-Turbo"),
        ("moonshotai", "kimi-k2.5"),
        ("moonshotai", "kimi-k2-turbo-preview"),
        ("deepseek", "deepseek-chat"),
        ("openrouter", "deepseek/deepseek-chat:free"),
    ):
        assert any(entry.id == model for entry in package()[provider].models)
        assert (provider, model) not in matched


def test_every_alias_names_an_id_of_the_package_and_a_model_of_the_catalogue():
    providers = package()
    for alias in aliases().aliases:
        offered = next(entry for entry in providers[alias.provider].models if entry.id == alias.model)
        assert offered.name == alias.name
        assert alias.means in catalog.files()
        assert [
            price.matched
            for price in of(alias.means).prices
            if (price.provider, price.model) == (alias.provider, alias.model)
        ]


def test_every_exclusion_would_be_matched_by_its_name():
    for entry in aliases().excluded:
        assert any(offered.id == entry.model for offered in package()[entry.provider].models)
        assert entry in of(entry.model.removesuffix("-instruct")).excluded


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices.data", None)
    with pytest.raises(InputError) as caught:
        of("gpt-oss-120b")
    assert "not installed" in caught.value.message
    assert caught.value.hint == "`pip install 'moecalc[prices]'`"
