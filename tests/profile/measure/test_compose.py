"""A whole from its parts: the arithmetic, by samples that are made up so that it can be done by hand."""

import pytest

from moecalc.profile.measure.compose import Part, composed, layers_to_measure, lost
from moecalc.profile.measure.figures import touched_words
from moecalc.profile.measure.steps import Sample, StepPlan, StepSample, Touched
from moecalc.specs.runs import Timing

STEP = StepPlan("decode", 1, 16)


def made(parameters, seconds, *, spread=0.0, flops=0, state=0, transient=0, touched=None):
    timing = Timing(
        seconds=seconds, low_seconds=seconds - spread, high_seconds=seconds + spread, repeats=5, clock="told"
    )
    step = StepSample(
        plan=STEP, timing=timing, state_bytes=state, transient_bytes=transient, flops=flops, touched=touched
    )
    return Sample(parameters=parameters, weight_bytes=2 * parameters, steps=(step,))


BASE = made(100, 1.0, spread=0.25, flops=10, transient=50)
DENSE = made(107, 1.5, spread=0.25, flops=14, state=8, transient=40)
ROUTED = made(
    130, 3.0, spread=0.5, flops=20, state=8, transient=90, touched=Touched(distinct=6, experts=8, layers=1)
)
PARTS = (
    Part(kind="dense", layers=2, stored=2, measured_layers=1, sample=DENSE, base=BASE),
    Part(kind="routed", layers=10, stored=10, measured_layers=1, sample=ROUTED, base=BASE),
)


def test_base_and_so_many_layers_of_each_kind():
    whole = composed(PARTS)
    (step,) = whole.steps
    assert whole.parameters == 100 + 2 * 7 + 10 * 30
    assert whole.weight_bytes == 2 * whole.parameters
    assert step.flops == 10 + 2 * 4 + 10 * 10
    assert step.state_bytes == 12 * 8
    assert step.timing.seconds == pytest.approx(1 + 2 * 0.5 + 10 * 2.0)
    assert step.touched == Touched(distinct=60, experts=80, layers=10, stand_for=((10, 1),))


def test_memory_that_comes_and_goes_is_that_of_the_hungriest_part():
    assert composed(PARTS).steps[0].transient_bytes == 90


def test_the_spread_is_of_parts_all_fast_or_all_slow():
    timing = composed(PARTS).steps[0].timing
    assert timing.low_seconds == pytest.approx(0.75 + 2 * 0.5 + 10 * 1.75)
    assert timing.high_seconds == pytest.approx(1.25 + 2 * 0.5 + 10 * 2.25)


def test_a_part_is_held_against_the_base_of_its_own_turns():
    """The machine was at half its speed while the second was measured."""
    slow = made(100, 2.0, flops=10, transient=50)
    dense = Part(kind="dense", layers=2, stored=2, measured_layers=1, sample=DENSE, base=BASE)
    late = Part(
        kind="late", layers=2, stored=2, measured_layers=1, sample=made(107, 3.0, flops=14), base=slow
    )
    assert composed((dense, late)).steps[0].timing.seconds == pytest.approx(1.5 + 2 * 0.5 + 2 * 1.0)


def test_a_kind_that_is_stored_once_counts_its_weights_once_and_its_runs_all():
    shared = Part(kind="shared", layers=6, stored=1, measured_layers=1, sample=DENSE, base=BASE)
    whole = composed((shared,))
    assert whole.parameters == 107
    assert whole.steps[0].flops == 10 + 6 * 4


def test_a_layer_that_noise_made_faster_than_nothing_counts_as_nothing():
    fast = Part(kind="fast", layers=5, stored=5, measured_layers=1, sample=made(107, 0.9), base=BASE)
    assert composed((fast,)).steps[0].timing.seconds == 1.0


def test_a_kind_whose_time_drowned_is_named():
    fast = Part(kind="fast", layers=5, stored=5, measured_layers=1, sample=made(107, 0.9), base=BASE)
    assert lost((*PARTS, fast)) == ("fast",)
    assert lost(PARTS) == ()


@pytest.mark.parametrize(
    ("stored", "layer", "room", "layers"),
    [
        (32, 100, None, 20),  # twice a base of 1,000
        (12, 100, None, 12),
        (32, 5_000, None, 4),
        (2, 5_000, None, 2),
        (32, 5_000, 11_000, 2),
        (32, 5_000, 100, 1),
        (32, 0, None, 32),
    ],
)
def test_layers_outweigh_what_they_are_measured_on(stored, layer, room, layers):
    assert layers_to_measure(stored, 1_000, layer, room) == layers


def test_several_layers_of_a_kind_count_as_many_times():
    four = made(100 + 4 * 7, 1 + 4 * 0.5, flops=10 + 4 * 4)
    part = Part(kind="dense", layers=6, stored=6, measured_layers=4, sample=four, base=BASE)
    (step,) = composed((part,)).steps
    assert step.timing.seconds == pytest.approx(1 + 6 * 0.5)
    assert step.flops == 10 + 6 * 4


def test_what_was_not_measured_of_a_part_is_not_known_of_the_whole():
    dark = Part(
        kind="dark",
        layers=5,
        stored=5,
        measured_layers=1,
        sample=made(107, 2.0, flops=None, transient=None),
        base=BASE,
    )
    step = composed((dark,)).steps[0]
    assert step.flops is None
    assert step.transient_bytes is None


def test_experts_that_stand_for_others_are_said_to():
    touched = Touched(distinct=60, experts=80, layers=10, stand_for=((10, 1),))
    assert touched_words(touched) == "of 80 in 10 layers; counted in 1 of them, which stand for the others"
    assert touched_words(Touched(distinct=6, experts=8, layers=1)) == "of 8 in 1 layers"
