"""Each curve against what its paper prints of it: tables of optima, losses, equivalent sizes, leverages.

Coefficients are printed rounded, so a figure recomputed from them is known within a band: the sum of what half a unit
of the last digit of each coefficient moves. Printed figures must lie in it (`within_rounding`), and the bands are
narrow.
"""

import itertools
from math import log, log2, log10
from pathlib import Path

import msgspec
import pytest

from moecalc import strict_yaml
from moecalc.calc.scaling.losses import (
    equivalent_size,
    leverage,
    saturating,
    sparse_loss,
    terms_of,
    two_term_loss,
)
from moecalc.calc.scaling.optimum import Shape, optimum, optimum_for_tokens, total_of
from moecalc.specs import scaling
from moecalc.specs.scaling import find_law, law_names

COEFFICIENTS = {
    "chinchilla-3": ("a", "alpha", "b", "beta"),
    "besiroglu": ("a", "alpha", "b", "beta"),
    "ludziejewski": ("a", "alpha", "delta", "gamma", "b", "beta", "omega", "zeta", "e_start", "e_max"),
    "krajewski-e64": ("c", "a", "alpha", "b", "beta", "g", "gamma"),
    "clark-s-base": ("a", "b", "c", "d", "e_start", "e_max"),
    "ling-leverage": ("a", "d", "gamma", "beta", "a_start"),
}


def half_units(name):
    """Half a unit of the last printed digit of each coefficient, read from the text of the file."""
    text = (Path(scaling.__file__).parent / "data" / "scaling" / f"{name}.yaml").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        key, _, value = line.partition(": ")
        if key in COEFFICIENTS[name]:
            found[key] = 0.5 * 10 ** -len(value.partition(".")[2])
    assert set(found) == set(COEFFICIENTS[name])
    return found


def band(name, figure):
    """The figure of the law, and how far the rounding of its coefficients can move it, to first order."""
    law = find_law(name)
    centre = figure(law)
    reach = 0.0
    for key, half in half_units(name).items():
        ends = [figure(msgspec.structs.replace(law, **{key: getattr(law, key) + s * half})) for s in (1, -1)]
        reach += max(abs(end - centre) for end in ends)
    return centre, reach


def within_rounding(name, figure, printed, digit):
    """`printed` agrees with the law, given its coefficients' rounding and its own (`digit`: its last digit's unit)."""
    centre, reach = band(name, figure)
    return abs(centre - printed) <= reach + digit / 2


def test_every_law_says_where_it_comes_from_and_what_it_was_fitted_on():
    for name in law_names():
        law = find_law(name)
        assert "arXiv" in law.source, name
        assert "arXiv" in law.fitted.source, name
        assert any(getattr(law.fitted, key) for key in law.fitted.__struct_fields__ if key != "source"), name


def test_an_unknown_law_is_named_with_the_others():
    with pytest.raises(Exception, match="unknown scaling law `chinchila-1`") as caught:
        find_law("chinchila-1")
    assert "did you mean `chinchilla-1`" in caught.value.hint


# ------------------------------------------------------------------ Chinchilla (Hoffmann et al. 2022, arXiv 2203.15556)


@pytest.mark.parametrize(
    ("name", "low", "high"), [("chinchilla-1", 0.488, 0.502), ("chinchilla-2", 0.462, 0.534)]
)
def test_the_tables_of_approaches_1_and_2_rise_with_the_exponents_of_table_2(name, low, high):
    # Table 2 prints 0.50 and 0.49 with these 10th and 90th percentiles
    first, *_, last = find_law(name).rows
    assert low < log(last[0] / first[0]) / log(last[1] / first[1]) < high


@pytest.mark.parametrize("name", ["chinchilla-1", "chinchilla-2"])
def test_the_rows_of_the_tables_lie_on_one_line(name):
    # Each row left out and interpolated from its neighbours: tokens come back within the two digits that large rows
    # are printed with, and sizes within 6%, since budgets are rounded too.
    law = find_law(name)
    for index in range(1, len(law.rows) - 1):
        size, budget, tokens = law.rows[index]
        rest = msgspec.structs.replace(law, rows=law.rows[:index] + law.rows[index + 1 :])
        best = optimum(name, rest, budget)
        assert best.active == pytest.approx(size, rel=0.06)
        assert best.tokens == pytest.approx(tokens, rel=0.06)


def test_approach_3_has_the_exponents_of_table_2():
    # Table 2 prints a = 0.46 and b = 0.54; the exponents rounded to 0.34 and 0.28 would make them 0.45 and 0.55
    law = find_law("chinchilla-3")
    assert round(law.beta / (law.alpha + law.beta), 2) == 0.46
    assert round(law.alpha / (law.alpha + law.beta), 2) == 0.54
    assert round(0.28 / (0.34 + 0.28), 2) == 0.45


@pytest.mark.parametrize(
    ("size", "budget", "tokens", "off"),
    [
        (4e8, 2.21e19, 9.2e9, "-3%"),
        (1e9, 1.62e20, 27.1e9, "-4%"),
        (1e10, 2.46e22, 410.1e9, "-4%"),
        (1e12, 5.65e26, 94.1e12, "-6%"),
    ],
)
def test_table_a3_of_approach_3_was_drawn_from_digits_that_are_not_printed(size, budget, tokens, off):
    # Table A3 rises as D ~ N^1.18; the printed exponents make it 0.3392 / 0.2849 = 1.19. Its rows come back up to 6%
    # smaller at the same budgets. (Its row of 175B prints 1.26e24 FLOPs, where 6 N D is 1.26e25.)
    best = optimum("chinchilla-3", find_law("chinchilla-3"), budget)
    assert f"{best.active / size - 1:+.0%}" == off
    assert best.tokens / tokens == pytest.approx(size / best.active, rel=0.01)
    assert round(log(1425.5e12 / 9.2e9) / log(1e13 / 4e8), 2) == 1.18


def test_the_refit_agrees_with_approaches_1_and_2():
    # arXiv 2404.10102: a = 0.512 or 0.513, and "compatible with the findings from the first two estimation procedures"
    law = find_law("besiroglu")
    assert round(law.beta / (law.alpha + law.beta), 3) == 0.513
    chinchilla = optimum("besiroglu", law, 5.76e23)
    assert chinchilla.active == pytest.approx(70e9, rel=0.05)  # the model that was trained on that budget
    assert optimum("besiroglu", law, 1.23e22).tokens == pytest.approx(
        205.1e9, rel=0.02
    )  # table 3, 10 billion


# ----------------------------------------grained MoE (Krajewski et al. 2024, arXiv 2402.07871)

TABLE_2 = (
    (100e6, 4.37e9, 8, 2.95e18, 3.133),
    (1e9, 28.94e9, 16, 1.93e20, 2.491),
    (3e9, 72.90e9, 16, 1.41e21, 2.245),
    (7e9, 137.60e9, 32, 6.46e21, 2.076),
    (70e9, 941.07e9, 32, 4.16e23, 1.694),
    (300e9, 2.96e12, 64, 5.69e24, 1.503),
    (1e12, 7.94e12, 64, 4.97e25, 1.367),
)


@pytest.mark.parametrize(("active", "tokens", "granularity", "budget", "loss"), TABLE_2)
def test_the_optima_of_fine_grained_moe(active, tokens, granularity, budget, loss):
    best = optimum("krajewski-e64", find_law("krajewski-e64"), budget)
    assert best.shape.granularity == granularity
    # sizes are printed with one digit; tokens for exactly those sizes
    assert best.active == pytest.approx(active, rel=0.035)
    assert best.tokens == pytest.approx(tokens, rel=0.035)

    def printed(law):
        return two_term_loss(terms_of(law, granularity=granularity), total_of(law, active), tokens)

    assert within_rounding("krajewski-e64", printed, loss, 0.001)
    assert band("krajewski-e64", printed)[1] < 0.045


def test_the_size_in_that_law_is_all_parameters_of_its_layers():
    # (8 x 64 + 4) d^2 of 12 d^2 active: 43 times; read as "64 x" the printed losses are missed by more than rounding
    law = find_law("krajewski-e64")
    assert total_of(law, 12) == 8 * 64 + 4
    active, tokens, granularity, _, loss = TABLE_2[0]

    def literally(law):
        return two_term_loss(terms_of(law, granularity=granularity), 64 * active, tokens)

    assert not within_rounding("krajewski-e64", literally, loss, 0.001)


def dense_over(budget, better=0.0):
    """FLOPs of the dense model over those of the mixture whose loss it reaches, or one `better` by so many nats."""
    wanted = optimum("", find_law("krajewski-e64"), budget).loss - better
    dense = find_law("krajewski-dense")
    return next(r for r in range(1, 1000) if optimum("", dense, r * budget).loss <= wanted)


def test_moe_at_1e20_matches_a_dense_model_of_twenty_times_the_budget():
    # "a compute-optimal MoE model trained with a budget of 10^20 FLOPs will achieve the same quality as a dense
    # Transformer trained with a 20x greater computing budget", rising to more than 40x beyond 10^25 (section 1)
    ratios = [dense_over(budget) for budget in (1e20, 1e21, 1e22, 1e23, 1e24, 1e25)]
    assert ratios == sorted(ratios)
    assert ratios[0] == 22
    # The printed digits make the last one 33. A loss lower by what their rounding leaves open makes it more than 40.
    assert ratios[-1] == 33
    _, reach = band("krajewski-e64", lambda law: optimum("", law, 1e25, Shape(granularity=64)).loss)
    assert dense_over(1e25, better=reach) > 40


# ---------------------------------------- joint MoE law (Ludziejewski et al. 2025, arXiv 2502.05172)

TABLE_4 = {
    1: (30.3640, 0.1817, 53.9838, 0.1965),
    2: (27.7982, 0.1780, 66.8401, 0.2065),
    4: (24.8462, 0.1731, 87.7022, 0.2192),
    8: (21.8330, 0.1676, 119.9126, 0.2338),
    16: (19.0159, 0.1617, 167.5073, 0.2494),
    32: (16.5424, 0.1557, 234.6726, 0.2652),
}


@pytest.mark.parametrize("experts", TABLE_4)
def test_the_joint_law_reduces_to_its_table_4(experts):
    m, mu, n, nu = TABLE_4[experts]
    assert within_rounding("ludziejewski", lambda law: terms_of(law, experts=experts)[2], mu, 1e-4)
    assert within_rounding("ludziejewski", lambda law: terms_of(law, experts=experts)[4], nu, 1e-4)
    # The factors agree to 0.3%, and ever better with more experts: see the next test.
    _, ours_m, _, ours_n, _ = terms_of(find_law("ludziejewski"), experts=experts)
    assert ours_m == pytest.approx(m, rel=0.003 / experts**0.5)
    assert ours_n == pytest.approx(n, rel=0.003 / experts**0.5)


def test_table_4_was_drawn_from_another_start_than_table_3_prints():
    # Of one expert both factors of table 4 ask for a saturated number of 2.083, where table 3 prints 2.0732
    law, (m, _, n, _) = find_law("ludziejewski"), TABLE_4[1]
    assert round((law.a / m) ** (-1 / law.delta), 2) == 2.08
    assert round((n / law.b) ** (1 / law.omega), 2) == 2.08
    assert law.e_start == 2.0732


@pytest.mark.parametrize(
    ("budget", "experts", "active", "tokens"),
    [
        (1e20, 1, 1.7e9, 9.7e9),
        (1e20, 2, 1.5e9, 11.4e9),
        (1e20, 4, 1.2e9, 13.9e9),
        (1e20, 8, 990e6, 17e9),
        (1e20, 16, 810e6, 20.7e9),
        (1e20, 32, 669e6, 24.9e9),
        (1e21, 1, 5.7e9, 29.3e9),
        (1e21, 2, 5e9, 33e9),
        (1e21, 4, 4.4e9, 38e9),
        (1e21, 8, 3.8e9, 44.3e9),
        (1e21, 16, 3.3e9, 51.2e9),
        (1e21, 32, 2.85e9, 58.4e9),
        (1e22, 1, 18.8e9, 88.6e9),
        (1e22, 2, 17.4e9, 96e9),
        (1e22, 4, 15.8e9, 105.4e9),
        (1e22, 8, 14.4e9, 115.8e9),
        (1e22, 16, 13.2e9, 126.5e9),
        (1e22, 32, 12.2e9, 136.9e9),
    ],
)
def test_the_optima_of_the_joint_law(budget, experts, active, tokens):
    def size(law):
        return optimum("", law, budget, Shape(experts=experts)).active

    def data(law):
        return optimum("", law, budget, Shape(experts=experts)).tokens

    last = {1e20: 1e8 if active > 1e9 else 1e6 if experts == 32 else 1e7, 1e21: 1e8, 1e22: 1e8}[budget]
    assert within_rounding("ludziejewski", size, active, last)
    assert within_rounding("ludziejewski", data, tokens, 1e8)
    assert band("ludziejewski", data)[1] < 0.025 * tokens


# ---------------------------------------- routed models (Clark et al. 2022, arXiv 2202.01169)


def test_an_equivalent_size_that_the_paper_states():
    # "5M with 128 experts" is as good as a dense model of 55M parameters
    def figure(law):
        return equivalent_size(law, 5e6, 128)

    assert within_rounding("clark-s-base", figure, 55e6, 1e6)
    assert equivalent_size(find_law("clark-s-base"), 5e6, 1) == pytest.approx(5e6, rel=1e-9)


@pytest.mark.parametrize("name", ["clark-s-base", "clark-rl-r", "clark-hash"])
def test_routing_helps_no_more_at_the_printed_cutoff(name):
    # Where b + c log10 N = 0: with c printed to three decimals that is known within a factor, and the printed cutoffs
    # lie in it. Above it more experts make the loss worse.
    law = find_law(name)
    low, high = (-(law.b + s * 0.0005) / (law.c + s * 0.0005) for s in (1, -1))
    assert low < log10(law.cutoff) < high
    beyond = 10 ** (-law.b / law.c + 1)
    assert equivalent_size(law, beyond, 64) < beyond < equivalent_size(law, 10 * beyond, 1) * 1.0001


def test_experts_saturate_between_their_ends():
    assert saturating(1, 1.847, 314.478) == pytest.approx(1.847, rel=1e-12)
    assert saturating(1e15, 1.847, 314.478) == pytest.approx(314.478, rel=1e-9)


# ------------------------------------------------------------------------ Ling (Tian et al. 2025, arXiv 2507.17702)


@pytest.mark.parametrize("name", ["ling-dense", "ling-moe"])
def test_scale_times_tokens_is_the_budget(name):
    # C = M D (equation 2): the two columns of table 1 multiply to it
    for budget in (3e17, 3e20):
        best = optimum(name, find_law(name), budget)
        assert best.flops_per_token * best.tokens == pytest.approx(budget, rel=0.001)


def test_a_mixture_wants_more_tokens_than_a_dense_model():
    # section 2.3, point 2
    for budget in (1e18, 3e20):
        assert (
            optimum("", find_law("ling-moe"), budget).tokens
            > optimum("", find_law("ling-dense"), budget).tokens
        )


def test_over_seven_times_the_leverage():
    # Section 4.2.2: "exceeding 7x can be achieved at a budget of 1e22 FLOPs with an activation
    # ratio of 3.1% and a granularity of 12"
    law = find_law("ling-leverage")
    assert 7 < leverage(law, 1e22, 0.031, 12) < 7.5
    assert leverage(law, 1e22, 1, 1) == pytest.approx(1, abs=0.02)  # "when A = 1, we have EL = 1"


def test_only_these_logarithms_give_what_the_paper_prints():
    # Its equation 13 leaves the bases open. Printed are the leverage above and a best granularity "around 12"
    law = find_law("ling-leverage")
    activation = saturating(0.031, law.a_start, law.a_max, none=0)
    found = []
    bases = {"2": log2, "e": log, "10": log10}
    for (of_budget, c), (of_size, g) in itertools.product(bases.items(), repeat=2):
        exponent = law.a + law.d * c(1e22) + law.gamma * g(12) ** 2 + law.beta * g(12)
        best = {"2": 2, "e": 2.718281828, "10": 10}[of_size] ** (-law.beta / (2 * law.gamma))
        if 7 < activation**exponent < 10 and 8 < best < 16:
            found.append((of_budget, of_size))
    assert found == [("10", "2")]


# --------------------------------------------------------------------- optimal sparsity (Abnar et al. 2025, 2501.12370)


def test_sparsity_moves_the_optimum_as_figure_2_says():
    # At 1e20 FLOPs: "increasing model sparsity leads to a reduction in pretraining loss", the optimal total size rises
    # and the optimal active size falls. The paper prints no losses.
    law = find_law("abnar")
    found = [optimum("abnar", law, 1e20, Shape(sparsity=s)) for s in (0, 0.25, 0.5, 0.75, 0.9, 0.95)]
    for before, after in itertools.pairwise(found):
        assert after.loss < before.loss
        assert after.total > before.total
        assert after.active < before.active


def test_the_best_sparsity_rises_with_the_size():
    # Figure 2a: at a fixed budget "the optimal sparsity S increases with increasing model size N and converges to 1"
    law = find_law("abnar")
    steps = [i / 200 for i in range(200)]
    best = [
        min(steps, key=lambda s, n=n: sparse_loss(law, n, 1e20 / (6 * (1 - s) * n), s))
        for n in (3e8, 1e9, 3e9, 1e10)
    ]
    assert best == sorted(best)
    assert best[0] < 0.7
    assert best[-1] > 0.9


# ---------------------------------------------------------------------------------------------------------- ranges


def test_outside_its_range_a_law_says_in_what():
    law = find_law("besiroglu")
    assert optimum("besiroglu", law, 1e20).outside == ()
    assert optimum("besiroglu", law, 1e24).outside == ("active", "tokens")
    assert optimum("besiroglu", law, 1e16).outside == ("active", "tokens")


@pytest.mark.parametrize(
    "name", ["chinchilla-1", "besiroglu", "krajewski-e64", "ling-moe", "abnar", "ludziejewski"]
)
def test_tokens_ask_for_the_budget_that_asks_for_them(name):
    law = find_law(name)
    found = optimum_for_tokens(name, law, 1e12)
    assert found.tokens == pytest.approx(1e12, rel=1e-6)
    assert optimum(name, law, found.compute).tokens == pytest.approx(1e12, rel=1e-6)


def test_the_files_hold_nothing_but_laws():
    for name in law_names():
        path = Path(scaling.__file__).parent / "data" / "scaling" / f"{name}.yaml"
        assert strict_yaml.load(path).data["form"] == type(find_law(name)).__struct_config__.tag
