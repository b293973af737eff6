"""Small models, really run on this machine's processor: all that can be exact is, whole and composed."""

import json

import pytest
import torch

from moecalc.errors import InputError, UndeterminedError
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.profiling import profile
from moecalc.specs.routing import parse_law
from tests.profile.measure.models import DENSE, MIXTURE, POSITIONS, SINKS, model

EXACT = {
    "parameters",
    "weight_bytes",
    "prefill.state_bytes",
    "decode.state_bytes",
    "prefill.flops",
    "decode.flops",
}


def asked(**more):
    settings = {"cpu": True, "prompt": 48, "context": 64, "batches": (1, 4), "dtype": "fp32", "repeats": 3}
    return Asked(**{**settings, **more})


@pytest.fixture(scope="module")
def whole():
    return profile(model(MIXTURE), asked())


@pytest.mark.parametrize(
    "config", [DENSE, MIXTURE, POSITIONS, SINKS], ids=["dense", "mixture", "positions", "sinks"]
)
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_what_follows_from_shapes_is_measured_to_the_last_unit(config, dtype):
    run = profile(model(config), asked(dtype=dtype))
    judged = {figure.id: figure for figure in run.figures if figure.tolerance == 0}
    assert judged.keys() - {"decode.experts"} == EXACT  # one token touches as many experts as it chooses
    assert {figure.verdict for figure in judged.values()} == {"exact"}


def test_composed_of_its_kinds_it_is_the_whole_in_all_that_is_exact(whole):
    parts = profile(model(MIXTURE), asked(layers="kinds"))
    assert (whole.layers, parts.layers) == ("whole", "composed")
    assert any("1 of 1 x dense, 3 of 3 x moe" in note for note in parts.notes)
    for ours, theirs in zip(parts.figures, whole.figures, strict=True):
        assert (ours.id, ours.batch, ours.computed is None) == (
            theirs.id,
            theirs.batch,
            theirs.computed is None,
        )
        if ours.tolerance == 0:
            assert ours.measured == theirs.measured, ours.id


def test_every_step_has_a_time_a_rate_and_shares_of_this_runs_ceilings(whole):
    for batch, phase in ((1, "prefill"), (1, "decode"), (4, "decode")):
        seconds = whole.figure(f"{phase}.seconds", batch).measured
        tokens = batch * (48 if phase == "prefill" else 1)
        assert seconds > 0
        assert whole.figure(f"{phase}.tokens_per_second", batch).measured == pytest.approx(tokens / seconds)
        point = next(p for p in whole.points if (p.phase, p.batch) == (phase, batch))
        mfu = whole.figure(f"{phase}.mfu", batch).measured
        assert mfu == pytest.approx(point.flops / seconds / whole.ceilings.flops_per_second)
        mbu = whole.figure(f"{phase}.mbu", batch).measured
        assert mbu == pytest.approx(point.moved_bytes / seconds / whole.ceilings.bytes_per_second)


def test_the_kernels_of_attention_are_named(whole):
    assert "attention ran as flash attention of scaled_dot_product_attention" in whole.notes
    for layers in ("all", "kinds"):
        sinks = profile(model(SINKS), asked(layers=layers, batches=(1,), repeats=1))
        assert "attention ran as flash attention and its log-sum-exp" in sinks.notes


def test_matrices_in_8_bits_say_what_the_computed_times_leave_out(whole):
    """Weight-only: this runner makes them dense, which the bound does not count."""
    stored = profile(model(DENSE), asked(dtype="bf16", quant="int8", batches=(1,)))
    assert any("makes a matrix dense in bf16" in note for note in stored.notes)
    assert not any("dense in" in note for note in whole.notes)


def test_peak_memory_holds_weights_and_state(whole):
    for phase, batch in (("prefill", 1), ("decode", 1), ("decode", 4)):
        held = whole.figure("weight_bytes").measured + whole.figure(f"{phase}.state_bytes", batch).measured
        assert whole.figure(f"{phase}.peak_bytes", batch).measured > held


def test_one_sequence_touches_top_k_experts_of_each_layer_and_a_prompt_all(whole):
    assert whole.figure("decode.experts", 1).measured == whole.figure("decode.experts", 1).computed == 3 * 2
    assert whole.figure("prefill.experts", 1).measured == 3 * 8


def test_a_skew_touches_fewer_experts_and_the_count_follows():
    many = asked(batches=(32,), skew=parse_law("zipf:3"), repeats=1)
    skewed = profile(model(MIXTURE), many).figure("decode.experts", 32)
    uniform = profile(model(MIXTURE), asked(batches=(32,), repeats=1)).figure("decode.experts", 32)
    assert skewed.computed < uniform.computed
    assert skewed.measured < uniform.measured


def test_components_of_a_step_add_up_to_it(whole):
    for phase, batch in (("prefill", 1), ("decode", 4)):
        times = [time for time in whole.components if (time.phase, time.batch) == (phase, batch)]
        assert {"attention", "router", "routed", "dispatch", "head"} <= {time.name for time in times}
        assert sum(time.share for time in times) == pytest.approx(1)
        assert [time.seconds for time in times] == sorted((time.seconds for time in times), reverse=True)


def test_the_trace_is_chromes(tmp_path):
    path = tmp_path / "trace.json"
    profile(model(DENSE), asked(trace=str(path), batches=(1,), repeats=1))
    names = {event["name"] for event in json.loads(path.read_text())["traceEvents"]}
    assert {"moecalc.attention", "moecalc.ffn", "moecalc step decode 1"} <= names


def test_calibration_times_shorter_steps_that_the_table_does_not_show():
    run = profile(model(DENSE), asked(calibrate=True, batches=(1, 2)))
    lengths = {(point.phase, point.batch, point.tokens) for point in run.points}
    decoded = {("decode", batch, length) for batch in (1, 2) for length in (64, 32, 16)}
    assert lengths == decoded | {("prefill", 1, length) for length in (48, 24, 12)}
    assert run.calibration.phases["decode"].points == 6
    assert run.calibration.phases["decode"].median_error is not None
    assert {(f.id, f.batch) for f in run.figures if f.id == "decode.seconds"} == {
        ("decode.seconds", b) for b in (1, 2)
    }


def test_progress_counts_every_step():
    seen = []
    profile(model(DENSE), asked(repeats=1), lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_librarys_own_module_has_the_same_weights():
    run = profile(model(DENSE), asked(via="transformers", batches=(2,), repeats=1))
    assert run.runner.startswith("transformers ")
    assert run.figure("parameters").verdict == run.figure("weight_bytes").verdict == "exact"
    assert run.figure("prefill.state_bytes", 1).verdict == "exact"
    assert run.figure("decode.state_bytes", 2).verdict == "exact"
    assert run.figure("decode.seconds", 2).measured > 0
    assert run.figure("decode.flops", 2).verdict == "not measured"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"cpu": False}, "no GPU"),
        ({"cpu": False, "gpu": 7}, "no GPU"),
        ({"cpu": True, "gpu": 0}, "exclude"),
        ({"dtype": "int4"}, "cannot be run"),
        ({"batches": (10**9,), "layers": "all"}, "needs"),
        ({"repeats": 0}, "--repeat"),
        ({"prompt": 0}, "prompt"),
        ({"layers": "kinds", "via": "transformers"}, "--layers kinds"),
        ({"layers": "kinds", "trace": "trace.json"}, "composed"),
    ],
)
def test_what_cannot_be_run_is_said(more, words, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=words):
        profile(model(DENSE), asked(**more))


def test_without_a_gpu_the_hint_offers_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError) as caught:
        profile(model(DENSE), asked(cpu=False))
    assert "--cpu" in caught.value.hint


def test_what_is_too_large_says_which_batch_fits():
    with pytest.raises(InputError) as caught:
        profile(model(DENSE), asked(batches=(1, 8, 10**9), layers="all"))
    assert caught.value.hint.endswith("is the most that fits at `--context 64`")


def test_a_context_beyond_learned_positions_is_refused():
    with pytest.raises(InputError, match="128 learned positions") as caught:
        profile(model(POSITIONS), asked(context=129))
    assert "--context 128" in caught.value.hint


def test_without_torch_one_line_says_how_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(InputError, match="needs torch") as caught:
        profile(model(DENSE), asked())
    assert caught.value.hint == "pip install 'moecalc[profile]'"


def test_a_model_without_an_architecture_cannot_be_built():
    with pytest.raises(UndeterminedError, match="no known architecture"):
        profile(model("70B-A12B"), asked())
