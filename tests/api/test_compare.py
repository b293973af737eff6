"""`compare`: lines, deployments, the curve, and the three ways to read the result."""

import json

import pytest

import moecalc
from moecalc.api import Comparison, compare, load
from moecalc.api.speed import speed
from moecalc.errors import InputError
from moecalc.render.rates import duration
from tests.api.promised import IDS
from tests.calc.released import DEEPSEEK_V3, LLAMA_13B, MIXTRAL_8X7B

WHOLE = {"context": 4096, "gpu_memory_utilization": 0.9}


@pytest.fixture(scope="module")
def models():
    mixtral, llama = load(MIXTRAL_8X7B), load(LLAMA_13B)
    mixtral.name, llama.name = "mixtral", "llama"
    return mixtral, llama


@pytest.fixture(scope="module")
def shipped(models):
    return compare(*models, **WHOLE)


@pytest.fixture(scope="module")
def equal(models):
    return compare(*models, **WHOLE, equal_kv=True)


def line(comparison, index, line_id):
    return comparison.entries[index].report[line_id].value


def test_every_model_has_the_public_lines_and_two_of_its_deployment(shipped):
    for entry in shipped.entries:
        ids = [item.id for item in entry.report.lines]
        assert ids == [*IDS, "fit.gpus", "fit.max_sequences"]


def test_figures_are_those_of_the_models(shipped, models):
    for entry, model in zip(shipped.entries, models, strict=True):
        for item in model.lines(context=4096):
            assert entry.report[item["id"]].value == item["value"]


def test_each_stands_on_its_own_smallest_deployment(shipped):
    # 93.4 GB need two cards of 79 GiB, 26 GB one; at 90% they hold 110 sequences of 512 MiB and 15 of 3.1 GiB
    assert [entry.gpus for entry in shipped.entries] == [2, 1]
    assert [line(shipped, index, "fit.gpus") for index in (0, 1)] == [2, 1]
    usable = shipped.device.usable_bytes * 9 // 10
    assert line(shipped, 0, "fit.max_sequences") == (2 * usable - 93_405_585_408) // (128 * 2**10 * 4096)
    assert line(shipped, 1, "fit.max_sequences") == (usable - 26_031_728_640) // (800 * 2**10 * 4096) == 15


def test_no_column_lies_beyond_what_is_held(shipped):
    largest = max(line(shipped, index, "fit.max_sequences") for index in (0, 1))
    assert shipped.columns[0] == 1
    assert shipped.columns[-1] == largest
    for entry in shipped.entries:
        assert [cell.batch for cell in entry.cells] == list(shipped.columns)
        for cell in entry.cells:
            held = cell.batch <= entry.report["fit.max_sequences"].value
            assert (cell.gpu_seconds is not None) == held


def test_equal_kv_gives_every_model_the_state_of_the_first(equal, shipped):
    first, other = (entry.subject.deployment.demand for entry in equal.entries)
    assert first.state_bytes(4096) == other.state_bytes(4096) == 128 * 2**10 * 4096
    assert other.weight_bytes == 26_031_728_640
    assert line(equal, 1, "fit.max_sequences") > line(shipped, 1, "fit.max_sequences")
    # the model itself stays as it is
    assert line(equal, 1, "state.bytes_per_token") == 800 * 2**10
    assert equal.equal_kv
    assert not shipped.equal_kv


def cost(comparison, index, batch):
    deployment = comparison.entries[index].subject.deployment
    return deployment.gpu_seconds_per_token(batch)


@pytest.mark.parametrize(("batch", "ratio"), [(1, 1.0), (8, 2.96), (16, 2.95), (1024, 1.12)])
def test_same_cost_at_equal_state_holds_only_at_the_ends(equal, batch, ratio):
    assert cost(equal, 0, batch) / cost(equal, 1, batch) == pytest.approx(ratio, abs=0.03)


def test_the_default_context_is_the_longest_trained_up_to_4096(models):
    assert compare(*models).workload.context == 4096
    _, llama = models
    assert compare(llama, llama).workload.context == 2048


def test_a_context_beyond_the_trained_one_is_a_warning_for_that_model(shipped):
    (warning,) = shipped.warnings
    assert "llama" in warning
    assert "2,048" in warning
    assert compare(MIXTRAL_8X7B, DEEPSEEK_V3).warnings == ()


def test_names_paths_configs_and_loaded_models_mix(models):
    comparison = compare(models[0], LLAMA_13B, "70B-A12B")
    assert [entry.name for entry in comparison.entries] == ["mixtral", "config", "70B-A12B"]
    assert line(comparison, 2, "params.total") == 70 * 10**9
    assert line(comparison, 2, "state.bytes") is None


def test_the_cost_of_two_numbers_is_bounded_from_below(models):
    entry = compare("70B-A12B", models[1], context=4096).entries[0]
    assert entry.cells
    # 12 B parameters of 2 bytes, a quarter of them looked up, at 3.35 TB/s, however many experts the tokens share
    for cell in entry.cells:
        assert cell.bound == "at least"
        assert cell.gpu_seconds == pytest.approx(18e9 / 3.35e12 / cell.batch)


def test_two_numbers_cost_nothing_where_their_weights_do_not_fit():
    """2 TB in bf16 on eight devices of 140 GiB, and 140 GB on one of 80: these need 15 and 2."""
    (large, _), (two, _) = (
        compare(name, "llama-3.1-8b", gpu=gpu).entries
        for name, gpu in (("1T-A30B:384x8", "8xh200"), ("70B-A12B:128x8", "1xh100"))
    )
    assert {(cell.gpu_seconds, cell.gpus_needed) for cell in large.cells} == {(None, None)}
    assert {(cell.gpu_seconds, cell.gpus_needed) for cell in two.cells} == {(None, 2)}


def test_the_cost_with_experts_stated_is_about_right(models):
    entry = compare("70B-A12B:128x8", models[1], context=4096).entries[0]
    shared = 70e9 - 58e9 * 128 / 120
    for cell in entry.cells:
        touched = 1 - (120 / 128) ** cell.batch
        read = 2 * (shared + touched * 58e9 * 128 / 120)
        assert cell.bound == "about"
        assert cell.gpu_seconds == pytest.approx(read / 3.35e12 / cell.batch)


def test_an_outline_is_compared_as_far_as_it_is_known(tmp_path, models):
    path = tmp_path / "secret.yaml"
    path.write_text(
        "name: secret\ntitle: Secret\noutline:\n  - {what: total, low: 1T, high: 2T, provenance: rumoured, "
        'source: "https://example.org", checked: 2026-01-01}\n',
        encoding="utf-8",
    )
    comparison = compare(path, models[1])
    entry = comparison.entries[0]
    assert entry.gpus is None
    assert entry.report["fit.gpus"].value is None
    assert (entry.report["params.total"].low, entry.report["params.total"].high) == (10**12, 2 * 10**12)
    assert "undisclosed" in comparison.to_markdown()


def test_dtype_and_batch_are_handed_on(models):
    comparison = compare(*models, context=4096, dtype="fp8", kv_dtype="fp8", batch=50)
    assert line(comparison, 0, "weights.bytes") == 46_702_792_704
    assert line(comparison, 0, "state.bytes") == 50 * 64 * 2**10 * 4096
    # one card takes 46.7 and 13.4 GB, and is too small for 13.0 and 83.9 GB
    assert [entry.gpus for entry in comparison.entries] == [1, 2]
    assert comparison.device.peak == 1_979 * 10**12


def test_another_accelerator(models):
    comparison = compare(*models, gpu="b200")
    assert comparison.device.name == "b200"
    assert [entry.gpus for entry in comparison.entries] == [1, 1]


@pytest.mark.parametrize("share", [0, -0.5, 1.01, 2])
def test_a_utilization_that_is_no_share_is_refused(models, share):
    with pytest.raises(InputError, match="`gpu_memory_utilization`"):
        compare(*models, gpu_memory_utilization=share)


@pytest.mark.parametrize("given", [(), (MIXTRAL_8X7B,)])
def test_one_model_alone_is_no_comparison(given):
    with pytest.raises(InputError, match="at least two"):
        compare(*given)


def test_unknown_names_are_refused(models):
    with pytest.raises(InputError, match="`mixtrl`"):
        compare("mixtrl", models[1])
    with pytest.raises(InputError, match="`h1000000`"):
        compare(*models, gpu="h1000000")


# ---------------------------------------------------------------------------------- three ways to read the result


def test_to_dict_is_the_json_form(shipped):
    found = shipped.to_dict()
    assert json.loads(json.dumps(found)) == found
    assert (found["schema"], found["command"]) == ("moecalc/report/1", "compare")
    assert [model["name"] for model in found["models"]] == ["mixtral", "llama"]
    assert found["models"][0]["lines"][0]["value"] == 46_702_792_704
    assert found["sentences"] == list(shipped.sentences)
    dearer, cheaper = found["cost_verdicts"]
    assert (dearer["verdict"], cheaper["verdict"]) == ("dearer", "cheaper")
    assert f"{dearer['ratio']:.1f}x" in shipped.sentences[1]
    assert f"reads {dearer['cause']['touched']:.0%}" in shipped.sentences[1]
    assert found["warnings"] == list(shipped.warnings)
    assert found["defaults"]["context"] == 4096
    assert found["defaults"]["utilization"] == pytest.approx(0.9)
    assert found["device"]["name"] == "h100-sxm"
    curve = found["cost_curve"]
    assert [(entry["name"], entry["gpus"]) for entry in curve] == [("mixtral", 2), ("llama", 1)]
    assert [cell["batch"] for cell in curve[0]["cells"]] == list(shipped.columns)


def test_to_dict_says_whose_state_all_have(equal, shipped):
    assert "mixtral" in equal.to_dict()["defaults"]["state"]
    assert "state" not in shipped.to_dict()["defaults"]


def test_to_markdown_has_the_figures_the_curve_and_the_sentences(shipped):
    text = shipped.to_markdown()
    rows = [row for row in text.splitlines() if row.startswith("|")]
    assert rows[0].split("|")[2].strip() == "mixtral"
    assert len({row.count("|") for row in rows[:8]}) == 1
    for part in ("46.70 B", "13.02 B", "93.4 GB", "128 KiB", "800 KiB", "6.25x", "27.6%"):
        assert part in text
    assert all(sentence in text for sentence in shipped.sentences)
    assert all(warning in text for warning in shipped.warnings)
    (header,) = [row for row in rows if "at batch" in row]
    assert [cell.strip() for cell in header.split("|")[2:-1]] == [f"{batch:,}" for batch in shipped.columns]


def test_repr_names_the_models_the_device_and_what_follows(shipped):
    text = repr(shipped)
    assert text.startswith("<Comparison mixtral against llama on h100-sxm")
    assert "46.70B" in text


def test_the_package_offers_the_same(shipped):
    assert moecalc.compare is compare
    assert isinstance(shipped, Comparison)


def test_the_latency_floor_is_named_where_it_decides():
    """Qwen3-30B-A3B reads little and launches much: the ceiling flatters it at batch 1."""
    (said,) = (s for s in compare("qwen3-30b-a3b", "llama-3.1-8b").sentences if "latency floor" in s)
    ones = [speed(name, "h100", context=4096) for name in ("qwen3-30b-a3b", "llama-3.1-8b")]
    expected, ceiling = (
        [one.decode.expected.seconds for one in ones],
        [float(one.decode.ceiling.seconds) for one in ones],
    )
    assert f"{expected[0] / expected[1]:.2f}x of llama-3.1-8b as expected" in said
    assert f"{ceiling[0] / ceiling[1]:.2f}x at the ceiling" in said
    assert all(duration(one.latency_seconds) in said for one in ones)
    loaded = speed("qwen3-30b-a3b", "h100", context=4096, batch=4, served=True)
    assert f"under load {loaded.latency_seconds / loaded.decode.expected.seconds:.0%} at batch 4" in said
    assert "Nothing is expected of 8B there." in " ".join(compare("8B", "qwen3-30b-a3b").sentences)


def test_no_floor_where_bytes_decide_or_nothing_is_expected():
    assert not any("latency floor" in s for s in compare("mixtral-8x7b", "llama-13b").sentences)
    small = compare("qwen3-30b-a3b", "llama-3.1-8b", gpu="mi300x").sentences
    assert not any("latency floor" in s for s in small)
