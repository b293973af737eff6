"""Verdicts beside the corpus: what was not said, the constants behind `impossible`, regions, files."""

from fractions import Fraction

import pytest

from moecalc.api.claiming import catalogue, claim, claims_in
from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.calc import parameters
from moecalc.checks.claiming.finding import times_text
from moecalc.checks.claiming.subject import HELD_SHARE, READ_SHARE
from moecalc.errors import InputError
from moecalc.ir.roles import Component
from moecalc.ir.rows import Access
from moecalc.sources import catalog


def finding(part, **parts):
    return {found.part: found for found in claim(parts=parts).findings}[part]


def known():
    models = (load(name) for name in catalog.files())
    return [model for model in models if isinstance(model, Model)]


def test_the_shares_of_look_ups_cover_the_catalogue():
    held, read = Fraction(0), Fraction(0)
    for model in known():
        rows = parameters.parameter_rows(model.ledger, Component.LANGUAGE)
        if parameters.head_is_tied(rows):
            continue
        tables = sum(weight.elements for weight in rows if weight.access is Access.LOOKUP)
        total, active = model.params.total, model.params.active()
        held = max(held, Fraction(total, total - tables))
        read = max(read, Fraction(active) / (Fraction(active) - tables))
    assert Fraction(119, 100) < held < HELD_SHARE
    assert Fraction(128, 100) < read < READ_SHARE


def test_every_claim_of_the_catalogue_comes_out_as_filed():
    found = catalogue()
    assert [one.model for one in found if not one.holds] == []
    assert len({one.model for one in found if one.is_sparse}) >= 40


def test_twice_the_bandwidth_is_impossible_and_half_of_it_possible():
    # 141,107,412,992 bytes less the input embedding of 128,256 x 8,192 in two bytes, in 2 x 3,350 GB/s
    ceiling = 2 * 3.35e12 / (141_107_412_992 - 2 * 128_256 * 8192)
    made = {"model": "llama-3.1-70b", "quant": "bf16", "gpu": "2xh100", "per": "user"}
    exact = finding("tokens_per_second", tokens_per_second=f"{ceiling / 2:.4f}", **made)
    assert exact.verdict == "holds"
    assert exact.computed == pytest.approx(ceiling, rel=1e-3)  # the state of one token, the row looked up
    assert (
        finding("tokens_per_second", tokens_per_second=f"{ceiling * 2:.4f}", **made).verdict == "impossible"
    )


def test_routing_is_not_assumed():
    """A batch of Mixtral can be as fast as if all of it used the same two experts, whatever is likely."""
    made = {"model": "mixtral-8x7b", "quant": "bf16", "gpu": "2xh100", "per": "user", "batch": 8}
    # 12.62 B always-on and chosen parameters and the head: 25.5 GB in 6.7 TB/s
    assert finding("tokens_per_second", tokens_per_second="250", **made).verdict == "holds"
    assert finding("tokens_per_second", tokens_per_second="280", **made).verdict == "impossible"


@pytest.mark.parametrize(
    ("part", "parts"),
    [
        ("tokens_per_second", {"model": "mixtral-8x7b", "tokens_per_second": "100"}),
        ("tokens_per_second", {"total": "70B", "quant": "int4", "gpu": "h100", "tokens_per_second": "100"}),
        ("tokens_per_second", {"total": "70B", "active": "12B", "gpu": "h100", "tokens_per_second": "100"}),
        ("ttft", {"model": "mixtral-8x7b", "gpu": "2xh100", "ttft": "100ms"}),
        ("vram", {"model": "llama-3.1-70b", "vram": "40GB"}),
        ("size", {"total": "70B", "size": "40GB"}),
        ("kv", {"total": "70B", "kv": "320KiB"}),
        ("price", {"total": "70B", "active": "12B", "price": "0.5"}),
        ("price", {"model": "mixtral-8x7b", "gpu": "8xm4-max", "price": "0.5"}),
        ("context", {"model": "gpt-4", "context": "32k"}),
        ("peak", {"gpu": "rtx-pro-6000", "peak": "1000 TFLOPS fp8"}),
    ],
)
def test_what_was_not_said_stays_undetermined(part, parts):
    judged = claim(parts=parts)
    assert {found.part: found.verdict for found in judged.findings}[part] == "undetermined"
    assert judged.exit_code() == 0
    assert judged.exit_code(require=True) == 3


def test_memory_too_small_for_any_format_needs_no_quantization():
    assert finding("vram", model="llama-3.1-405b", vram="24GB").verdict == "impossible"


# Llama 2 7B: 32 layers x 2 x 32 heads x 128 x 2 bytes = 512 KiB a token
@pytest.mark.parametrize(
    ("parts", "verdict", "words"),
    [
        ({"vram": "80GB", "context": "64k"}, "holds", "state 34.4 GB (32.0 GiB) of 65,536 tokens in fp16"),
        ({"vram": "80GB", "context": "256k"}, "inconsistent", "state 137 GB (128 GiB)"),
        ({"vram": "80GB", "context": "256k", "quant": "int4"}, "inconsistent", "state 137 GB (128 GiB)"),
        ({"vram": "48GB", "context": "64k"}, "holds", "34.4 GB"),
        ({"vram": "42GB", "context": "64k"}, "undetermined", "beside state 34.4 GB (32.0 GiB)"),
        (
            {"vram": "72GB", "context": "64k", "batch": "2"},
            "undetermined",
            "68.7 GB (64.0 GiB) of 2 x 65,536",
        ),
        ({"vram": "80GB", "context": "64k", "batch": "4"}, "inconsistent", "of 4 x 65,536"),
        ({"vram": "80GB"}, "holds", "left for state and runtime"),
    ],
)
def test_a_context_has_to_fit_beside_the_weights(parts, verdict, words):
    found = finding("vram", model="llama-2-7b", **parts)
    assert (found.verdict, words in found.arithmetic) == (verdict, True), found.arithmetic
    if parts["vram"] == "80GB":
        others = {name: value for name, value in parts.items() if name != "vram"}
        assert finding("gpu", model="llama-2-7b", gpu="1x a100-80gb", **others).verdict == verdict


@pytest.mark.parametrize(
    ("parts", "verdicts"),
    [
        ({"model": "mixtral-8x7b", "experts": "8", "top_k": "2"}, ["holds", "holds"]),
        ({"model": "mixtral-8x7b", "experts": "16", "top_k": "4"}, ["inconsistent", "inconsistent"]),
        ({"model": "mixtral-8x7b", "top_k": "2"}, ["holds"]),
        ({"model": "longcat-flash", "experts": "512"}, ["holds"]),
        ({"model": "longcat-flash", "experts": "768"}, ["holds under zero-compute experts counted"]),
        ({"model": "llama-3.1-70b", "experts": "8"}, ["inconsistent"]),
        ({"model": "gpt-4", "experts": "8"}, ["undetermined"]),  # rumours only: 8 to 16
    ],
)
def test_experts_are_those_of_the_pools(parts, verdicts):
    assert [found.words for found in claim(parts=parts).findings] == verdicts


@pytest.mark.parametrize(
    ("times", "text"), [(2.345, "2.35x"), (61_247.4, "61,247x"), (0.5, "0.5x"), (0.0000129, "1/77,519")]
)
def test_factors_are_written_out(times, text):
    assert times_text(times) == text


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ({"gpu": "h100", "vram": "80GB"}, "holds"),
        ({"gpu": "8xh100", "vram": "640GB"}, "holds"),
        ({"gpu": "8xh100", "vram": "80GB"}, "holds"),
        ({"gpu": "h100", "vram": "96GB"}, "inconsistent"),
        ({"gpu": "h100", "vram": "80GB", "bandwidth": "3.35TB/s"}, "holds"),
        ({"vram": "80GB", "bandwidth": "3.35TB/s"}, "undetermined"),
    ],
)
def test_the_memory_of_devices_alone(parts, verdict):
    judged = claim(parts=parts)
    assert {found.part: found.verdict for found in judged.findings}["vram"] == verdict
    assert judged.region is None


def test_ram_beside_the_card_counts():
    made = {"model": "deepseek-v3", "quant": "q4_k_m", "gpu": "rtx-4090"}
    assert finding("gpu", **made).verdict == "impossible"
    assert finding("gpu", ram="382GB", **made).verdict == "holds"
    both = finding("vram", model="llama-3.1-70b", quant="int4", vram="24GB", ram="64GB")
    assert (both.verdict, "of devices and RAM" in both.arithmetic) == ("holds", True)


def test_a_price_below_the_floor_is_inconsistent_and_fails_only_when_strict():
    judged = claim(parts={"model": "llama-3.1-405b", "quant": "bf16", "gpu": "16xh100", "price": "0.01"})
    price = next(found for found in judged.findings if found.part == "price")
    assert price.verdict == "inconsistent"
    assert "below the floor at any batch" in price.arithmetic
    assert (judged.exit_code(), judged.exit_code(strict=True)) == (0, 1)


def test_the_region_of_an_undisclosed_model():
    region = claim("GPT-4 on 8x h100 int4, 30 tok/s per user").region
    assert region.ends("total") == (1_700_000_000_000, Fraction(8 * 80 * 2**30 * 2))
    assert region.ends("active") == (280_000_000_000, 280_000_000_000)
    assert region.is_empty  # 1.7 T at 4 bits are 850 GB, and eight cards have 687


def test_a_region_without_a_model():
    region = claim("int4 on 1x rtx-4090, 100 tok/s per user").region
    assert region.ends("total") == (None, 24 * 2**30 * 2)
    # 1,008 GB/s over the 99.5 tokens/s that `100` can stand for
    assert region.ends("active") == (None, Fraction(1_008_000_000_000 * 2 * 2, 199))


def test_a_claims_file(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text('- "Mixtral 8x7B, 46.7B total"\n- name: x\n  model: deepseek-v3\n  total: 685B\n')
    judged = claims_in(path)
    assert [(one.line, one.name, one.worst) for one in judged] == [
        (1, None, "holds"),
        (2, "x", "holds under"),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("model: x\n", 1),
        ("[]\n", 1),
        ("- 3\n", 1),
        ('- "Mixtral 8x7B, 46.7B total"\n- {model: mixtral-8x7b, totl: 3B}\n', 2),
        ('- "Mixtral 8x7B, 46.7B total"\n\n- {model: mixtral-8x7b, total: 3GB}\n', 3),
        ("- {model: nobody, total: 3B}\n", 1),
        ("- {model: mixtral-8x7b}\n", 1),
        ('- {claim: "46.7B total", total: 3B}\n', 1),
    ],
)
def test_what_a_claims_file_cannot_say(tmp_path, text, line):
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        claims_in(path)
    assert (caught.value.file, caught.value.line) == (str(path), line)
