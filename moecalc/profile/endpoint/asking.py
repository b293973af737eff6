"""One completion: what is sent, and what its stream of events says about time and tokens."""

import time
from contextlib import closing
from typing import Any

import msgspec

from moecalc.profile.endpoint.faults import EndpointError, OutOfTimeError
from moecalc.profile.endpoint.stream import Server
from moecalc.specs.endpoint_run import Counted, Outcome, Request

MOST_EVENTS_PER_TOKEN = 8
"""Beyond this many events for each token asked for, a server does not keep to `max_tokens`."""

_FULL_LENGTH = {"ignore_eos": True}
"""vLLM, SGLang and llama.cpp then answer at full length; a server that knows only OpenAI's fields may refuse it."""


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """The way a server wants to be asked."""

    chat: bool = False
    """`/chat/completions`, for a server without `/completions`."""
    full_length: bool = True
    """With the field that keeps a model from ending early."""
    usage: bool = True
    """With the option that has the server count tokens."""

    @property
    def operation(self) -> str:
        """The path below the address."""
        return "/chat/completions" if self.chat else "/completions"

    def body(self, model: str, prompt: str, output: int) -> dict[str, Any]:
        """A request for `output` tokens, sampled at temperature 1 so that answers do not repeat themselves."""
        text = {"messages": [{"role": "user", "content": prompt}]} if self.chat else {"prompt": prompt}
        return {
            "model": model,
            **text,
            "max_tokens": output,
            "temperature": 1.0,
            "stream": True,
            **({"stream_options": {"include_usage": True}} if self.usage else {}),
            **(_FULL_LENGTH if self.full_length else {}),
        }


class Stopwatch:
    """What has come of an answer so far, and when."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.first: float | None = None
        self.last: float | None = None
        self.chunks = 0
        self.finished = False
        self.usage: dict[str, Any] = {}

    def start(self) -> None:
        """The request goes out now."""
        self.began = time.perf_counter()

    def note(self, event: dict[str, Any], *, chat: bool) -> None:
        """Take an event in. Raises EndpointError for one that no OpenAI-compatible server sends."""
        now = time.perf_counter() - self.began
        if isinstance(event.get("usage"), dict):
            self.usage = event["usage"]
        choices = event.get("choices")
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            if self.usage and choices is None:
                return
            raise EndpointError("it streams events without `choices`")
        for choice in choices:
            ends = choice.get("finish_reason") is not None
            self.finished |= ends
            if _has_token(choice, chat=chat, ends=ends):
                self.first = now if self.first is None else self.first
                self.last = now
                self.chunks += 1

    def request(self, outcome: Outcome, words: str = "") -> Request:
        """What is known of the request now."""
        told = _count(self.usage.get("completion_tokens"))
        counted: Counted = "chunks" if told is None else "usage"
        return Request(
            outcome=outcome,
            seconds=time.perf_counter() - self.began,
            ttft_seconds=self.first,
            last_seconds=self.last,
            output_tokens=self.chunks if told is None else told,
            prompt_tokens=_count(self.usage.get("prompt_tokens")),
            counted=counted,
            words=words,
        )


def ask(server: Server, dialect: Dialect, model: str, prompt: str, output: int, deadline: float) -> Request:
    """Send one request and follow its answer to the end. Raises EndpointError where not a token came."""
    watch = Stopwatch()
    events = 0
    try:
        body = dialect.body(model, prompt, output)
        with closing(server.events(dialect.operation, body, deadline, watch.start)) as stream:
            for event in stream:
                watch.note(event, chat=dialect.chat)
                events += 1
                if events > MOST_EVENTS_PER_TOKEN * output + MOST_EVENTS_PER_TOKEN:
                    words = f"it goes on after {events:,} events for {output:,} tokens asked for"
                    raise EndpointError(words)  # noqa: TRY301
    except OutOfTimeError:
        return watch.request("cut")
    except EndpointError as fault:
        if watch.first is None:
            raise
        return watch.request("failed", fault.words)
    if not watch.finished and "completion_tokens" not in watch.usage:
        return watch.request("failed", "it ended the answer before it was complete")
    if watch.first is None:
        raise EndpointError("it answers without a single token")
    return watch.request("done")


def _has_token(choice: dict[str, Any], *, chat: bool, ends: bool) -> bool:
    """Whether there is a token in a choice. Its text may be empty: a part of a character."""
    if not chat:
        return bool(choice.get("text")) or not ends
    delta = choice.get("delta")
    # A chat begins with an event that says whose turn it is, and has no token.
    return isinstance(delta, dict) and any(
        delta.get(name) for name in ("content", "reasoning_content", "reasoning", "tool_calls")
    )


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31
    return value if whole else None
