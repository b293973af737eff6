"""What leaves a domain of fast links, against the published lower bounds worked out by hand."""

from math import comb

import pytest

import moecalc
from moecalc.errors import InputError
from moecalc.specs.fleet import parse, with_network


def sent(model, gpu, batch=1, **how):
    return moecalc.speed(model, gpu, batch=batch, context=4096, **how).communication


def test_an_all_reduce_over_two_domains_sums_inside_each_first():
    """Llama 3.1 70B: 8,192 elements of 2 bytes, 2 sums in each of 80 layers and one of the embedding."""
    found = sent("llama-3.1-70b", "16xh100", plan={"tp": 16})
    vector = 8192 * 2 * 161
    assert found.sent_bytes == pytest.approx(2 * 15 / 16 * vector)
    assert found.network_bytes == pytest.approx(2 * (1 / 2) / 8 * vector)  # 2 (m - 1) / (m g)
    assert found.sent_bytes - found.network_bytes == pytest.approx(2 * 7 / 8 * vector)  # 2 (g - 1) / g
    assert (found.domain, found.domains, found.network) == (8, 2, 50 * 10**9)
    assert found.seconds == pytest.approx(2 * 7 / 8 * vector / 450e9)  # the longer of two that run at once


def test_a_slow_network_is_the_longer_of_both():
    found = sent("llama-3.1-70b", "16xh100", plan={"tp": 16}, network="10Gb/s")
    assert found.seconds == pytest.approx(2 * (1 / 2) / 8 * 8192 * 2 * 161 / 1.25e9)


def test_an_all_to_all_sends_a_token_once_to_each_other_domain():
    """DeepSeek-V3: 8 experts of 4 groups of 8, four of which are on the other domain: it is missed by those chosen."""
    found = sent("deepseek-v3", "16xh200", batch=16, plan={"ep": 16, "dp": 16})
    (exchange,) = (t for t in found.transfers if t.name == "all-to-all")
    missed = sum(
        comb(4, there) * comb(4, 4 - there) / comb(8, 4) * comb(128 - 32 * there, 8) / comb(128, 8)
        for there in range(5)
    )
    assert exchange.network_bytes == pytest.approx(58 * 2 * 7168 * 2 * (1 - missed))
    assert exchange.network_bytes < exchange.sent_bytes


def test_a_pipeline_crosses_once_between_two_domains():
    found = sent("llama-3.1-70b", "16xh100", plan={"tp": 4, "pp": 4})
    (passed,) = (t for t in found.transfers if t.name == "pipeline send")
    assert passed.network_bytes == pytest.approx(passed.sent_bytes / 3)
    assert all(t.network_bytes == 0 for t in found.transfers if t is not passed)


def test_one_domain_has_no_network():
    for gpu, tp in (("8xh100", 8), ("16xgb200", 16)):
        found = sent("llama-3.1-70b", gpu, plan={"tp": tp})
        assert (found.domains, found.network_bytes) == (1, 0)
        assert found.seconds == pytest.approx(found.sent_bytes / found.link)


def test_the_default_is_what_the_catalogue_says():
    typed = sent("llama-3.1-70b", "16xh100", plan={"tp": 16}, network="400Gb/s")
    assert typed == sent("llama-3.1-70b", "16xh100", plan={"tp": 16})


def test_where_no_network_is_known_there_is_no_time():
    found = sent("llama-3.1-70b", "16xa100", plan={"tp": 16})
    assert (found.network, found.seconds) == (None, None)
    assert found.network_bytes > 0


@pytest.mark.parametrize(
    ("text", "rate"), [("400Gb/s", 50e9), ("400 Gbit/s", 50e9), ("200Gbps", 25e9), ("50GB/s", 50e9)]
)
def test_a_network_is_typed_in_bits_or_bytes(text, rate):
    (group,) = with_network(parse("16xh100"), text).groups
    assert group.device.network.bytes_per_second == rate


@pytest.mark.parametrize("text", ["400", "fast", "0GB/s", "0Gb/s", "-50GB/s", ""])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(InputError, match="network"):
        with_network(parse("16xh100"), text)
