"""An OpenAI-compatible server around a small random model, and the means to make one that misbehaves."""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from torch import nn

VOCABULARY = 97


class Answering(BaseHTTPRequestHandler):
    """A request in the hands of a behaviour."""

    behaviour: "Behaviour"
    timeout = 20
    """A client that is gone does not hold a thread for long."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self.behaviour(self, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def do_GET(self) -> None:
        self.json(200, {"object": "list", "data": [{"id": "tiny"}]})

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def json(self, status: int, said: Any) -> None:
        self.plain(status, json.dumps(said).encode(), "application/json")

    def plain(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": f"{len(body)}", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.end_headers()

    def event(self, said: Any) -> None:
        self.wfile.write(b"data: " + json.dumps(said).encode() + b"\n\n")
        self.wfile.flush()

    def token(self, text: str = " w", reason: str | None = None) -> None:
        self.event({"choices": [{"index": 0, "text": text, "finish_reason": reason}]})

    def done(self) -> None:
        self.wfile.write(b"data: [DONE]\n\n")


Behaviour = Callable[[Answering, dict[str, Any]], None]


def make_server(behaviour: Behaviour) -> ThreadingHTTPServer:
    handler = type("Handler", (Answering,), {"behaviour": staticmethod(behaviour)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    return server


class RandomModel(nn.Module):
    """A recurrent language model nobody trained."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(VOCABULARY, 32)
        self.cell = nn.GRU(32, 32, batch_first=True)
        self.head = nn.Linear(32, VOCABULARY)

    @torch.no_grad()
    def generate(self, ids: list[int], length: int, seed: int) -> Iterator[int]:
        draw = torch.Generator().manual_seed(seed)
        step, state = torch.tensor([ids]), None
        for _ in range(length):
            hidden, state = self.cell(self.embedding(step), state)
            odds = self.head(hidden[0, -1]).softmax(-1)
            token = int(torch.multinomial(odds, 1, generator=draw))
            yield token
            step = torch.tensor([[token]])


class Generating:
    """Answers from a random model; a word of a prompt is a token, its eight digits are four."""

    def __init__(
        self, *, prefill_seconds: float = 0.0, step_seconds: float = 0.0, usage: bool = True
    ) -> None:
        self.model = RandomModel()
        self.prefill_seconds = prefill_seconds
        self.step_seconds = step_seconds
        self.usage = usage
        self.asked: list[dict[str, Any]] = []
        self.sent: list[list[int]] = []

    @staticmethod
    def ids(prompt: str) -> list[int]:
        head, *words = prompt.split(" ")
        digits = [int(head[place : place + 2], 16) % VOCABULARY for place in range(0, len(head), 2)]
        return digits + [hash(word) % VOCABULARY for word in words]

    def __call__(self, to: Answering, body: dict[str, Any]) -> None:
        if to.path != "/v1/completions":
            to.json(404, {"detail": "Not Found"})
            return
        if body["model"] != "tiny":
            to.json(404, {"error": {"message": f"The model `{body['model']}` does not exist."}})
            return
        ids = self.ids(body["prompt"])
        self.asked.append(body)
        time.sleep(self.prefill_seconds)
        to.begin_stream()
        tokens: list[int] = []
        self.sent.append(tokens)
        for token in self.model.generate(ids, body["max_tokens"], sum(ids)):
            time.sleep(self.step_seconds)
            tokens.append(token)
            to.token(f" {token}")
        to.token("", "length")
        if self.usage and body.get("stream_options", {}).get("include_usage"):
            to.event({"choices": [], "usage": {"prompt_tokens": len(ids), "completion_tokens": len(tokens)}})
        to.done()
