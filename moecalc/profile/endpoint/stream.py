"""One request to a server and the events it streams back, bounded in time and in bytes whatever the server does.

Server-sent events as the HTML standard has them (section 9.2.6, interpreting an event stream); an OpenAI-compatible
server ends them with `data: [DONE]`. Nothing is followed to another address and no proxy is used, so that the key goes
nowhere but to the host that was typed.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from moecalc.profile.endpoint.address import Address
from moecalc.profile.endpoint.faults import EndpointError, OutOfTimeError, server_words

MOST_LINE_BYTES = 1 << 20
MOST_BODY_BYTES = 1 << 16
"""Of an answer that is not a stream."""

_READ_BYTES = 1 << 16
DONE = "[DONE]"


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """An address, what is sent with every request, and how long its silence is borne."""

    address: Address
    key: str | None = None
    silence_seconds: float = 60.0

    def events(
        self, operation: str, body: dict[str, Any], deadline: float, sent: Callable[[], None]
    ) -> Generator[dict[str, Any]]:
        """The events of the answer, as they come; `sent` is called just before the request goes out.

        `deadline` is of `time.perf_counter`. Raises EndpointError, and OutOfTimeError at the deadline.
        """
        with self._answer("POST", operation, body, deadline, sent) as response:
            kind = response.headers.get_content_type()
            if kind != "text/event-stream":
                said = server_words(response.read(MOST_BODY_BYTES), self.key)
                raise EndpointError(f"it does not stream, its answer is `{kind}`: {said or 'empty'}")
            for data in _data(response):
                if data == DONE:
                    return
                yield _event(data, self.key)

    def models(self, deadline: float) -> list[str]:
        """The names the server has models under; none where it does not say."""
        try:
            with self._answer("GET", "/models", None, deadline, lambda: None) as response:
                found = msgspec.json.decode(response.read(MOST_LINE_BYTES))
                return [str(entry["id"]) for entry in found["data"]]
        except (EndpointError, OutOfTimeError, msgspec.DecodeError, KeyError, TypeError):
            return []

    @contextmanager
    def _answer(
        self,
        method: str,
        operation: str,
        body: dict[str, Any] | None,
        deadline: float,
        sent: Callable[[], None],
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer, whose status is fine. What breaks while it is read becomes a EndpointError too."""
        left = deadline - time.perf_counter()
        if left <= 0:
            raise OutOfTimeError
        connection = self._connection(min(self.silence_seconds, left))
        over = threading.Event()
        watchdog = None
        try:
            connection.connect()
            connected = connection.sock
            connected.settimeout(self.silence_seconds)
            # A socket's timeout is for each read, which a server that drips never exceeds.
            watchdog = threading.Timer(deadline - time.perf_counter(), _end, (connected, over))
            watchdog.daemon = True
            watchdog.start()
            sent()
            connection.request(
                method,
                self.address.path + operation,
                msgspec.json.encode(body) if body else None,
                self._headers,
            )
            with (
                connection.getresponse() as response
            ):  # which has the socket, where it is the connection's last
                self._check(response)
                yield response
            if over.is_set():  # an answer without a length that was ended from here looks complete
                raise OutOfTimeError
        except EndpointError as error:
            if over.is_set():  # what was cut short here is no fault of the server
                raise OutOfTimeError from error
            raise
        except TimeoutError as error:
            if over.is_set() or time.perf_counter() >= deadline:
                raise OutOfTimeError from error
            raise EndpointError(f"it sent nothing for {self.silence_seconds:g} seconds") from error
        except (OSError, http.client.HTTPException) as error:
            if over.is_set():
                raise OutOfTimeError from error
            raise EndpointError(_broken(error)) from error
        finally:
            if watchdog is not None:
                watchdog.cancel()
            connection.close()

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self.address.scheme == "https" else http.client.HTTPConnection
        return kind(self.address.host, self.address.port, timeout=timeout)

    @property
    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "moecalc",
        }
        return {**headers, "Authorization": f"Bearer {self.key}"} if self.key else headers

    def _check(self, response: http.client.HTTPResponse) -> None:
        if response.status == http.client.OK:
            return
        if 300 <= response.status < 400:
            there = server_words(response.headers.get("Location", "").encode(), self.key)
            raise EndpointError(f"it redirects to `{there}`, which is not followed", response.status)
        said = server_words(response.read(MOST_BODY_BYTES), self.key)
        words = f"it answers {response.status} {response.reason}"[:80]
        raise EndpointError(f"{words}: {said}" if said else words, response.status)


def _end(connected: socket.socket, over: threading.Event) -> None:
    """Wake up whoever reads from a socket: its time is over."""
    over.set()
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # closed in the meantime


def _data(response: http.client.HTTPResponse) -> Iterator[str]:
    """The data of every event. Raises EndpointError for a line without end."""
    data: list[str] = []
    rest = b""
    while piece := response.read1(_READ_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > MOST_LINE_BYTES:
            raise EndpointError(f"it sends a line of more than {MOST_LINE_BYTES:,} bytes")
        for line in lines:
            text = line.rstrip(b"\r").decode("utf-8", errors="replace")
            if text.startswith("data:"):
                data.append(text[5:].removeprefix(" "))
            elif not text and data:
                yield "\n".join(data)
                data = []


def _event(data: str, secret: str | None) -> dict[str, Any]:
    try:
        event = msgspec.json.decode(data)
    except msgspec.DecodeError:
        event = None
    if not isinstance(event, dict):
        raise EndpointError(f"it streams what is no JSON object: {server_words(data.encode(), secret)}")
    if event.get("error"):
        said = server_words(data.encode(), secret)
        raise EndpointError(f"it breaks off with an error: {said}")
    return event


def _broken(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead | ConnectionResetError | BrokenPipeError):
        # Closed with a request still unread, a connection is reset: it is a matter of microseconds which comes.
        return "it closed the connection"
    if isinstance(error, http.client.HTTPException):
        return f"its answer is no HTTP ({type(error).__name__})"
    said = getattr(error, "strerror", None) or type(error).__name__
    return f"the connection failed: {said}"
