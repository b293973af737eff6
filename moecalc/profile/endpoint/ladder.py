"""Levels of concurrency: so many requests under way at a time, bounded in number and in seconds."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import msgspec

from moecalc.errors import InputError
from moecalc.profile.endpoint.faults import EndpointError
from moecalc.specs.endpoint_run import Level, Request

MOST_CONCURRENCY = 256
"""More than the threads of one Python process can follow without adding to what they measure."""

HINT = f"ascending numbers from 1 to {MOST_CONCURRENCY}: `--concurrency 1,4,16`"

Send = Callable[[float], Request]
"""Sends a request that must be over by a deadline (of `time.perf_counter`). Raises EndpointError as `ask` does."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a level may take."""

    requests: int | None = None
    """None: twice the concurrency, at least four."""
    seconds: float = 60.0

    def requests_at(self, concurrency: int) -> int:
        """At least one for each that is to be under way."""
        return max(concurrency, self.requests or max(4, 2 * concurrency))


def concurrencies_of(text: str) -> tuple[int, ...]:
    """`1,4,16`. Raises InputError for anything but ascending numbers that can be measured."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and len(part) <= 6 for part in parts):
        raise InputError(f"`--concurrency {text}` is no list of numbers", hint=HINT)
    found = tuple(int(part) for part in parts)
    if found[0] < 1 or found[-1] > MOST_CONCURRENCY or sorted(set(found)) != list(found):
        raise InputError(f"`--concurrency {text}` cannot be measured", hint=HINT)
    return found


def climb(
    send: Send, concurrency: int, limits: Limits, progress: Callable[[int, int], None] | None = None
) -> Level:
    """One level. It ends with its last request, at its deadline, or soon after the first that fails."""
    total = limits.requests_at(concurrency)
    began = time.perf_counter()
    climbing = _Climb(send, total, began + limits.seconds)
    for _ in range(concurrency):
        # Daemons, so that an interrupted command does not wait for a server.
        threading.Thread(target=climbing.work, daemon=True).start()
    requests: list[Request] = []
    working = concurrency
    while working:
        ended = climbing.ended.get()
        if ended is None:
            working -= 1
        elif isinstance(ended, Request):
            requests.append(ended)
            if progress is not None:
                progress(len(requests), total)
        else:
            raise ended
    return Level(concurrency=concurrency, seconds=time.perf_counter() - began, requests=tuple(requests))


class _Climb:
    """What the threads of a level share."""

    def __init__(self, send: Send, total: int, deadline: float) -> None:
        self.ended: SimpleQueue[Request | BaseException | None] = SimpleQueue()
        """Requests as they end, what no one expected, and None for each thread that has nothing more to do."""
        self._send = send
        self._deadline = deadline
        self._left = total
        self._turn = threading.Lock()
        self._failed = threading.Event()

    def work(self) -> None:
        """One request behind the other."""
        try:
            while self._is_another():
                request = self._request()
                if request.outcome == "failed":
                    self._failed.set()
                self.ended.put(request)
        except BaseException as error:  # noqa: BLE001 - raised again where someone sees it
            self.ended.put(error)
        self.ended.put(None)

    def _is_another(self) -> bool:
        if self._failed.is_set() or time.perf_counter() >= self._deadline:
            return False
        with self._turn:
            self._left -= 1
            return self._left >= 0

    def _request(self) -> Request:
        sent = time.perf_counter()
        try:
            return self._send(self._deadline)
        except EndpointError as error:
            return Request(outcome="failed", seconds=time.perf_counter() - sent, words=error.words)
