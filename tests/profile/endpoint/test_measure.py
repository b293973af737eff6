"""A real server on loopback, which generates from a small random model. Times are compared, never with a clock."""

import json
import threading

import jsonschema
import pytest

from moecalc.api.fleets import fleet_of
from moecalc.api.loading import load
from moecalc.cli.endpoint import answer
from moecalc.errors import InputError, UndeterminedError
from moecalc.profile.endpoint import measure
from moecalc.profile.endpoint.computing import computed
from moecalc.profile.endpoint.ladder import Limits, concurrencies_of
from moecalc.profile.endpoint.lines import endpoint_report
from moecalc.render.endpoint import endpoint_markdown, endpoint_text
from tests.console import ROOT
from tests.profile.endpoint.serving import Generating

SCHEMA = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))


def test_requests_tokens_and_lengths_are_those_the_server_had(serve):
    model = Generating()
    run = measure(serve(model), "tiny", concurrencies=(1, 3), prompt=200, output=12)
    assert run.stopped is None
    assert [level.concurrency for level in run.levels] == [1, 3]
    assert [level.count("done") for level in run.levels] == [4, 6]
    measured = model.asked[-10:]
    assert all(body["max_tokens"] == 12 and body["stream"] and body["ignore_eos"] for body in measured)
    assert [len(model.ids(body["prompt"])) for body in measured] == [200] * 10
    for level in run.levels:
        assert level.prompt_length == 200
        assert level.output_length == 12
        assert level.counted == "usage"
        assert level.output_tokens == 12 * level.count("done")
    assert sum(map(len, model.sent[-10:])) == sum(level.output_tokens for level in run.levels)


def test_no_two_prompts_share_a_beginning(serve):
    model = Generating()
    measure(serve(model), "tiny", concurrencies=(2,), prompt=64, output=2)
    beginnings = {body["prompt"][:8] for body in model.asked}
    assert len(beginnings) == len(model.asked)


def test_a_slow_prompt_is_in_the_first_token_and_a_slow_step_in_those_behind_it(serve):
    limits = Limits(requests=3)
    slow_prompt = measure(
        serve(Generating(prefill_seconds=0.2)), "tiny", concurrencies=(1,), prompt=50, output=6, limits=limits
    ).levels[0]
    slow_step = measure(
        serve(Generating(step_seconds=0.1)), "tiny", concurrencies=(1,), prompt=50, output=6, limits=limits
    ).levels[0]
    # Sleeps are lower bounds on any machine.
    assert slow_prompt.ttft.low >= 0.2
    assert slow_step.tpot.low >= 0.1
    assert slow_prompt.tpot.median < slow_step.tpot.median
    assert slow_step.tokens_per_second <= 1 / 0.1


def test_so_many_requests_are_under_way_at_once(serve):
    model = Generating()
    together = threading.Barrier(4)
    waited = []

    def all_at_once(to, body):
        if body["max_tokens"] == 5:
            waited.append(
                together.wait(timeout=15)
            )  # breaks, and the server with it, where fewer than 4 come
        model(to, body)

    run = measure(serve(all_at_once), "tiny", concurrencies=(4,), prompt=40, output=5)
    assert run.stopped is None
    assert run.levels[0].count("done") == 8 == len(waited)


def test_a_server_that_takes_one_at_a_time_lets_the_others_wait(serve):
    model, turn = Generating(step_seconds=0.02), threading.Lock()

    def one_at_a_time(to, body):
        with turn:
            model(to, body)

    run = measure(serve(one_at_a_time), "tiny", concurrencies=(1, 4), prompt=40, output=10)
    alone, four = run.levels
    assert four.ttft.high > 3 * 10 * 0.02  # the last of the first four stands behind three whole answers
    assert four.ttft.median > alone.ttft.median


def test_a_level_ends_when_its_time_is_up_and_keeps_what_came(serve):
    model = Generating(step_seconds=0.05)
    run = measure(
        serve(model), "tiny", concurrencies=(2,), prompt=40, output=10_000, limits=Limits(seconds=1.0)
    )
    level = run.levels[0]
    assert run.stopped is None
    assert level.count("cut") == 2 == len(level.requests)
    assert 0 < level.output_tokens < 2 * 20 + 1
    assert level.counted == "chunks"
    assert level.tpot.low >= 0.025  # a whole step, but for what the reader lags behind
    assert level.prompt_length is None


def test_tokens_are_pieces_where_the_server_counts_none(serve):
    run = measure(serve(Generating(usage=False)), "tiny", concurrencies=(1,), prompt=30, output=7)
    level = run.levels[0]
    assert level.counted == "chunks"
    assert level.output_tokens == 7 * 4
    assert level.prompt_length is None
    assert any("a word is taken as a token" in note for note in run.notes)


def test_held_against_what_is_computed(serve):
    model = load("llama-3.1-8b")
    against = computed(model, fleet_of("h100"))
    run = measure(serve(Generating()), "tiny", concurrencies=(1, 2), prompt=300, output=20, computed=against)
    assert run.like == "llama-3.1-8b"
    assert run.fleet is not None
    assert "h100" in run.fleet.lower()
    one, two = (level.against for level in run.levels)
    assert (one.context, one.prompt) == (310, 300)
    bound = against.at(1, 310, 300)
    assert one.tpot.ceiling_seconds == pytest.approx(float(bound.decode.unconditional.seconds), rel=1e-12)
    assert one.tpot.expected_seconds == bound.decode.expected.seconds
    assert one.ttft.expected_seconds == bound.first.expected.seconds
    assert two.ttft.reason == "requests wait for each other"
    # Continuous batching of one answer for each prompt takes longer than a batch that only decodes.
    assert two.tpot.expected_seconds > against.at(2, 310, 300).decode.unconditional.seconds
    text = endpoint_text(run, 120)
    assert "against llama-3.1-8b" in text
    assert "no expectation of TTFT at 2: requests wait for each other" in text


@pytest.mark.parametrize("columns", [80, 120])
def test_no_line_is_wider_than_the_terminal(serve, columns):
    against = computed(load("mixtral-8x7b"), fleet_of("2xh100"), engine="vllm")
    run = measure(serve(Generating()), "tiny", concurrencies=(1, 2), prompt=30, output=4, computed=against)
    assert max(map(len, endpoint_text(run, columns).splitlines())) <= columns
    assert endpoint_markdown(run).count("|") > 20


def test_the_report_has_medians_with_their_extremes_and_every_request(serve):
    run = measure(serve(Generating()), "tiny", concurrencies=(1, 2), prompt=30, output=4)
    report = endpoint_report(run)
    by_id = {line.id: line for line in report.models[0].lines}
    ttft = by_id["endpoint.ttft_seconds"]
    assert ttft.basis == "measured"
    assert 0 < ttft.low <= ttft.value <= ttft.high
    jsonschema.Draft202012Validator(SCHEMA).validate(report.to_dict())
    levels = report.to_dict()["endpoint"]["levels"]
    assert [len(level["requests"]) for level in levels] == [4, 4]
    assert by_id["endpoint.tokens_per_second"].value == max(level["tokens_per_second"] for level in levels)


@pytest.mark.parametrize("text", ["", "0,1", "4,1", "1,1", "1,x", "-1", "1,257", "1,", "٣", "9999999"])
def test_concurrencies_that_cannot_be_measured(text):
    with pytest.raises(InputError, match="--concurrency"):
        concurrencies_of(text)


def test_concurrencies():
    assert concurrencies_of(" 1, 4,256") == (1, 4, 256)


@pytest.mark.parametrize("breaks", [False, True])
def test_a_run_is_saved_with_its_version_even_where_the_server_died(serve, tmp_path, capsys, breaks):
    file = tmp_path / "served.json"
    server = serve(Generating())
    options = {"concurrency": "1", "prompt": 32, "output": 4, "requests": 2, "save": f"{file}"}
    if breaks:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("moecalc.profile.endpoint._stopped", lambda _: "died")
            with pytest.raises(UndeterminedError, match="died"):
                answer(server, "tiny", **options)
    else:
        assert answer(server, "tiny", **options) == 0
    assert "tiny" in capsys.readouterr().out
    stored = json.loads(file.read_text(encoding="utf-8"))
    assert stored["schema"] == "moecalc/endpoint-run/1"
    assert stored["moecalc"]
    assert stored["stopped"] == ("died" if breaks else None)
    assert [request["output_tokens"] for request in stored["levels"][0]["requests"]] == [4, 4]
