"""`scaling`: budgets in three units, designs whose tokens follow from their own rows, ranges held, bad input."""

from fractions import Fraction

import pytest

import moecalc
from moecalc.api.scaling import scaling
from moecalc.calc.flops import training_flops
from moecalc.calc.scaling.lines import scaling_report
from moecalc.calc.scaling.mixture import mixture_of
from moecalc.errors import InputError, UndeterminedError
from moecalc.specs.fleet import parse


def design(name, **budget):
    return scaling([name], **budget).trained[0]


# ------------------------------------------------------------------------------------------------- published runs


def test_deepseek_v3_s_gpu_hours_buy_its_tokens():
    # arXiv 2412.19437, table 1 and section 1: 2664K H800 hours of pre-training on 14.8T tokens; MFU 38.94%, causal
    # (arXiv 2505.09343, table 4)
    found = design("deepseek-v3", gpu_hours=2_664_000, gpu=parse("h800"), mfu="0.3894")
    assert found.tokens == pytest.approx(14.8e12, rel=0.005)


def test_llama_3_1_s_flops_buy_its_tokens_by_the_rule():
    # arXiv 2407.21783, section 3.2: 3.8e25 FLOPs, 15.6T tokens: 6 N D, no attention. Counted with the causal
    # attention of sequences of 8,192 tokens, the same budget is 3% short.
    found = design("llama-3.1-405b", compute=38 * 10**24, sequence=8192)
    assert f"{found.rule_tokens / 1e12:.1f}" == "15.6"
    assert f"{found.tokens / 1e12:.1f}" == "15.1"


def test_llama_3_1_s_own_optimum():
    # arXiv 2407.21783, section 3.2.1: 402B parameters on 16.55T tokens at 3.8e25 FLOPs, by their own fit: 41 tokens
    # per parameter. Approaches 1 and 2 ask for 21 and 26, the refit for 17: other data, other optimum.
    ratios = {best.law: best.tokens_per_active for best in scaling(compute=38 * 10**24).optima}
    assert round(16.55e12 / 402e9) == 41
    assert [round(ratios[law]) for law in ("chinchilla-1", "chinchilla-2", "besiroglu")] == [21, 26, 17]


# --------------------------------------------------------------------------------------------------------- exactness


@pytest.mark.parametrize("name", ["mixtral-8x7b", "llama-3.1-8b", "deepseek-v3"])
def test_tokens_are_the_most_that_the_budget_trains(name):
    budget = 10**24
    found = design(name, compute=budget)
    each = Fraction(training_flops(moecalc.load(name).ledger, 4096)) / 4096
    assert found.tokens * each <= budget < (found.tokens + 1) * each
    assert found.flops == found.tokens * each


def test_equal_flops_give_a_mixture_more_tokens_than_its_dense_equal():
    # Mixtral 8x7B computes like a 12.9B model and holds 46.7B
    mixture, dense = scaling(["mixtral-8x7b", "llama-13b"], compute=10**23).trained
    assert mixture.tokens_per_active == Fraction(mixture.tokens, 12_879_925_248)
    assert mixture.tokens_per_parameter == Fraction(mixture.tokens, 46_702_792_704)
    assert mixture.tokens / dense.tokens == pytest.approx(
        float(dense.design.flops_per_token / mixture.design.flops_per_token), rel=1e-9
    )


def test_tokens_as_a_budget():
    found = design("mixtral-8x7b", tokens=10**12)
    assert found.tokens == found.rule_tokens == 10**12
    assert found.flops == found.design.flops_per_token * 10**12


@pytest.mark.parametrize(
    ("name", "experts", "used", "granularity", "activation"),
    [
        ("deepseek-v3", 256, 8, Fraction(14), Fraction(9, 257)),
        ("mixtral-8x7b", 8, 2, Fraction(8, 7), Fraction(1, 4)),
        ("olmoe-1b-7b", 64, 8, Fraction(8), Fraction(1, 8)),
    ],
)
def test_what_the_laws_ask_of_a_mixture(name, experts, used, granularity, activation):
    found = mixture_of(moecalc.load(name).ledger)
    assert (found.experts, found.used) == (experts, used)
    assert found.granularity == granularity == 2 * found.fineness
    assert found.activation == activation


def test_a_dense_model_is_no_mixture():
    assert mixture_of(moecalc.load("llama-3.1-8b").ledger) is None


# ------------------------------------------------------------------------------------------------------------ ranges


def test_what_lies_outside_a_law_is_withheld_unless_asked_for():
    held = {m.id: m for m in scaling_report(scaling(["olmoe-1b-7b"], compute=10**24)).models[0].lines}
    shown = {
        m.id: m
        for m in scaling_report(scaling(["olmoe-1b-7b"], compute=10**24, extrapolate=True)).models[0].lines
    }
    line = "scaling.leverage.ling-leverage"
    assert held[line].value is None
    assert shown[line].value > 1
    assert "outside its range in compute" in held[line].note
    assert "outside its range in compute" in shown[line].note


def test_inside_its_range_a_law_speaks():
    lines = scaling_report(scaling(["olmoe-1b-7b"], compute=3 * 10**20)).models[0]
    assert 1 < lines["scaling.leverage.ling-leverage"].value < 6


def test_laws_speak_only_of_what_they_were_fitted_on():
    dense, mixture = scaling(["llama-3.1-8b", "mixtral-8x7b"], compute=10**21).trained
    assert {r.law for r in dense.readings} == {
        "abnar",
        "besiroglu",
        "chinchilla-3",
        "krajewski-dense",
        "ludziejewski",
    }
    assert {r.law for r in mixture.readings} == {"abnar", "ling-leverage"}


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("models", "chosen", "message"),
    [
        (["mixtral-8x7b"], {}, "no budget"),
        ([], {"axis": "granularity"}, "no budget"),
        ([], {"compute": 0}, "`--compute` makes 0"),
        ([], {"compute": 10**40}, "`--compute` makes 1e"),
        ([], {"tokens": 0}, "`--tokens` is 0"),
        ([], {"compute": 10**24, "tokens": 10**12}, "`--compute` and `--tokens` are budgets"),
        ([], {"gpu_hours": 10**6}, "of which device"),
        ([], {"gpu_hours": 10**6, "gpu": parse("8xh100")}, "beside GPU-hours"),
        ([], {"gpu_hours": 0, "gpu": parse("h100")}, "`--gpu-hours` is 0"),
        ([], {"gpu_hours": 10**6, "gpu": parse("h100"), "mfu": 2}, "`--mfu` is 2"),
        ([], {"compute": 10**24, "gpu": parse("h100")}, "turn GPU-hours into FLOPs"),
        ([], {"compute": 10**24, "laws": ["chinchilla"]}, "unknown scaling law `chinchilla`"),
        ([], {"compute": 10**24, "axis": "width"}, "unknown axis `width`"),
        ([], {"tokens": 10**12, "axis": "sparsity"}, "needs training FLOPs"),
        ([], {"compute": 10**24, "axis": "sparsity", "laws": ["besiroglu"]}, "none of these laws"),
        (["mixtral-8x7b"], {"compute": 10**24, "axis": "sparsity"}, "models were named"),
        (["mixtral-8x7b"], {"compute": 10**24, "sequence": 0}, "`--sequence`"),
        (["llama-3.1-405b"], {"compute": 2 * 10**12}, "not train|do not train"),
    ],
)
def test_input_that_cannot_be(models, chosen, message):
    with pytest.raises(InputError, match=message) as caught:
        scaling(models, **chosen)
    assert caught.value.hint


def test_what_nobody_knows_is_said():
    with pytest.raises(UndeterminedError, match="no known architecture"):
        scaling(["gpt-4"], compute=10**24)


def test_every_line_has_an_id_of_its_own():
    for model in scaling_report(scaling(["mixtral-8x7b", "llama-3.1-8b"], compute=10**22)).models:
        ids = [line.id for line in model.lines]
        assert len(set(ids)) == len(ids)
