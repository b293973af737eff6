"""`moecalc routing`, and `--skew` in the commands that assume uniform routing without it."""

import json

import numpy as np
import pytest

import moecalc
from moecalc.cli.run import run
from moecalc.errors import InputError


def stdout_of(capsys, *arguments):
    code = run(list(arguments))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def counts_file(tmp_path, layers, experts, hot=1):
    path = tmp_path / "loads.json"
    rows = [[hot * 100 if expert == 0 else 100 for expert in range(experts)] for _ in range(layers)]
    path.write_text(json.dumps({"counts": rows}))
    return str(path)


def test_json_has_every_batch(capsys):
    code, out, _ = stdout_of(capsys, "routing", "mixtral-8x7b", "--batch", "1..64", "--ep", "8", "--json")
    found = json.loads(out)
    (pool,) = found["routing"]["pools"]
    assert code == 0
    assert [row["batch"] for row in pool["batches"]] == [1, 2, 4, 8, 16, 32, 64]
    assert pool["batches"][0]["experts_touched"] == pytest.approx(2)
    # An expert on each rank: what falls on the fullest rank is what falls on the fullest expert.
    last = pool["batches"][-1]
    assert last["fullest_rank_choices_over_mean"] == last["fullest_expert_over_mean"]
    assert last["dropped_share"] is None


def test_what_a_law_and_a_group_limit_assume_is_said(capsys):
    for arguments in ((), ("--json",)):
        _, out, _ = stdout_of(
            capsys, "routing", "deepseek-v3", "--skew", "zipf:1", "--batch", "4", *arguments
        )
        said = " ".join(out.split())
        assert "a token picks an expert with probability top-k x its share of the load, at most 1" in said
        assert "uniform choice of both; a router that ranks groups by their best experts" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("serve", "mixtral-8x7b", "--gpu", "2xh100"), "routing, assumed: uniform"),
        (("fit", "mixtral-8x7b", "--gpu", "2xh100"), "routing uniform"),
        (("fit", "mixtral-8x7b", "--gpu", "2xh100", "--markdown"), "routing uniform"),
        (("speed", "mixtral-8x7b", "--gpu", "2xh100"), "routing uniform"),
        (("compare", "mixtral-8x7b", "qwen3-30b-a3b"), "uniform routing"),
    ],
)
def test_the_default_is_printed(capsys, arguments, said):
    assert said in " ".join(stdout_of(capsys, *arguments)[1].split())


def test_a_dense_model_has_no_routing_to_assume(capsys):
    for arguments in (("serve", "llama-13b", "--gpu", "h100"), ("fit", "llama-13b", "--gpu", "h100")):
        assert "routing" not in stdout_of(capsys, *arguments)[1]
        code, out, _ = stdout_of(capsys, *arguments, "--json")
        assert (code, "routing" in json.loads(out)["defaults"]) == (0, False)
        code, out, _ = stdout_of(capsys, arguments[0], "mixtral-8x7b", "--gpu", "2xh100", "--json")
        assert (code, json.loads(out)["defaults"]["routing"]) == (0, "uniform")


def test_a_recording_is_a_skew(capsys, tmp_path):
    path = counts_file(tmp_path, 32, 8, hot=2)
    code, out, _ = stdout_of(capsys, "routing", "mixtral-8x7b", "--skew", path, "--batch", "4", "--json")
    assert code == 0
    lines = {line["id"]: line["value"] for line in json.loads(out)["models"][0]["lines"]}
    # The hot expert has 2 of 9 parts, the mean expert 9/8.
    assert lines["routing.hottest_expert"] == pytest.approx(2 / (9 / 8))


def test_rows_of_zeros_are_dense_layers(capsys, tmp_path):
    path = tmp_path / "loads.json"
    path.write_text(json.dumps({"counts": [[0] * 8] + [[5] * 8] * 32}))
    code, out, _ = stdout_of(capsys, "routing", "mixtral-8x7b", "--skew", str(path), "--batch", "4", "--json")
    assert code == 0
    flat = json.loads(out)["routing"]["pools"][0]["batches"][0]["experts_touched"]
    assert flat == pytest.approx(8 * (1 - (1 - 2 / 8) ** 4))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("routing", "llama-13b"), 2, "has no router"),
        (("routing", "70B-A12B:128x8"), 3, "only counts are known"),
        (("routing", "gpt-4"), 3, "only counts are known"),
        (("routing", "mixtral-8x7b", "--skew", "steep"), 2, "no routing law `steep`"),
        (("routing", "mixtral-8x7b", "--skew", "nowhere.csv"), 2, "no file `nowhere.csv`"),
        (("routing", "mixtral-8x7b", "--ep", "3"), 2, "do not divide among 3 ranks"),
        (("routing", "mixtral-8x7b", "--ep", "0"), 2, "`ranks` is 0"),
        (("routing", "mixtral-8x7b", "--batch", "0"), 2, "is not a number of sequences"),
        (("routing", "mixtral-8x7b", "--batch", "200000"), 2, "more than a step takes"),
        (("routing", "mixtral-8x7b", "--capacity-factor", "nan"), 2, "capacity factor is nan"),
        (("routing", "mixtral-8x7b", "--gpu", "h100"), 2, "waits for no other"),
        (("speed", "llama-13b", "--gpu", "h100", "--skew", "zipf:1"), 2, "dense model has no router"),
        (("speed", "mixtral-8x7b", "--gpu", "2xh100", "--skew", "zipf:1", "--overlap", "0.5"), 2, "both say"),
        (("compare", "llama-13b", "llama-7b", "--skew", "zipf:1"), 2, "none of these models has a router"),
        (("serve", "llama-13b", "--gpu", "h100", "--skew", "zipf:1"), 2, "dense model has no router"),
        (
            ("fit", "mixtral-8x7b", "--gpu", "2xh100", "--cache-hit", "zipf:1"),
            2,
            "experts in RAM, and here none",
        ),
        (("fit", "mixtral-8x7b", "--cache-hit", "zipf:1"), 2, "`--cache-hit` needs devices"),
        (
            (
                "fit",
                "llama-13b",
                "--vram",
                "8GiB",
                "--ram",
                "64GiB",
                "--quant",
                "q4_k_m",
                "--cache-hit",
                "zipf:1",
            ),
            2,
            "no router that `--cache-hit zipf:1` could be of",
        ),
    ],
)
def test_bad_input(capsys, arguments, code, said):
    found, out, err = stdout_of(capsys, *arguments)
    assert (found, out) == (code, "")
    assert said in err
    assert "hint:" in err


def test_a_recording_of_another_model_is_refused(capsys, tmp_path):
    path = counts_file(tmp_path, 32, 16)
    code, _, err = stdout_of(capsys, "routing", "mixtral-8x7b", "--skew", path)
    assert code == 2
    assert "counts 16 experts, and the model has 8" in err


@pytest.mark.parametrize(
    "arguments",
    [
        ("speed", "mixtral-8x7b", "--gpu", "2xh100", "--batch", "16"),
        ("speed", "mixtral-8x7b", "--gpu", "2xh100", "--batch", "1..64"),
        ("cost", "mixtral-8x7b", "--gpu", "2xh100", "--request", "in=4k,out=500"),
        ("serve", "deepseek-v3", "--gpu", "16xh200", "--tp", "8", "--dp", "2", "--ep", "16"),
        ("compare", "mixtral-8x7b", "70B-A12B:128x8"),
    ],
)
def test_uniform_is_what_it_is_without_and_a_skew_is_not(capsys, arguments):
    without = stdout_of(capsys, *arguments, "--json")
    assert stdout_of(capsys, *arguments, "--skew", "uniform", "--json") == without
    assert without[0] == 0
    code, skewed, _ = stdout_of(capsys, *arguments, "--skew", "zipf:2", "--json")
    assert code == 0
    assert skewed != without[1]


def test_a_skew_is_faster_in_the_ceiling_and_stops_at_what_shared_experts_allow(capsys):
    ceilings = {}
    for skew in ("uniform", "zipf:0.5", "zipf:2"):
        _, out, _ = stdout_of(
            capsys, "speed", "qwen3-30b-a3b", "--gpu", "h100", "--batch", "16", "--skew", skew, "--json"
        )
        lines = {line["id"]: line["value"] for line in json.loads(out)["models"][0]["lines"]}
        ceilings[skew] = lines["experts.touched_share"]
    assert ceilings["uniform"] > ceilings["zipf:0.5"] > ceilings["zipf:2"] > 8 / 128


def test_cache_hit_beside_a_placement(capsys):
    arguments = ("fit", "qwen3-30b-a3b", "--quant", "q4_k_m", "--vram", "12GiB", "--ram", "32GiB", "--json")
    hits = {}
    for law in ("uniform", "zipf:1"):
        code, out, _ = stdout_of(capsys, *arguments, "--cache-hit", law)
        assert code == 0
        lines = {line["id"]: line for line in json.loads(out)["models"][0]["lines"]}
        hits[law] = lines["offload.cache.hit_share"]["value"]
        missed = lines["offload.cache.missed_experts"]["value"]
        assert missed == pytest.approx(8 * (1 - hits[law]))  # one token
        assert lines["offload.cache.decode_tokens_per_second"]["value"] is None  # no bandwidth was named
    assert hits["zipf:1"] > hits["uniform"]


def test_what_is_expected_does_not_follow_a_skew_and_says_so(capsys):
    arguments = ("speed", "gpt-oss-120b", "--gpu", "h100", "--batch", "32")
    assert "keeps the routing that was measured" not in stdout_of(capsys, *arguments)[1]
    _, out, _ = stdout_of(capsys, *arguments, "--skew", "zipf:1")
    assert "what is expected keeps the routing that was measured" in " ".join(out.split())
    found = {}
    for skew in ("uniform", "zipf:1"):
        found[skew] = json.loads(stdout_of(capsys, *arguments, "--skew", skew, "--json")[1])["speed"][
            "expectations"
        ]
    assert found["zipf:1"]["served"]["follows_routing"] is False
    assert found["zipf:1"] == found["uniform"]


def test_a_cache_of_experts_moves_the_decode_ceiling(capsys):
    """Of Qwen3-30B-A3B in one format: 8 of 128 experts a token, those that miss from RAM at a tenth of the speed."""
    arguments = ("fit", "qwen3-30b-a3b", "--quant", "q8_0", "--vram", "16GiB", "--bandwidth", "800GB/s")
    arguments += ("--ram", "64GiB", "--ram-bandwidth", "80GB/s", "--json")
    found = {}
    for law in ("uniform", "zipf:1"):
        code, out, _ = stdout_of(capsys, *arguments, "--cache-hit", law)
        assert code == 0
        report = json.loads(out)
        assert report["defaults"]["routing"] == "uniform"
        lines = {line["id"]: line["value"] for line in report["models"][0]["lines"]}
        found[law] = lines["offload.cache.decode_tokens_per_second"]
        expert = 3 * 2048 * 768 * 34 / 32  # gate, up and down; 34 bytes for 32 weights
        from_ram = 48 * lines["offload.cache.missed_experts"] * expert / 80e9
        # What misses takes that long at least, and all else is read at 800 GB/s.
        assert 1 / found[law] > from_ram
        assert 1 / found[law] < from_ram + 48 * 8 * expert / 800e9 + 3e9 / 800e9
    assert found["zipf:1"] > 2 * found["uniform"]


@pytest.mark.parametrize("skew", [3, None, 1.5, ["uniform"], True])
def test_a_skew_that_is_no_word_is_refused(skew):
    with pytest.raises(InputError, match="`skew` is"):
        moecalc.routing("mixtral-8x7b", skew=skew)


def test_batches_as_a_list(capsys):
    code, out, _ = stdout_of(capsys, "routing", "mixtral-8x7b", "--batch", "1,32", "--json")
    assert code == 0
    assert [batch["batch"] for batch in json.loads(out)["routing"]["pools"][0]["batches"]] == [1, 32]


def test_arrays_for_notebooks():
    found = moecalc.routing("gpt-oss-120b", batch=[1, 32], ranks=4, capacity_factor=1.5)
    arrays = found.arrays()
    assert arrays["batch"].tolist() == [1, 32]
    assert np.round(arrays["experts_touched"]).tolist() == [4, 82]
    assert set(arrays) == set(found.columns())
    assert np.isnan(arrays["rank_step_seconds_over_mean"]).all()  # no device was named
    assert arrays["dropped_share"][1] > 0


def test_one_batch_as_a_number():
    assert len(moecalc.routing("mixtral-8x7b", batch=32).pools[0].batches) == 1


@pytest.mark.parametrize("batch", [np.array([1, 32]), np.array([1, 32], dtype=np.uint8), [np.int64(1), 32]])
def test_batches_as_a_notebook_has_them(batch):
    assert moecalc.routing("mixtral-8x7b", batch=batch).columns()["batch"] == [1, 32]


def test_values_that_are_no_numbers():
    with pytest.raises(InputError, match="capacity factor is '1'"):
        moecalc.routing("mixtral-8x7b", batch=4, capacity_factor="1")
    with pytest.raises(InputError, match="no routing law ``"):
        moecalc.routing("mixtral-8x7b", batch=4, skew="")
    with pytest.raises(InputError, match=r"`batch` is 1\.5"):
        moecalc.routing("mixtral-8x7b", batch=np.float64(1.5))


def test_batches_that_are_none():
    with pytest.raises(InputError, match="no batch"):
        moecalc.routing("mixtral-8x7b", batch=[])
    with pytest.raises(InputError, match="`batch` is True"):
        moecalc.routing("mixtral-8x7b", batch=[True])


def test_without_numpy_closed_forms_stand_and_ranks_are_refused(monkeypatch, capsys):
    import moecalc.api.routing as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    code, out, _ = stdout_of(capsys, "routing", "mixtral-8x7b", "--batch", "4", "--capacity-factor", "1.25")
    assert code == 0
    assert "needs numpy: pip install" in out
    code, _, err = stdout_of(capsys, "routing", "mixtral-8x7b", "--ep", "8")
    assert code == 2
    assert "pip install 'moecalc[arrays]'" in err


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_it_keeps_to_the_terminal(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for more in ((), ("--ep", "8", "--gpu", "h100")):
        _, out, _ = stdout_of(capsys, "routing", "mixtral-8x7b", "--batch", "1..64", *more)
        assert max(map(len, out.splitlines())) <= columns, more
        assert ("█" in out) is (columns >= 80), more
