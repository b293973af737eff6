"""What a sweep picks under limits: held equal to `speed` at the same batch, and to every other point."""

import pytest

import moecalc
from moecalc.api.sweep import MOST_EXPECTED
from moecalc.calc.speed import sweep
from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.speculation import BATCHES, shown_batches
from moecalc.calc.speed.sweep import slow_words
from moecalc.errors import InputError
from moecalc.render.sweep import sweep_text

LIMITS = "ttft<1s,tpot<30ms"


def swept(slo=LIMITS, gpus="h100,h200,mi300x", **more):
    return moecalc.sweep("llama-3.1-70b", gpus, quant="fp8", slo=slo, **more)


def one_point(point, **more):
    plan = {"tp": point.on.plan.tensor}
    return moecalc.speed(
        "llama-3.1-70b", point.on.fleet.replace(" ", ""), plan=plan, quant="fp8", batch=point.batch, **more
    )


@pytest.mark.parametrize("prompt", [None, 1024])
def test_the_pick_is_expected_to_do_what_speed_expects_of_it(prompt):
    pick = swept(prompt=prompt).as_expected
    one = one_point(pick.point, prompt=prompt, served=True)
    assert pick.point.expected == one.decode.expected
    assert pick.point.expected_ttft == one.first.expected
    assert isinstance(pick.loaded, Expected)
    assert pick.loaded == one.loaded


def test_a_request_alone_and_the_ceiling_have_no_queue():
    assert swept(batches=[1]).as_expected.loaded is None
    assert swept().at_ceiling.loaded is None


def test_devices_that_nothing_is_expected_of_are_named():
    found = swept()
    assert list(found.left_out) == ["mi300x"]
    point = next(point for point in found.points if point.on.kind == "mi300x")
    one = one_point(point, served=point.batch > 1)
    assert isinstance(one.decode.expected, NoExpectation)
    assert one.decode.expected.reason in found.left_out["mi300x"]


def test_devices_that_keep_no_limit_at_the_ceiling_are_named():
    found = swept("tpot<8ms", ["1xh100", "1xmi300x", "8xh200"], batches=[1])
    assert found.left_out == {
        "h100-sxm": "nothing on it keeps the limits even at the ceiling",
        "mi300x": "nothing on it keeps the limits even at the ceiling",
    }
    assert found.as_expected.point.on.kind == "h200-sxm"
    assert swept("tpot<1us").left_out == {}


def test_the_high_end_of_the_interval_is_held_where_it_is_asked_for():
    middle, high = swept().as_expected, swept(f"high:{LIMITS}").as_expected
    assert middle.point.expected.high_seconds > 0.03  # else this pick could not tell the two apart
    assert not high.misses
    assert high.point.expected.high_seconds <= 0.03
    assert high.point.expected_ttft.high_seconds <= 1
    assert high.point.expected_usd_per_million > middle.point.expected_usd_per_million


@pytest.mark.parametrize(
    ("model", "gpus", "slo", "most"),
    [
        ("llama-3.1-70b", "4xh200,4xh100", "tpot<25ms", 300),
        ("llama-3.1-70b", ["4xh200"], "high:tpot<90ms", 300),
        ("llama-3.1-8b", ["8xh100"], "tpot<9ms", 300),  # copies side by side, best at multiples
        ("llama-3.1-70b", ["4xrtx-6000-ada"], "tpot<1s", 301),  # the most that fits, and pipelines
        ("mixtral-8x7b", ["3xh100"], "tpot<1s", 151),  # a range that ends where nothing is shared evenly
        ("deepseek-v3", ["8xh200"], "tpot<21ms,ttft<1s", 250),
        ("deepseek-v3", ["8xh200"], "tpot<26ms", 397),
    ],
)
def test_no_batch_of_the_range_is_cheaper_than_the_pick(model, gpus, slo, most):
    """Held against every batch of the range, tried one by one."""
    picked = moecalc.sweep(model, gpus, batches=f"1..{most}", slo=slo, context=2048)
    every = moecalc.sweep(model, gpus, batches=tuple(range(1, most + 1)), slo=slo, context=2048)
    assert len(picked.points) < len(every.points) / 4
    for pick, best in ((picked.at_ceiling, every.at_ceiling), (picked.as_expected, every.as_expected)):
        assert (pick is None) is (best is None)
        if pick is not None:
            assert not pick.misses
            assert loss(pick) == pytest.approx(loss(best), rel=1e-12)


def loss(choice):
    point = choice.point
    seconds = point.expected.seconds if choice.expected else point.seconds
    return seconds / point.batch * (point.on.usd_per_hour or point.on.devices)


def test_of_named_batches_one_of_them_is_picked():
    named = moecalc.sweep("llama-3.1-70b", "4xh200", quant="fp8", batches=[1, 64, 256], slo="tpot<30ms")
    ranged = moecalc.sweep("llama-3.1-70b", "4xh200", quant="fp8", batches="1..256", slo="tpot<30ms")
    assert named.as_expected.point.batch == 64
    assert named.batch_range is None
    assert 128 < ranged.as_expected.point.batch < 256
    assert ranged.batch_range == (1, 256)
    assert any("picked among all of them" in words for words in sweep_text(ranged, 200).splitlines())
    assert any("among the batches that were named" in words for words in sweep_text(named, 200).splitlines())


def test_a_range_ends_with_the_most_that_fit():
    found = moecalc.sweep("deepseek-v3", "8xh200", batches="1..4096")
    full = [point for point in found.points if point.batch == point.on.max_sequences]
    assert {point.on.plan for point in full} == {point.on.plan for point in found.points}
    assert found.frontier[-1].batch == found.frontier[-1].on.max_sequences


def test_what_binds_a_pipeline_is_what_binds_one_point_of_it():
    """At 256 and 512 all sequences at once would be bound by arithmetic; micro-batches read the weights anew."""
    found = moecalc.sweep("llama-3.1-8b", ["4xrtx-4090"], plan={"pp": 4}, batches="1..512", context=128)
    assert {point.batch for point in found.points} >= {1, 256, 512}
    for point in found.points:
        one = moecalc.speed("llama-3.1-8b", "4xrtx-4090", plan={"pp": 4}, batch=point.batch, context=128)
        assert (point.bound == "compute") is (one.bound == "compute"), point.batch
        assert point.seconds == pytest.approx(one.decode.ceiling.seconds)
    assert any(p.compute_seconds > p.memory_seconds and p.bound == "memory" for p in found.points)


@pytest.mark.parametrize("in_dollars", [False, True])
def test_no_point_is_expected_to_beat_the_frontier_of_what_is_expected(in_dollars):
    found = moecalc.sweep("deepseek-v3", "8xh200", in_dollars=in_dollars)
    kept = found.expected_frontier
    keys = {(point.on.plan, point.batch) for point in kept}
    assert keys - {(point.on.plan, point.batch) for point in found.frontier}  # else one would do for both
    speeds = [point.expected_per_user for point in kept]
    assert speeds == sorted(speeds, reverse=True)

    def value(point):
        return -point.expected_usd_per_million if in_dollars else point.expected_per_device

    for point in found.points:
        if isinstance(point.expected, Expected):
            # of dollars a frontier drops what is cheaper by less than a thousandth
            assert any(
                other.expected_per_user >= point.expected_per_user
                and value(other) >= value(point) - 1e-3 * abs(value(point))
                for other in kept
            ), (point.on.plan, point.batch)


def test_what_binds_a_small_batch_as_expected_is_latency():
    found = moecalc.sweep("deepseek-v3", "8xh200", batches="1..4096")
    alone = found.frontier[0]
    one = moecalc.speed("deepseek-v3", "8xh200")
    assert (alone.batch, alone.on.plan) == (1, one.roofline.plan)
    assert alone.latency_seconds == one.latency_seconds > one.decode.ceiling.seconds
    assert (alone.bound, alone.expected_bound) == ("memory", "latency")
    assert found.frontier[-1].expected_bound == "memory"
    assert "memory/latency" in sweep_text(found, 200)
    assert "latency binds what is expected of" in " ".join(sweep_text(found, 80).split())


def test_why_nothing_is_expected_is_said_wherever_a_dash_stands():
    text = " ".join(sweep_text(moecalc.sweep("mixtral-8x7b", "2xh100,2xmi300x"), 80).split())
    assert " - " in text
    assert "no published measurement on devices like `mi300x`" in text


def test_a_range_that_nothing_holds_says_from_which_batch():
    text = sweep_text(moecalc.sweep("llama-3.1-8b", "1xh100", batches="5000..6000"), 100)
    assert "nothing holds it: h100-sxm does not hold it at batch 5,000" in text
    assert "one sequence" not in text


@pytest.mark.parametrize(
    ("most", "asked", "shown"),
    [
        (166, 1, (1, 4, 16, 64, 166)),
        (64, 10, (1, 4, 10, 16, 64)),
        (3, 8, (1, 3, 8)),
        (None, 2, (2,)),
        (10**6, 1, BATCHES),
    ],
)
def test_speculation_is_shown_as_far_as_sequences_fit(most, asked, shown):
    assert shown_batches(most, asked) == shown


def test_speculation_at_named_batches():
    found = moecalc.speed("deepseek-v3", "8xh200", speculate=1, accept=0.85, speculate_at=(2, 512))
    assert [gain.batch for gain in found.speculation.gains] == [2, 512]
    told = moecalc.as_dict(found)["speed"]["speculation"]
    assert [gain["fits"] for gain in told["gains"]] == [True, False]
    assert told["expected"]["seconds"] is None
    with pytest.raises(InputError):
        moecalc.speed("deepseek-v3", "8xh200", speculate=1, accept=0.85, speculate_at=(0,))


def test_plans_that_cut_a_block_of_the_quantization_are_not_offered():
    """Engines refuse such shards: 1,536 of an expert's channels over 8 ranks are 192, not a multiple of 128."""
    plans = {
        point.on.plan.words
        for point in moecalc.sweep("qwen3-235b-a22b", "8xh100", quant="fp8-block128", batches=[1]).points
    }
    assert "--tp 8" not in plans
    assert {"--tp 8 --ep 8", "--ep 8 --dp 8"} <= plans
    whole = {point.on.plan.words for point in moecalc.sweep("qwen3-235b-a22b", "8xh100", batches=[1]).points}
    assert "--tp 8" in whole


def test_copies_side_by_side_are_tried_where_the_number_of_devices_was_named():
    def copied(gpu):
        points = moecalc.sweep("llama-3.1-8b", gpu, batches=[8], slo="tpot<1s").points
        return {point.on.plan.words for point in points if point.on.plan.data > 1}

    assert copied("4xh100") == {"--tp 2 --dp 2", "--dp 4"}
    assert copied("h100") == set()  # of 1 and 2 devices the same is told
    assert copied("1xh100") == set()


def test_many_named_batches_are_not_slowed_down_by_what_is_expected_of_each():
    found = moecalc.sweep("llama-3.1-8b", "4xh100", batches=tuple(range(1, 301)))
    assert len(found.points) > MOST_EXPECTED
    assert not found.expected_frontier
    assert all(point.expected is None for point in found.points)
    assert all(point.expected is not None for point in found.frontier)
    text = sweep_text(found, 100)
    assert "the frontier at the ceiling" in text
    assert "*" not in text


def test_what_misses_a_limit_by_least_is_not_marked_as_keeping_it():
    nothing = moecalc.sweep("llama-3.1-8b", "8xh100", slo="tpot<1ms")
    assert nothing.as_expected.misses
    rows = sweep_text(nothing, 80).splitlines()
    assert [row.split()[0] for row in rows if row.endswith("  nearest")] == ["1,723*"]
    assert [row.split()[4] for row in rows if row.endswith("  ceiling")] == [
        str(nothing.at_ceiling.point.batch)
    ]
    assert not any(row.endswith("  expected") for row in rows)


@pytest.mark.parametrize("in_dollars", [False, True])
@pytest.mark.parametrize("columns", [80, 120])
def test_the_table_fits_the_width(in_dollars, columns):
    found = moecalc.sweep("llama-3.1-70b", "h100,h200,mi300x", quant="fp8", slo=LIMITS, in_dollars=in_dollars)
    assert max(map(len, sweep_text(found, columns).splitlines())) <= columns
    head = next(line for line in sweep_text(found, columns).splitlines() if line.startswith("per user  "))
    assert ("expected $" if in_dollars else "expected/GPU") in head
    assert "pick" in head


def test_a_pick_where_expectations_end_says_so_and_batches_beyond_give_that_reason():
    found = moecalc.sweep("qwen3-30b-a3b", "h200", batches="1..4096", slo=LIMITS)
    pick = found.as_expected
    assert "is far from what was measured in `served`" in pick.beyond
    said = " ".join(sweep_text(found, 100).split())
    assert f"batch {pick.point.batch:,} is the largest of which anything is expected under this plan" in said
    several = [point for point in found.points if point.on.plan.pipeline == 1 and point.batch > 1]
    beyond = [point.expected for point in several if isinstance(point.expected, NoExpectation)]
    assert beyond
    assert all("served" in lacking.reason for lacking in beyond)
    assert swept().as_expected.beyond is None


def test_a_large_sweep_without_numpy_says_what_would_make_it_faster(monkeypatch):
    assert slow_words(100_000) == []
    monkeypatch.setattr(sweep, "_numpy", lambda: None)
    assert slow_words(sweep.MANY) == []
    (said,) = slow_words(100_000)
    assert "moecalc[arrays]" in said
