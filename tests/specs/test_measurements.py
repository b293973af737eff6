"""The published measurements: every row resolves, is possible, and is left out by the folds exactly once."""

import re
from collections import Counter
from functools import cache
from typing import get_args

import pytest

import moecalc
from moecalc.api.precision import precision_for
from moecalc.calc import memory
from moecalc.errors import InputError
from moecalc.specs import measurements as module
from moecalc.specs.formats import Precision
from moecalc.specs.hardware import FORMATS, accelerator
from moecalc.specs.kv_formats import kv_format
from moecalc.specs.measurements import (
    METRICS,
    REGIMES,
    Measurement,
    Metric,
    Regime,
    excluded,
    folds,
    measurements,
    sources,
)

ROWS = measurements()
BY_ID = {row.id: row for row in ROWS}

FITTING = {
    "decode-b1-single": {"decode-per-user"},
    "decode-b1-tp": {"decode-per-user", "tpot"},
    "decode-b1-layer-split": {"decode-per-user"},
    "decode-b1-hybrid": {"decode-per-user"},
    "decode-static-batch": {"decode"},
    "decode-disaggregated": {"decode-per-node"},
    "prefill-b1-single": {"prefill", "ttft"},
    "prefill-b1-tp": {"ttft"},
    "prefill-b1-layer-split": {"prefill"},
    "prefill-b1-hybrid": {"prefill"},
    "prefill-static-batch": {"prefill"},
    "prefill-disaggregated": {"prefill-per-node", "prefill-per-device"},
    "request-static-batch": {"output-per-device"},
    "served": {"tpot", "ttft", "output"},
    "offline": {"output", "output-per-device"},
}


@cache
def model(name):
    return moecalc.load(name)


@cache
def bytes_per_parameter(name, weights, roles):
    """The mean over all weights: an expert-heavy model's active weights are stored in no fewer."""
    loaded = model(name)
    precision = Precision(weights, roles) if roles else precision_for(loaded, weights)
    return float(memory.weight_bytes(loaded.ledger, precision)) / loaded.params.total


@cache
def active(name):
    """Weights that every decoded token needs to be multiplied by, the head apart."""
    return float(model(name).params.active("no_embeddings"))


def bandwidth(row):
    total = accelerator(row.device).bandwidth.bytes_per_second * row.devices
    return total + (accelerator(row.host).bandwidth.bytes_per_second * row.hosts if row.host else 0)


def peak(row):
    """The highest dense peak of any format, where a tensor core's is known at all."""
    device = accelerator(row.device)
    known = {name: found.per_second for name in FORMATS if (found := device.peak(name))}
    return max(known.values()) * row.devices if known.keys() & {"bf16", "fp16"} else None


# ------------------------------------------------------------------------------------------------ every row


def test_ids_are_unique_and_no_row_is_both_kept_and_excluded():
    ids = Counter([row.id for row in ROWS] + [row.id for row in excluded()])
    assert len(ROWS) > 1400
    assert max(ids.values()) == 1
    assert all(re.fullmatch(r"[mn]\d{4}", name) for name in ids)


@pytest.mark.parametrize("name", sorted({row.model for row in ROWS}))
def test_every_model_is_in_the_catalogue_and_stores_and_caches_what_its_rows_say(name):
    assert model(name).name == name
    for row in (row for row in ROWS if row.model == name):
        assert bytes_per_parameter(name, row.weights, row.formats_by_role) > 0.25
        assert row.kv is None or kv_format(row.kv, model(name).ledger)
        groups = {weight.role.group for weight in model(name).ledger.weights}
        assert {role for role, _ in row.formats_by_role} <= groups


def test_every_device_and_host_is_in_the_catalogue():
    for device, host in {(row.device, row.host) for row in ROWS}:
        assert accelerator(device).name == device
        assert accelerator(device).kind in {"gpu", "unified"}
        assert host is None or accelerator(host).kind == "cpu"


def test_every_row_names_a_source_and_every_source_has_rows():
    used = {row.source for row in ROWS} | {row.source for row in excluded()}
    assert used == sources().keys()
    for key, source in sources().items():
        assert re.match(r"github:[\w.-]+/[\w.-]+ \S+$|https://\S+$", source.cite), key
        assert source.commit is None or re.fullmatch(r"[0-9a-f]{8,40}", source.commit), key


def test_regimes_and_metrics_are_the_documented_ones_and_fit_each_other():
    assert set(REGIMES) == set(get_args(Regime)) == FITTING.keys()
    assert set(METRICS) == set(get_args(Metric))
    assert {row.regime for row in ROWS} == set(REGIMES)
    assert {row.metric for row in ROWS} == set(METRICS)
    for row in ROWS:
        assert row.metric in FITTING[row.regime], row.id


def test_the_parallel_sizes_are_those_of_the_regime():
    for row in ROWS:
        ranks = (row.tp, row.pp, row.dp, row.ep, row.split)
        if row.regime.endswith(("-single", "-hybrid")):
            assert ranks == (1, 1, 1, 1, 1), row.id
        if row.regime.endswith("-tp"):
            assert row.tp == row.devices > 1, row.id
        if row.regime.endswith("-layer-split"):
            assert row.split == row.devices > 1, row.id
        assert (row.host is not None) == row.regime.endswith("-hybrid"), row.id
        assert row.tp & (row.tp - 1) == 0, row.id
        assert row.devices <= 8 or row.regime.endswith("-disaggregated"), row.id


def test_lengths_and_batch_are_stated_where_the_regime_needs_them():
    for row in ROWS:
        if row.regime in {"served", "request-static-batch", "offline"}:
            assert row.prompt, row.id
            assert row.output, row.id
            assert (row.batch is None) == (row.regime == "offline"), row.id
        if row.context is not None and row.prompt is not None and row.output is not None:
            assert row.prompt <= row.context <= row.prompt + row.output, row.id


def test_no_kept_row_has_a_fast_path_or_says_so_in_its_notes():
    for row in ROWS:
        assert row.fast_path is None, row.id
        assert not re.search(r"speculat|eagle|lookup|look-up|draft", (row.notes or "").lower()), row.id


def test_rows_that_notes_point_to_exist():
    known = BY_ID.keys() | {row.id for row in excluded()}
    pointed = [(row.id, other) for row in ROWS for other in re.findall(r"\b[mn]\d{4}\b", row.notes or "")]
    assert pointed
    assert {other for _, other in pointed} <= known
    assert all(own != other for own, other in pointed)


def test_dates_are_dates():
    for row in ROWS:
        assert row.date is None or re.fullmatch(r"20\d\d(-[01]\d(-[0-3]\d)?)?", row.date), row.id


def test_exclusions_state_a_reason_from_the_row_or_its_source():
    for row in excluded():
        assert len(row.reason) > 20, row.id
        assert not re.search(r"outlier|predicted|residual|expectation", row.reason), row.id


# --------------------------------------------------------------------------------------- physically possible


def test_no_decode_step_is_faster_than_memory_gives_its_weights():
    """One token's active weights, once per step however large the batch, over all the bandwidth there is."""
    rows = [row for row in ROWS if row.step_seconds]
    assert len(rows) > 400
    for row in rows:
        stored = active(row.model) * bytes_per_parameter(row.model, row.weights, row.formats_by_role)
        least = stored / bandwidth(row)
        assert least <= row.step_seconds, row.id
        # Served steps wait for prompts: seconds at most. A step alone is within two orders of its floor.
        assert row.step_seconds < (1 if row.batch > 1 else 100 * least), row.id


def test_nothing_is_computed_faster_than_the_highest_dense_peak():
    """2 FLOPs per active weight and token, attention apart, against the fastest format of the device."""
    checked = 0
    for row in ROWS:
        highest = peak(row)
        if highest is None:
            continue
        if row.step_seconds:
            per_second = row.batch / row.step_seconds
        elif row.prefill_seconds and row.prompt:
            per_second = row.batch * row.prompt / row.prefill_seconds
        elif row.output_per_second:
            per_second = row.output_per_second * (row.prompt + row.output) / row.output
        else:
            continue
        checked += 1
        assert 1e-5 < 2 * active(row.model) * per_second / highest < 1, row.id
    assert checked > 1000


def test_a_first_token_takes_a_moment_and_never_hours():
    for row in ROWS:
        if row.metric == "ttft":
            assert 1 < row.value < 600_000, row.id
            # read at least once: no prompt is cheaper than its weights
            stored = active(row.model) * bytes_per_parameter(row.model, row.weights, row.formats_by_role)
            assert stored / bandwidth(row) < row.value / 1000, row.id


def test_what_is_measured_fits_into_memory():
    for row in ROWS:
        per_parameter = bytes_per_parameter(row.model, row.weights, row.formats_by_role)
        stored = model(row.model).params.total * per_parameter / row.devices
        usable = accelerator(row.device).usable_bytes()
        # an advertised GB may be a GiB
        most = usable.bytes * (1 if usable.basis == "measured" else 2**30 / 10**9)
        assert row.host is not None or stored < most, row.id


def test_mixtures_take_the_size_that_the_source_states():
    """To the last digit it prints. The runs of ik-258 are of mixtures that llama-quantize does not make."""
    stated = {
        (row.model, row.weights, row.weights_gib)
        for row in ROWS
        if row.weights_gib and row.source != "ik-258"
    }
    assert len(stated) >= 7
    for name, weights, gib in stated:
        size = bytes_per_parameter(name, weights, ()) * model(name).params.total / 2**30
        assert abs(size - gib) <= 0.0051, (name, weights)


def test_longer_contexts_are_never_decoded_faster():
    """Of one page's runs that differ in context alone."""
    groups = {}
    for row in ROWS:
        if row.regime == "decode-b1-single" and row.context and row.source == "gpu-benchmarks":
            groups.setdefault((row.model, row.weights, row.device), []).append((row.context, row.value))
    assert len(groups) > 30
    for key, points in groups.items():
        (_, short), (_, long) = sorted(points)
        assert 0.8 < long / short < 1.001, key


# ----------------------------------------------------------------------------------------------- known figures


@pytest.mark.parametrize(
    ("chosen", "value"),
    [
        # README.md of gpt-fast, the three tables and Mixtral's
        ({"source": "gpt-fast", "model": "llama-2-7b", "weights": "bf16", "devices": 1}, 104.9),
        ({"source": "gpt-fast", "model": "llama-2-7b", "weights": "bf16", "devices": 8}, 328.43),
        ({"source": "gpt-fast", "model": "llama-3.1-405b"}, 15.6),
        ({"source": "gpt-fast", "model": "mixtral-8x7b", "weights": "w8a16", "devices": 8}, 279.35),
        # README.md of GPU-Benchmarks-on-LLM-Inference: tg 1024 and pp 4096
        (
            {"device": "rtx-4090", "model": "llama-3-8b", "weights": "f16", "devices": 1, "output": 1024},
            54.34,
        ),
        ({"device": "m3-max", "model": "llama-3-70b", "weights": "q4_k_m", "prompt": 4096}, 64.90),
        # benches/dgx-spark.md of llama.cpp
        ({"device": "gb10", "model": "gpt-oss-120b", "regime": "decode-static-batch", "id": "m1205"}, None),
    ],
)
def test_figures_are_those_of_their_sources(chosen, value):
    (row,) = [row for row in ROWS if all(getattr(row, name) == want for name, want in chosen.items())]
    assert value is None or row.value == value
    assert row.step_seconds or row.prefill_seconds


def test_seconds_follow_from_the_metric():
    def row(**fields):
        common = {"id": "x", "model": "m", "weights": "bf16", "device": "d", "engine": "vllm", "source": "s"}
        return Measurement(**{"devices": 1, "unit": "tokens/s", **common, **fields})

    alone = row(regime="decode-b1-single", metric="decode-per-user", value=50.0, batch=1)
    assert (alone.step_seconds, alone.prefill_seconds, alone.output_per_second) == (0.02, None, None)
    together = row(regime="decode-static-batch", metric="decode", value=400.0, batch=8)
    assert together.step_seconds == 0.02
    nodes = row(
        regime="decode-disaggregated",
        metric="decode-per-node",
        value=100.0,
        batch=32,
        devices=16,
        dp=16,
        ep=16,
    )
    assert nodes.step_seconds == 32 / 200
    between = row(regime="served", metric="tpot", unit="ms", value=20.0, batch=8)
    assert between.step_seconds == 0.02
    queued = row(regime="served", metric="ttft", unit="ms", value=20.0, batch=8, prompt=100)
    assert (queued.step_seconds, queued.prefill_seconds) == (None, None)
    first = row(regime="prefill-b1-single", metric="ttft", unit="ms", value=20.0, batch=1)
    assert first.prefill_seconds == 0.02
    prompts = row(regime="prefill-static-batch", metric="prefill", value=1000.0, batch=4, prompt=500)
    assert prompts.prefill_seconds == 2
    each = row(regime="offline", metric="output-per-device", value=10.0, devices=4, tp=4)
    assert each.output_per_second == 40


# ------------------------------------------------------------------------------------------------------ folds


def test_every_model_and_device_is_in_one_group():
    for groups, names in (
        (folds().models, {row.model for row in ROWS}),
        (folds().devices, {row.device for row in ROWS}),
    ):
        assert Counter(name for group in groups.values() for name in group) == Counter(names)


def test_every_regime_lists_the_groups_of_its_rows():
    group_of = {name: key for key, names in folds().models.items() for name in names}
    device_of = {name: key for key, names in folds().devices.items() for name in names}
    assert folds().regimes.keys() == REGIMES.keys()
    for regime, left in folds().regimes.items():
        rows = [row for row in ROWS if row.regime == regime]
        assert set(left.models) == {group_of[row.model] for row in rows}, regime
        assert set(left.devices) == {device_of[row.device] for row in rows}, regime


def test_models_of_one_shape_are_in_one_group():
    ledgers = {name: model(name).ledger for name in {row.model for row in ROWS}}
    group_of = {name: key for key, names in folds().models.items() for name in names}
    for one, ledger in ledgers.items():
        for other, another in ledgers.items():
            if ledger == another:
                assert group_of[one] == group_of[other]


# -------------------------------------------------------------------------------------------------- bad tables


GOOD = {
    "id": "x1",
    "model": "llama-2-7b",
    "weights": "bf16",
    "device": "l4",
    "devices": "1",
    "engine": "vllm",
    "regime": "decode-b1-single",
    "batch": "1",
    "metric": "decode-per-user",
    "value": "10",
    "unit": "tokens/s",
    "source": "s",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": "0"}, "`x1`: value 0.0 is not positive"),
        ({"unit": "ms"}, "`x1`: unit ms of decode-per-user"),
        ({"devices": "2"}, "`x1`: 2 devices, but tp 1 x pp 1 x dp 1, split 1"),
        ({"devices": "4", "tp": "4", "ep": "3"}, "`x1`: experts over 3 of 4 ranks"),
        ({"batch": "2"}, "`x1`: batch 2 in decode-b1-single"),
        ({"regime": "decode"}, "Invalid enum value 'decode'"),
        ({"value": "fast"}, "Expected `float`"),
        ({"speed": "3"}, "unknown field `speed`"),
        ({"model": ""}, "missing required field `model`"),
    ],
)
def test_a_bad_row_is_refused_with_its_file(tmp_path, change, message):
    row = {**GOOD, **change}
    path = tmp_path / "some.tsv"
    path.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        module._table(path, Measurement)
    assert str(caught.value).startswith("some.tsv: ")
