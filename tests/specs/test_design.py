"""Axes and budgets of a search as people type them, and which sizes a family has to vary."""

from fractions import Fraction

import pytest

import moecalc
from moecalc.api.model import Model
from moecalc.errors import InputError
from moecalc.specs.design_axes import parse_axis
from moecalc.specs.design_budget import parse_budget, parse_tolerance
from moecalc.specs.design_template import Template
from moecalc.units import format_parameters, parse_parameters


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("experts", "64", (64,)),
        ("experts", "128,64, 64", (64, 128)),
        ("experts", "32..512", (32, 64, 128, 256, 512)),
        ("experts", "48..200", (48, 96, 192, 200)),
        ("experts", "8..8", (8,)),
        ("experts", "32..96/16", (32, 48, 64, 80, 96)),
        ("experts", "32..100/16", (32, 48, 64, 80, 96)),
        ("top_k", "4..16", (4, 8, 16)),
        ("hidden", "2048..2560", (2048, 2176, 2304, 2432, 2560)),
        ("hidden", "2048..4096/1024", (2048, 3072, 4096)),
        ("layers", "24..27", (24, 25, 26, 27)),
        ("shared", "0..2", (0, 1, 2)),
        ("experts", "8,64..256", (8, 64, 128, 256)),
    ],
)
def test_values_lists_and_ranges(name, text, values):
    assert parse_axis(name, text).values == values


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("experts", "0", "cannot be 0"),
        ("experts", "", "no size"),
        ("experts", "8,", "no size"),
        ("experts", "-8", "no size"),
        ("experts", "8.5", "no size"),
        ("experts", "1,024", "`024`"),
        ("experts", "64..32", "ends before it begins"),
        ("experts", "0..8", "doubles from 0"),
        ("experts", "8..16/0", "no size"),
        ("experts", "99999999", "is beyond"),
        ("layers", "1..99999", "more than 10,000 values"),
        ("hidden", "2880", "no multiple of 128"),
        ("hidden", "2048..4096/100", "no multiple of 128"),
        ("head_dim", "512", "up to 256"),
        ("head_dim", "60", "multiples of 8"),
    ],
)
def test_what_is_no_size_is_refused(name, text, words):
    with pytest.raises(InputError, match=words) as raised:
        parse_axis(name, text)
    assert raised.value.hint


def test_the_multiple_is_the_users():
    assert parse_axis("hidden", "2880", multiple=64).values == (2880,)
    assert parse_axis("hidden", "2816..2944", multiple=64).values == (2816, 2880, 2944)


def budget(text, **options):
    return parse_budget("active", text, parse_parameters, format_parameters, **options)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("3B", 2_850_000_000, 3_150_000_000),
        ("<=3B", None, 3_000_000_000),
        ("<3B", None, 3_000_000_000),
        (">= 3B", 3_000_000_000, None),
        ("2B..4.5B", 2_000_000_000, 4_500_000_000),
    ],
)
def test_targets_bounds_and_ranges(text, low, high):
    found = budget(text)
    assert (found.low, found.high) == (low, high)


def test_a_budget_holds_its_ends_and_says_how_far_others_are():
    found = budget("3B", tolerance=Fraction(1, 10))
    assert found.holds(2_700_000_000)
    assert found.holds(3_300_000_000)
    assert not found.holds(3_300_000_001)
    assert found.miss(3_000_000_000) == 0
    assert found.miss(6_600_000_000) == 1
    assert found.miss(1_350_000_000) == pytest.approx(0.5)


def test_a_value_by_itself_can_be_a_bound():
    assert budget("3B", only_bound=True).low is None


@pytest.mark.parametrize("text", ["", "B", "3", "0", "-3B", "3B..", "..3B", "4B..3B", "<="])
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(InputError) as raised:
        budget(text)
    assert raised.value.hint


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.05", 0.05), ("0", 0), (" 2.5 % ", 0.025)])
def test_tolerances(text, share):
    assert parse_tolerance(text) == Fraction(str(share))


@pytest.mark.parametrize("text", ["100%", "1", "-5%", "five", "", "1e9999999"])
def test_what_is_no_tolerance_is_refused(text):
    with pytest.raises(InputError):
        parse_tolerance(text)


def template(name):
    model = moecalc.load(name)
    assert isinstance(model, Model)
    return Template(name, model.architecture)


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("mixtral-8x7b", (0, 1)),
        ("deepseek-v3", (3, 1)),
        ("gpt-oss-20b", (0, 2)),
        ("qwen3-next-80b-a3b", (0, 4)),
    ],
)
def test_layers_go_on_as_the_family_has_them(name, step):
    found = template(name)
    assert found.layer_step == step
    once, period = step
    longer = found.built({"layers": once + 7 * period}).stacks[0].kinds
    whole = found.architecture.stacks[0].kinds
    assert longer == (*whole[:once], *whole[once : once + period] * 7)


def test_the_familys_own_sizes_make_the_family_again():
    for name in ("mixtral-8x7b", "deepseek-v3", "gpt-oss-20b", "qwen3-next-80b-a3b", "longcat-flash"):
        found = template(name)
        again = found.built(found.sizes)
        assert again.lower_to_ledger() == found.architecture.lower_to_ledger()


def test_shared_experts_come_and_go():
    found = template("qwen3-30b-a3b")
    layer = next(iter(found.built({"shared": 2}).stacks[0].layers.values()))
    assert layer.ffn.shared.intermediate_size == 2 * 768
    without = template("deepseek-v3").built({"shared": 0}).stacks[0].layers["moe"]
    assert without.ffn.shared is None


def test_what_stands_beside_the_language_model_is_left_out_and_said():
    found = template("deepseek-v3")
    assert found.left_out == ("multi-token prediction",)
    assert found.architecture.mtp is None
