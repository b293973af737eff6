"""Verdicts against a model of two numbers: what holds whatever its cache, by arithmetic done again here."""

import re

import pytest
from msgspec.structs import replace

from moecalc.api.comparison import compare
from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.calc.comparing.demand import LOOKED_UP, StatedDemand
from moecalc.calc.comparing.deployment import smallest
from moecalc.calc.comparing.ranges import SAME
from moecalc.calc.comparing.unknown_cache import MOST_FLOPS_PER_STATE_BYTE, unknown_cache_findings
from moecalc.sources import catalog
from tests.calc.comparing.deployed import H100

LOADED = {name: load(name) for name in catalog.files()}
KNOWN = {name: model for name, model in LOADED.items() if isinstance(model, Model)}

TWO_NUMBERS_MISLEAD = {
    "zamba2-2.7b": "shared blocks are read several times a step",
    "hrm-text-1b": "its stacks are run several times a token",
    "longcat-flash": "some of the experts that a token chooses are empty",
}


@pytest.fixture(scope="module")
def found():
    return compare("70B-A12B:128x8", "llama-13b")


def said(comparison):
    return next(sentence for sentence in comparison.sentences if "whatever its cache" in sentence)


def test_dearer_without_a_cache_is_dearer_with_any(found):
    """70 B and 12 B by 128 x 8: 58 / 120 B an expert. 16 tokens miss an expert with (1 - 8 / 128)^16."""
    expert = 58 / 120
    dense, state = 13.015864320 - 32000 * 5120 / 1e9, 2048 * 800 * 1024 / 1e9
    ratio = {}
    for batch in range(1, 36):
        touched = 1 - (1 - 8 / 128) ** batch
        read = 2 * (
            70 - 12 / 4 - 128 * expert + 128 * expert * touched
        )  # GB in bf16, a quarter of 12 B looked up
        ratio[batch] = read / (2 * dense + batch * state)
    dearer = [batch for batch in ratio if ratio[batch] > 1.05]
    worst = max(ratio, key=ratio.get)
    assert f"batch {dearer[0]}-{dearer[-1]} whatever its cache" in said(found)
    assert f"by about {ratio[worst]:.1f}x or more, at {worst}" in said(found)
    assert f"reads {1 - (1 - 8 / 128) ** worst:.0%} of its experts" in said(found)


def test_cheaper_up_to_a_break_even_cache(found):
    """At batch 1 both read: 24 GB and a cache, against 25.7 GB and one of 800 KiB a token."""
    dense = 2 * (13.015864320e9 - 32000 * 5120) + 2048 * 800 * 1024
    mib = (dense - 24e9) / 2048 / 2**20
    match = re.search(r"at batch 1 as long as its cache is below about ([\d.]+) MiB per token", said(found))
    assert match is not None
    assert float(match[1]) == pytest.approx(mib, abs=0.01)
    assert "that of llama-13b: 800 KiB" in said(found)


def test_the_order_of_the_two_does_not_matter(found):
    assert said(compare("llama-13b", "70B-A12B:128x8")) == said(found)


def test_without_experts_nothing_cheaper_is_said():
    """All tokens on the same experts is the least: dearer holds under it, cheaper does not."""
    (verdict,) = (s for s in compare("70B-A12B", "llama-13b").sentences if "no verdict" in s)
    assert "70B-A12B:128x8" in verdict
    dear = compare("400B-A100B", "llama-13b").sentences
    assert any("whatever its cache" in s and "cheaper" not in s for s in dear)


def test_a_cache_that_its_devices_do_not_hold_is_no_cheaper_one():
    """One H100 beside 40 GB of weights: what is left, by 35 sequences of 2,048 tokens."""
    comparison = compare("20B-A2B:64x4", "llama-13b", gpu="1xh100")
    (finding,) = comparison.findings
    room = (comparison.device.usable_bytes - 40e9) / (35 * 2048)
    assert finding.runs == ((1, 35),)
    assert finding.filled == (True,)
    assert finding.cache_below[0] == pytest.approx(room)
    (sentence,) = (s for s in comparison.sentences if "cheaper" in s)
    assert f"below about {room / 1024:.0f} KiB per token, of which its devices hold 35 sequences" in sentence


def test_every_run_of_batches_has_its_own_limit():
    """Llama 3.1 8B against 30 B of which 27 / 120 B an expert: cheaper at 1-4, and again where most are touched."""
    (finding,) = (
        one for one in compare("30B-A3B:128x8", "llama-3.1-8b").findings if one.verdict == "cheaper"
    )
    expert = 27 / 120
    left = []
    for batch in range(1, 5):
        looked_up = (batch - 128256) * 4096 / 1e9  # a row for each sequence
        dense = 2 * (8.030261248 + looked_up) + batch * 4096 * 128 * 1024 / 1e9
        left.append((dense - 2 * (30 - 128 * expert * (1 - 8 / 128) ** batch)) * 1e9 / (batch * 4096))
    first, later = finding.cache_below
    assert finding.runs[0] == (1, 4)
    assert first == pytest.approx(min(left), rel=1e-6)
    assert later < first / 5


def test_attention_of_the_dearest_kind_stays_below_the_bound():
    """What a break-even cache computes, at most: the largest of the catalogue."""
    ratios_ = {}
    for name, model in KNOWN.items():
        demand = model.demand("bf16")
        keys = 2**14, 2**15
        flops, read = ([float(of(n)) for n in keys] for of in (demand.decode_flops, demand.state_bytes_read))
        if read[1] > read[0]:
            ratios_[name] = (flops[1] - flops[0]) / (read[1] - read[0])
    largest = max(ratios_, key=ratios_.get)
    assert ratios_[largest] <= MOST_FLOPS_PER_STATE_BYTE, (largest, ratios_[largest])
    assert ratios_["deepseek-v3"] == pytest.approx(2 * 128 * (576 + 512) / (576 * 2))


@pytest.mark.parametrize("name", KNOWN)
def test_no_model_is_dearer_than_itself(name):
    """Told by its two numbers, a model is not called dearer than itself, nor cheaper with the cache that it has."""
    model = KNOWN[name]
    known = model.demand("bf16")
    pools = [weight.pool for weight in model.ledger.weights if weight.pool is not None]
    pool = pools[0] if pools else None
    stated = StatedDemand(int(model.params.total), int(model.params.active()), pool=pool)
    assert 1 - float(known.weight_bytes_read(1) / (2 * stated.active)) < LOOKED_UP
    for context in (128, 4096):
        on = smallest(known, H100, context)
        without = replace(on, demand=stated)
        findings = unknown_cache_findings("stated", without, name, on)
        assert not [finding for finding in findings if finding.verdict == "dearer"]
        if name in TWO_NUMBERS_MISLEAD:
            continue
        for finding in findings:
            own = float(known.state_bytes_read(context)) / context
            held = float(known.state_bytes(context)) / context
            assert all(max(own, held) > limit / SAME for limit in finding.cache_below)


def test_two_models_of_two_numbers():
    """Weights and FLOPs alone: 2 B of 20 B against 13 B, and all of the 20 B against 13 B."""
    (sentence,) = (s for s in compare("20B-A2B:64x4", "13B").sentences if "no verdict" in s)
    expert = 18 / 60
    ratio = {
        batch: (20 - 64 * expert * (1 - 4 / 64) ** batch) / 13 for batch in range(1, 65)
    }  # bandwidth binds both
    assert "the cache of neither is known" in sentence
    low, high = (float(text) for text in re.findall(r"([\d.]+)x \(batch", sentence))
    assert low <= ratio[1]
    assert high == pytest.approx(20 / 13, abs=0.01)
    unknown = " ".join(compare("20B-A2B", "13B").sentences)
    assert "nor which experts a batch touches" in unknown
    assert "alone" not in unknown
