"""What is built has to fit before any of it is built: whole, or one layer of each kind; the error says what would."""

import re

import pytest

from moecalc.errors import InputError
from moecalc.profile.measure import profiling
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.fitting import SPARE, fits, needed_bytes
from moecalc.profile.measure.making import Maker
from moecalc.profile.measure.own import OwnMaker
from moecalc.profile.measure.profiling import profile
from moecalc.profile.measure.steps import StepPlan, steps_of
from tests.oracle.families import hrm_text
from tests.profile.measure.models import DENSE, MIXTURE, model

FREE = 64 * 2**20


def computed(config):
    return Computed(model=model(config), dtype="fp32")


def asked(**more):
    return Asked(**{"cpu": True, "prompt": 16, "context": 64, "dtype": "fp32", "repeats": 1, **more})


@pytest.fixture
def nothing_built(monkeypatch):
    def never(*_: object) -> Maker:
        raise AssertionError("built before it was known to fit")

    monkeypatch.setattr(profiling, "free_bytes", lambda _: FREE)
    monkeypatch.setattr(OwnMaker, "_build", never)


@pytest.mark.parametrize("layers", ["auto", "kinds"])
@pytest.mark.parametrize("config", [DENSE, MIXTURE], ids=["dense", "mixture"])
def test_the_largest_batch_that_fits_is_said_before_a_kind_is_built(nothing_built, config, layers):
    with pytest.raises(InputError, match="one layer of kind") as caught:
        profile(model(config), asked(batches=(1, 10**6), layers=layers))
    said = int(re.search(r"--batch (\d+)", caught.value.hint)[1])
    whole = computed(config)
    kinds = dict.fromkeys(whole.model.architecture.stacks[0].kinds)
    parts = [whole.with_one_layer_of(kind) for kind in kinds]
    assert fits(needed_bytes(parts, steps_of(16, 64, (said,), calibrate=False)), FREE)
    assert not fits(needed_bytes(parts, steps_of(16, 64, (said + 1,), calibrate=False)), FREE)


def test_a_context_that_no_batch_fits_is_cut_to_the_longest(nothing_built):
    with pytest.raises(InputError) as caught:
        profile(model(DENSE), asked(context=10**9))
    said = int(re.search(r"--batch 1 --context (\d+) --prompt 16", caught.value.hint)[1])
    whole = computed(DENSE)
    part = whole.with_one_layer_of(whole.model.architecture.stacks[0].kinds[0])
    assert part.peak_bytes(StepPlan("decode", 1, said)) <= FREE * (1 - SPARE)
    assert part.peak_bytes(StepPlan("decode", 1, said + 1)) > FREE * (1 - SPARE)


def test_the_librarys_module_is_not_built_where_it_does_not_fit(monkeypatch):
    monkeypatch.setattr(profiling, "free_bytes", lambda _: 1000)
    monkeypatch.setattr(profiling, "maker_for", lambda *_: pytest.fail("built"))
    with pytest.raises(InputError, match="needs") as caught:
        profile(model(DENSE), asked(via="transformers"))
    assert "--layers" not in caught.value.hint  # the library's module is not taken apart


def test_stacks_in_a_loop_are_not_taken_apart(monkeypatch):
    monkeypatch.setattr(profiling, "free_bytes", lambda _: 1000)
    with pytest.raises(InputError, match="needs") as caught:
        profile(model(hrm_text.TINY), asked())
    assert "--layers" not in caught.value.hint


def test_one_layer_of_each_kind_adds_up_to_the_model():
    whole = computed(MIXTURE)
    dense, moe = (whole.with_one_layer_of(kind) for kind in ("dense", "moe"))
    step = StepPlan("decode", 2, 64)
    assert dense.state_bytes(step) + 3 * moe.state_bytes(step) == whole.state_bytes(step)
    outer = 2 * 512 * 64 * 4 + 64 * 4  # embeddings, head and final norm
    layers = (dense.weight_bytes - outer) + 3 * (moe.weight_bytes - outer)
    assert layers + outer == whole.weight_bytes


def test_a_catalogue_model_via_transformers_is_pointed_to_its_hub_id():
    with pytest.raises(InputError, match="needs the library's config") as caught:
        profile(model("smollm-135m"), asked(via="transformers"))
    assert "moecalc profile HuggingFaceTB/SmolLM-135M --via transformers" in caught.value.hint


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_nothing_can_be_drawn_with_is_refused(seed):
    with pytest.raises(InputError, match=f"`--seed` is {seed}"):
        asked(seed=seed)
