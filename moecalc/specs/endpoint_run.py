"""What was measured of a served model: requests, the levels of concurrency they were sent in, and the whole run.

TTFT, time to first token: from sending the request to the first token of the answer. TPOT, time per output token: from
the first token to the last, over the tokens behind the first. Both as the serving benchmarks of vLLM and SGLang
define them (vllm/benchmarks/serve.py, python/sglang/bench_serving.py).
"""

from collections.abc import Callable, Iterable
from statistics import median
from typing import Literal

import msgspec

Outcome = Literal["done", "cut", "failed"]
"""Answered to its end; still under way when the level's time was up; broken off by the server or the network."""

Counted = Literal["usage", "chunks"]
"""Where a number of tokens is from: the server's own count, or the pieces that it sent, taken as a token each."""


Verdict = Literal["beyond the ceiling", "faster", "inside", "slower"]
"""Of a measured time against what is computed: the last three are about the interval of what is expected."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Times are seconds since it was sent."""

    outcome: Outcome
    seconds: float
    ttft_seconds: float | None = None
    """None where no token came."""
    last_seconds: float | None = None
    """To the last token."""
    output_tokens: int = 0
    prompt_tokens: int | None = None
    """None where the server does not say."""
    counted: Counted = "chunks"
    words: str = ""
    """What went wrong, where something did."""

    @property
    def tpot_seconds(self) -> float | None:
        """None where fewer than two tokens came."""
        if self.ttft_seconds is None or self.last_seconds is None or self.output_tokens < 2:
            return None
        return (self.last_seconds - self.ttft_seconds) / (self.output_tokens - 1) or None


class Spread(msgspec.Struct, frozen=True):
    """The median of several requests, and the extremes."""

    median: float
    low: float
    high: float


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What is computed of a time: no engine needs less than the ceiling's, good engines about the expected one's."""

    ceiling_seconds: float | None = None
    expected_seconds: float | None = None
    low_seconds: float | None = None
    high_seconds: float | None = None
    reason: str = ""
    """Why there is no expectation."""

    def verdict(self, seconds: float) -> Verdict | None:
        """Where a measured time stands; None where neither a ceiling nor an expectation says anything of it."""
        if self.ceiling_seconds is not None and seconds < self.ceiling_seconds:
            return "beyond the ceiling"
        if self.low_seconds is None or self.high_seconds is None:
            return None
        if seconds < self.low_seconds:
            return "faster"
        return "slower" if seconds > self.high_seconds else "inside"


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """What is computed for one level of concurrency."""

    context: int
    """Keys that a decode step is computed with: the prompt and half of the answer."""
    prompt: int
    tpot: Bound
    ttft: Bound


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """So many requests under way at a time, each followed by the next as soon as it is answered."""

    concurrency: int
    seconds: float
    """From the first request sent to the end of the last."""
    requests: tuple[Request, ...]
    against: Against | None = None

    def count(self, outcome: Outcome) -> int:
        """Requests that ended like that."""
        return sum(request.outcome == outcome for request in self.requests)

    @property
    def ttft(self) -> Spread | None:
        """Of the requests that were sent a token, but for those that failed."""
        return self._spread(lambda request: request.ttft_seconds)

    @property
    def tpot(self) -> Spread | None:
        """Of those that were sent several."""
        return self._spread(lambda request: request.tpot_seconds)

    @property
    def output_tokens(self) -> int:
        """All tokens received, but for those of answers that failed."""
        return sum(request.output_tokens for request in self.requests if request.outcome != "failed")

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens of all requests together per second; None where none came, or a request failed.

        Requests that would have followed a failed one are missing, and its silence is part of the level's seconds.
        """
        if not self.output_tokens or self.seconds <= 0 or self.count("failed"):
            return None
        return self.output_tokens / self.seconds

    @property
    def prompt_length(self) -> int | None:
        """The median prompt, in the server's tokens; None where it does not say."""
        return _middle(request.prompt_tokens for request in self.requests)

    @property
    def output_length(self) -> int | None:
        """The median answer of those that came to their end; None where none did."""
        return _middle(request.output_tokens for request in self.requests if request.outcome == "done")

    @property
    def counted(self) -> Counted:
        """`chunks` where a single answer was counted so."""
        return "usage" if all(request.counted == "usage" for request in self.requests) else "chunks"

    def _spread(self, of: Callable[[Request], float | None]) -> Spread | None:
        sound = (request for request in self.requests if request.outcome != "failed")
        values = [value for request in sound if (value := of(request)) is not None]
        return Spread(median(values), min(values), max(values)) if values else None


class EndpointRun(msgspec.Struct, frozen=True, kw_only=True):
    """A served model, measured."""

    url: str
    model: str
    """The name under which the server has it."""
    date: str
    """UTC, as ISO 8601 writes it."""
    prompt: int
    """Tokens asked for."""
    output: int
    levels: tuple[Level, ...]
    asked: tuple[int, ...]
    """Concurrencies that were to be measured."""
    stopped: str | None = None
    """Why the run ended early; None where all was measured."""
    notes: tuple[str, ...] = ()
    like: str | None = None
    """The architecture that it is held against."""
    fleet: str | None = None
    plan: str | None = None
    precision: str | None = None


def _middle(values: Iterable[int | None]) -> int | None:
    known = sorted(value for value in values if value is not None)
    return known[(len(known) - 1) // 2] if known else None
