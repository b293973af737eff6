"""Servers that die, lie, hang, drip or send garbage. Every one of them is bounded, and said in one error."""

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from moecalc.cli.endpoint import answer
from moecalc.errors import InputError, MoecalcError, UndeterminedError, format_error
from moecalc.profile.endpoint import KEY, measure
from moecalc.profile.endpoint.ladder import Limits
from moecalc.render.endpoint import endpoint_text
from tests.profile.endpoint.serving import Generating

BOUND = 20
"""Seconds that nothing below comes near: what is unbounded would run into the test's own limit instead."""


def refused(url, **options) -> MoecalcError:
    began = time.monotonic()
    with pytest.raises(MoecalcError) as caught:
        measure(url, "tiny", concurrencies=(1,), prompt=30, output=4, **{"silence_seconds": 0.4, **options})
    assert time.monotonic() - began < BOUND
    assert "Traceback" not in format_error(caught.value)
    return caught.value


class Dying(Generating):
    """Serves so many answers, then closes the connection in the middle of one."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.answers = answers

    def __call__(self, to, body) -> None:
        if len(self.asked) < self.answers:
            super().__call__(to, body)
            return
        self.asked.append(body)
        to.begin_stream()
        for _ in range(3):
            to.token()


def test_a_server_that_dies_midway_leaves_what_was_measured(serve):
    # Three answers to find out how to ask, four at concurrency 1, and then one of the next level.
    run = measure(serve(Dying(3 + 4)), "tiny", concurrencies=(1, 2, 8), prompt=30, output=9)
    alone, two = run.levels
    assert alone.count("done") == 4
    assert two.count("failed") >= 1
    assert two.count("done") == 0
    assert (
        run.stopped
        == "at concurrency 2 after 3 tokens of an answer: it ended the answer before it was complete"
    )
    assert "not measured: concurrency 8" in " ".join(endpoint_text(run, 120).split())


def test_the_command_prints_what_was_measured_and_exits_with_3(serve, capsys):
    with pytest.raises(UndeterminedError, match="it ended the answer") as caught:
        answer(serve(Dying(3 + 4)), "tiny", concurrency="1,2,8", prompt=30, output=9)
    assert caught.value.exit_code == 3
    out = " ".join(capsys.readouterr().out.split())
    assert "concurrency" in out
    assert "not measured: concurrency 8" in out


def test_nobody_listens():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        error = refused(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert isinstance(error, UndeterminedError)
    assert "Connection refused" in str(error)


def test_a_name_that_nobody_has():
    assert isinstance(refused("http://nowhere.invalid:1"), UndeterminedError)


def test_a_server_that_hangs(serve):
    error = refused(serve(lambda _to, _body: time.sleep(5)))
    assert isinstance(error, UndeterminedError)
    assert "0.4 seconds" in str(error)


def test_a_server_that_hangs_between_tokens(serve):
    model = Generating()

    def hangs(to, body):
        if len(model.asked) < 3:
            model(to, body)
            return
        to.begin_stream()
        to.token()
        time.sleep(5)

    run = measure(serve(hangs), "tiny", concurrencies=(1,), prompt=30, output=4, silence_seconds=0.4)
    assert run.stopped == "at concurrency 1 after 1 token of an answer: it sent nothing for 0.4 seconds"


@pytest.mark.parametrize("piece", [b": drip\n", b"x"], ids=["comments", "one line"])
def test_a_server_that_drips_is_ended_at_the_deadline(serve, piece):
    def drips(to, _body):
        to.begin_stream()
        for _ in range(200):
            to.wfile.write(piece)
            time.sleep(0.05)

    error = refused(serve(drips))
    assert "has not answered 8 tokens after 0.4 seconds" in str(error)


def test_a_server_that_drips_its_headers_is_ended_at_the_deadline(raw):
    def drips(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for place in range(200):
            connection.sendall(b"X-%d: 1\r\n" % place)
            time.sleep(0.05)

    assert "0.4 seconds" in str(refused(raw(drips)))


def test_a_line_without_end(serve):
    def endless(to, _body):
        to.begin_stream()
        while True:
            to.wfile.write(b"data: " + b"x" * 100_000)

    assert "a line of more than 1,048,576 bytes" in str(refused(serve(endless), silence_seconds=10))


def test_an_answer_without_end(serve):
    def endless(to, _body):
        to.begin_stream()
        while True:
            to.token()

    assert "goes on after 73 events for 8 tokens" in str(refused(serve(endless), silence_seconds=10))


def test_garbage_instead_of_http(raw):
    error = refused(raw(lambda connection: connection.sendall(b"\x00\xff garbage\r\n\r\n")))
    assert isinstance(error, UndeterminedError)
    assert "is no HTTP (BadStatusLine)" in str(error)


def test_a_server_that_closes_at_once(raw):
    assert "closed the connection" in str(refused(raw(lambda _connection: None)))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"not json", "no JSON object: not json"),
        (b"[1]", "no JSON object: [1]"),
        (b'{"choices": 3}', "events without `choices`"),
        (b'{"choices": [3]}', "events without `choices`"),
        (b'{"error": {"message": "out of memory"}}', "breaks off with an error: out of memory"),
        (b"[DONE]", "ended the answer before it was complete"),
    ],
)
def test_garbage_in_the_stream(serve, data, said):
    def garbage(to, _body):
        to.begin_stream()
        to.wfile.write(b"data: " + data + b"\n\n")

    error = refused(serve(garbage))
    assert isinstance(error, UndeterminedError)
    assert said in str(error)


def test_an_answer_without_tokens(serve):
    def silent(to, _body):
        to.begin_stream()
        to.token("", "stop")
        to.done()

    assert "without a single token" in str(refused(serve(silent)))


def test_a_server_that_does_not_stream(serve):
    error = refused(serve(lambda to, _body: to.json(200, {"choices": [{"text": "all at once"}]})))
    assert "it does not stream, its answer is `application/json`" in str(error)


def test_some_other_web_server(serve):
    error = refused(serve(lambda to, _body: to.plain(200, b"<html>" + b"x" * 10**6, "text/html")))
    assert "`text/html`: <html>xxx" in str(error)
    assert len(str(error)) < 500


def test_a_model_that_is_not_served_is_answered_with_those_that_are(serve):
    with pytest.raises(InputError, match="The model `other` does not exist") as caught:
        measure(serve(Generating()), "other", concurrencies=(1,))
    assert caught.value.hint == "it serves `tiny`: `--model tiny`"


def test_the_server_words_are_bounded_and_cannot_act_on_a_terminal(serve):
    def says(to, _body):
        to.json(500, {"error": {"message": "\x1b[2J" + "y" * 10_000}})

    error = refused(serve(says))
    assert isinstance(error, UndeterminedError)
    assert "500" in str(error)
    shown = format_error(error)
    assert "\x1b" not in shown
    assert len(shown) < 600


def test_the_key_is_sent_and_never_said(serve, monkeypatch):
    seen = []

    def quotes_it(to, _body):
        seen.append(to.headers["Authorization"])
        to.json(401, {"error": {"message": f"Incorrect API key provided: {seen[-1]}"}})

    error = refused(serve(quotes_it), key="sk-secret-1")
    assert seen == ["Bearer sk-secret-1"]
    assert isinstance(error, InputError)
    assert "sk-secret" not in format_error(error)
    assert "Bearer ***" in str(error)
    assert KEY in error.hint
    monkeypatch.setenv(KEY, "sk-secret-2")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-someone-else")
    with pytest.raises(InputError):
        answer(serve(quotes_it), "tiny", concurrency="1")
    assert seen[-1] == "Bearer sk-secret-2"
    monkeypatch.delenv(KEY)
    with pytest.raises(InputError):
        answer(serve(quotes_it), "tiny", concurrency="1")
    assert seen[-1] is None


@pytest.mark.parametrize("key", ["sk\n", "s\u00e9", " sk", "a\r\nX: 1"])
def test_a_key_that_cannot_be_sent(key):
    assert key.strip() not in str(refused("http://127.0.0.1:1", key=key))


def test_a_redirect_is_not_followed(serve):
    elsewhere = []
    there = serve(lambda _to, body: elsewhere.append(body))

    def leads_away(to, _body):
        to.plain(307, b"", "text/plain", Location=f"{there}/v1/completions")

    error = refused(serve(leads_away), key="sk-secret")
    assert isinstance(error, InputError)
    assert f"redirects to `{there}/v1/completions`, which is not followed" in str(error)
    assert elsewhere == []


def test_fields_that_a_server_refuses_are_left_out(serve):
    model = Generating()

    def strict(to, body):
        unknown = {"ignore_eos"} & set(body)
        if unknown:
            to.json(400, {"error": {"message": f"Unrecognized request argument: {unknown}"}})
        else:
            model(to, body)

    run = measure(serve(strict), "tiny", concurrencies=(1,), prompt=30, output=4)
    assert run.stopped is None
    assert run.levels[0].counted == "usage"
    assert "the server does not take `ignore_eos`: answers may end early" in run.notes


def test_a_server_that_only_chats(serve):
    def chats(to, body):
        if to.path != "/v1/chat/completions":
            to.json(404, {"detail": "Not Found"})
            return
        words = len(body["messages"][0]["content"].split(" "))
        to.begin_stream()
        to.event({"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]})
        time.sleep(0.1)
        for _ in range(body["max_tokens"]):
            to.event({"choices": [{"delta": {"content": " a"}, "finish_reason": None}]})
        to.event({"choices": [{"delta": {}, "finish_reason": "length"}]})
        usage = {"prompt_tokens": words + 11, "completion_tokens": body["max_tokens"]}
        to.event({"choices": [], "usage": usage})
        to.done()

    run = measure(serve(chats), "tiny", concurrencies=(1,), prompt=100, output=4)
    level = run.levels[0]
    assert level.prompt_length == 100
    assert level.output_length == 4
    assert level.ttft.low >= 0.1  # whose turn it is, is no token
    assert any("/chat/completions" in note for note in run.notes)


def test_a_refusal_midway_stops_the_run(serve):
    model = Generating()

    def busy(to, body):
        if len(model.asked) < 3 + 4:
            model(to, body)
        else:
            to.json(429, {"error": {"message": "too many requests"}})

    run = measure(serve(busy), "tiny", concurrencies=(1, 2), prompt=30, output=4)
    assert run.levels[0].count("done") == 4
    assert run.stopped.endswith("too many requests")


def test_no_token_within_a_level_stops_the_run(serve):
    model = Generating()

    def stalls(to, body):
        if len(model.asked) < 3:
            model(to, body)
        else:
            time.sleep(3)

    limits = Limits(seconds=0.3)
    run = measure(serve(stalls), "tiny", concurrencies=(1, 2), prompt=30, output=4, limits=limits)
    assert run.stopped.startswith("at concurrency 1: no token came")
    assert "-" in endpoint_text(run, 80)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:8000", "no http address"),
        ("ftp://host", "no http address"),
        ("http://", "no http address"),
        ("http://host:port", "no address"),
        ("http://host:99999", "no address"),
        ("http://[::1", "no address"),
        ("http://host?x=1", "more than host"),
        ("http://host/\n", "more than host"),
        ("http://host/a b", "more than host"),
        ("http://user:pa55@host", "user name or password"),
    ],
)
def test_addresses_that_are_none(url, said):
    error = refused(url)
    assert isinstance(error, InputError)
    assert said in str(error)
    assert "pa55" not in str(error)


@pytest.mark.parametrize(
    "options",
    [
        {"served": None},
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"timeout": -1.0},
        {"requests": 0},
        {"gpu": "h100"},
        {"like": "llama-3.1-8b"},
        {"like": "no-such-model", "gpu": "h100"},
        {"output": 1},
    ],
)
def test_options_that_cannot_be(options):
    with pytest.raises(InputError):
        answer("http://127.0.0.1:9", **{"served": "tiny", **options})


@pytest.fixture
def raw() -> Iterator:
    """A server below HTTP: reads a request and lets a function have the connection."""
    listeners: list[socket.socket] = []

    def start(behaviour):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def run():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(65536)
                        behaviour(connection)
                    except OSError:
                        continue

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_a_server_that_resets_the_connection(raw):
    def reset(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert "it closed the connection" in str(refused(raw(reset)))
