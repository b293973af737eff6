"""The choices one by one, the presets, chunked prefill, training, and the rules of thumb against hand arithmetic."""

from fractions import Fraction

import pytest

import moecalc
from moecalc.calc.flop_count import count_flops
from moecalc.calc.flops import (
    CONVENTIONS,
    PRESETS,
    cheaper_form,
    counting,
    step_flops,
    training_flops,
)
from moecalc.errors import InputError
from moecalc.ir.roles import Component
from moecalc.ir.rows import OpKind
from moecalc.ir.step import Choices, Form, Logits, Pairs, Step
from moecalc.sources.hf_config import read_config
from moecalc.specs.workload import plan_workload
from tests.calc import released
from tests.calc.released import ledger_of
from tests.oracle.cases import MODULES

MIXTRAL, V3 = ledger_of(released.MIXTRAL_8X7B), ledger_of(released.DEEPSEEK_V3)
PER_PAIR = 32 * 2 * 2 * 32 * 128  # Mixtral: layers x (scores and mix) x 2 x heads x head_dim
HEAD = 2 * 32000 * 4096


def test_each_convention_is_a_name_for_choices():
    assert CONVENTIONS == ("causal", "full", "useful")
    chosen = {name: (how.pairs, how.logits, how.latent) for name, how in PRESETS.items()}
    assert chosen == {
        "causal": (Pairs.CAUSAL, Logits.LAST, None),
        "full": (Pairs.FULL, Logits.ALL, Form.NAIVE),
        "useful": (Pairs.CAUSAL, Logits.ALL, None),
    }


def test_useful_is_causal_with_all_logits():
    step = Step(1000)
    difference = step_flops(MIXTRAL, step, "useful") - step_flops(MIXTRAL, step, "causal")
    assert difference == 999 * HEAD
    assert (
        step_flops(MIXTRAL, step, "full") - step_flops(MIXTRAL, step, "useful") == PER_PAIR * 1000 * 999 // 2
    )


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_what_is_chosen_by_itself_stands_in_place_of_the_preset(convention):
    how = counting(convention, pairs="full", logits="all", form="naive")
    # With every choice made, conventions differ only in whether they see elementwise recurrences; Mixtral has none.
    assert step_flops(MIXTRAL, Step(64, 10), how) == step_flops(MIXTRAL, Step(64, 10), "full")


def test_the_words_name_what_differs_from_the_convention():
    assert counting("causal").words == "causal"
    assert counting("causal", logits="last").words == "causal"
    assert counting("full", pairs="causal").words == "full, pairs causal"
    assert counting("useful", form="absorbed,step").words == "useful, latent absorbed, recurrence step"


@pytest.mark.parametrize(
    ("chosen", "names"),
    [
        ({"convention": "palm"}, ["causal", "full", "useful"]),
        ({"pairs": "half"}, ["causal", "full"]),
        ({"pairs": "kept"}, ["causal", "full"]),
        ({"logits": "first"}, ["last", "all"]),
        ({"form": "folded"}, ["naive", "absorbed", "chunk", "step", "counted"]),
        ({"form": "naive,"}, ["naive", "absorbed", "chunk", "step"]),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(chosen, names):
    (name,) = chosen
    with pytest.raises(InputError, match=f"unknown {name} `") as caught:
        counting(**chosen)
    assert all(known in caught.value.hint for known in names)
    with pytest.raises(InputError):
        moecalc.load("mixtral-8x7b").lines(**chosen)
    with pytest.raises(InputError):
        moecalc.load("70B-A12B").lines(**chosen)


def test_no_convention_contains_the_surplus_of_the_reference():
    for how in PRESETS.values():
        assert Form.COUNTED not in (how.latent, how.recurrence)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("naive,absorbed", "`naive` or `absorbed`"),
        ("step, chunk", "`chunk` or `step`"),
        ("naive,naive", "`naive` or `absorbed`"),
        ("counted,naive", "`counted`, or the others"),
    ],
)
def test_two_forms_of_one_kind_exclude_each_other(form, words):
    with pytest.raises(InputError) as caught:
        counting(form=form)
    assert words in caught.value.hint


@pytest.mark.parametrize(
    ("model", "form", "forms"),
    [
        ("mixtral-8x7b", "absorbed", "leave `form` out"),
        ("mixtral-8x7b", "step", "leave `form` out"),
        ("mixtral-8x7b", "counted", "leave `form` out"),
        ("deepseek-v3", "chunk", "its forms: naive, absorbed"),
        ("deepseek-v3", "naive,step", "its forms: naive, absorbed"),
        ("qwen3.5-27b", "absorbed", "its forms: chunk, step, counted"),
    ],
)
def test_a_form_that_a_model_has_no_layer_for_is_refused_with_those_it_has(model, form, forms):
    loaded = moecalc.load(model)
    for ask in (loaded.lines, loaded.flop_count):
        with pytest.raises(InputError, match="this model has no form") as caught:
            ask(form=form)
        assert forms in caught.value.hint


@pytest.mark.parametrize("chosen", [{"pairs": "causal"}, {"logits": "last"}, {"convention": "useful"}])
def test_counted_is_one_fixed_count(chosen):
    with pytest.raises(InputError, match="what the reference executes"):
        counting(form="counted", **chosen)
    assert counting("full", form="counted") == counting(form="counted")


COUNTED_TYPES = [name for name in sorted(MODULES) if hasattr(MODULES[name], "COUNTED")]


@pytest.mark.parametrize("model_type", COUNTED_TYPES)
def test_counted_can_be_asked_for_by_name_and_says_what_it_is(model_type):
    config = MODULES[model_type].TINY
    lines = {line["id"]: line for line in moecalc.load(config).lines(prompt=64, context=97, form="counted")}
    executed = Choices(Pairs.FULL, Logits.ALL, frozenset({Form.NAIVE, Form.COUNTED}))
    rows = [
        op
        for op in read_config(config).architecture.lower_to_ledger().part(Component.LANGUAGE).ops
        if op.kind is not OpKind.SCAN
    ]
    for name, step in (("prefill", Step(64)), ("decode_per_token", Step.decode(97))):
        line = lines[f"flops.{name}"]
        assert line["value"] == sum(op.flops(step, executed) for op in rows)
        assert "not what the layer needs" in line["note"]


# ------------------------------------------------------------------------------------------------ prompts in chunks


def test_a_prompt_in_chunks_costs_what_it_costs_whole():
    how = counting("useful")
    whole = step_flops(MIXTRAL, Step(1000), how)
    assert step_flops(MIXTRAL, Step(400), how) + step_flops(MIXTRAL, Step(600, 400), how) == whole
    # Under full pairs a chunk is a rectangle: what a plain implementation masks grows with it.
    full = [step_flops(MIXTRAL, step, "full") for step in (Step(400), Step(600, 400), Step(1000))]
    assert full[2] - full[0] - full[1] == PER_PAIR * (1000**2 - 400**2 - 600 * 1000)


def test_naive_chunks_expand_the_cache_again():
    whole = step_flops(V3, Step(1000), counting("useful", form="naive"))
    chunks = [step_flops(V3, step, counting("useful", form="naive")) for step in (Step(400), Step(600, 400))]
    assert sum(chunks) - whole == 61 * 33_554_432 * 400


@pytest.mark.parametrize("past", [1, 500, 4096, 10**7])
def test_the_cheaper_form_of_a_chunk_is_the_cheaper_one(past):
    # e x past against (b - a) x pairs, per layer: calc/flops.py
    for new in (1, 2, 10, 100, 170, 171, 1000, 5000):
        pairs = new * past + new * (new + 1) // 2
        absorbed_is_cheaper = 33_554_432 * past > 196_608 * pairs
        assert cheaper_form(V3, Step(new, past)) is (Form.ABSORBED if absorbed_is_cheaper else Form.NAIVE)
        forms = [step_flops(V3, Step(new, past), counting(form=form)) for form in ("naive", "absorbed")]
        assert step_flops(V3, Step(new, past)) == min(forms)


def test_nothing_behind_a_prompt_means_naive():
    assert all(cheaper_form(V3, Step(new)) is Form.NAIVE for new in (1, 2, 100, 10_000))


def test_a_past_and_its_prompt_are_held_against_the_trained_length():
    assert plan_workload(4096, prompt=96, context=4096, past=4000).warnings == ()
    (warning,) = plan_workload(4096, prompt=97, context=4096, past=4000).warnings
    assert all(figure in warning for figure in ("4,000", "97", "4,097", "4,096"))
    for past in (-1, 2**32 + 1):
        with pytest.raises(InputError, match=f"`past` is {past}"):
            plan_workload(4096, past=past)


def test_lines_take_every_choice():
    model = moecalc.load("deepseek-v3")

    def prefill(**chosen):
        return {line["id"]: line for line in model.lines(prompt=512, **chosen)}["flops.prefill"]

    line = prefill(past=32768, form="absorbed", logits="all")
    assert line["value"] == step_flops(
        model.ledger, Step(512, 32768), counting(form="absorbed", logits="all")
    )
    assert line["note"] == "causal, logits all, latent absorbed"
    assert "512 behind 32,768" in line["label"]
    assert prefill()["value"] == model.prefill_flops(512)


# --------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize("how", CONVENTIONS)
def test_training_is_three_forward_passes_with_a_loss_at_every_position(how):
    all_logits = counting(how, logits="all")
    assert training_flops(MIXTRAL, 4096, how) == 3 * step_flops(MIXTRAL, Step(4096), all_logits)
    assert training_flops(MIXTRAL, 4096, how, batch=5) == 5 * training_flops(MIXTRAL, 4096, how)


def test_an_embedding_has_no_flops_in_training_either():
    matrices = 12_748_853_248 - (65 * 4096)  # active without the input embedding, less norms
    assert training_flops(MIXTRAL, 4096) == 4096 * 6 * matrices + 3 * PER_PAIR * 4096 * 4097 // 2


# --------------------------------------------------------------------------------------------------- rules of thumb


def test_rules_of_thumb_say_how_far_they_are_off():
    count = moecalc.load("mixtral-8x7b").flop_count(prompt=4096, context=4096)
    decode, _, training = count.steps
    rules = {rule.name: rule for rule in count.rules}
    assert list(rules) == ["2N", "2N_active", "6N", "6N_active"]
    assert rules["2N"].error == Fraction(2 * 46_702_792_704, decode.total) - 1
    assert rules["6N_active"].error == Fraction(6 * 12_879_925_248 * 4096, training.total) - 1
    assert [f"{float(rule.error):+.1%}" for rule in count.rules] == ["+237.9%", "-6.8%", "+251.5%", "-3.1%"]


def test_a_dense_model_has_one_n():
    assert [rule.name for rule in moecalc.load("llama-2-7b").flop_count().rules] == ["2N", "6N"]


def test_a_batch_is_as_many_sequences():
    count = moecalc.load("gpt2").flop_count(prompt=10, context=20, batch=7)
    values = {line.id: line.value for line in count.lines()}
    for name in ("decode", "prefill", "training"):
        assert values[f"flops.{name}_step"] == 7 * values[f"flops.{name}"]
    assert values["flops.decode"] == values["flops.decode_per_token"]


@pytest.mark.parametrize("model_type", sorted(MODULES))
def test_the_counts_of_every_type_agree_with_its_steps(model_type):
    ledger = read_config(MODULES[model_type].TINY).architecture.lower_to_ledger()
    count = count_flops(ledger, plan_workload(None, prompt=40, context=30, past=5))
    decode, prefill, training = count.steps
    assert decode.total == step_flops(ledger, Step.decode(30))
    assert prefill.total == step_flops(ledger, Step(40, 5))
    assert training.total == training_flops(ledger, 40)
    assert sum(decode.share(name) for name in count.components) == 1
