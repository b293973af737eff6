"""What a server does wrong, or says against a request, in words short enough to print."""

from typing import Any

import msgspec

MOST_CHARACTERS = 300
"""Of a server's own words that are repeated."""


class EndpointError(Exception):
    """A request that was not answered.

    `status` is that of an answer that refuses, None where there is no answer or a broken one. `words` says what
    happened; the server's own are in it.
    """

    def __init__(self, words: str, status: int | None = None) -> None:
        super().__init__(words)
        self.words = words
        self.status = status

    @property
    def refuses(self) -> bool:
        """Whether the server is there and does not want this request."""
        return self.status is not None and 300 <= self.status < 500 and self.status not in {408, 425, 429}


class OutOfTimeError(Exception):
    """A level's time was up while an answer was still under way."""


def server_words(body: bytes, secret: str | None) -> str:
    """What an answer's body says: the message in its JSON, or the text itself; shortened, the key taken out."""
    try:
        said = _message(msgspec.json.decode(body))
    except msgspec.DecodeError:
        said = None
    text = " ".join((said or body.decode("utf-8", errors="replace")).split())
    if secret:
        text = text.replace(secret, "***")
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}..."


def _message(data: Any) -> str | None:
    """The message of an error as OpenAI, vLLM (`message`), FastAPI (`detail`) and llama.cpp word it."""
    if isinstance(data, str):
        return data
    if not isinstance(data, dict):
        return None
    for key in ("error", "message", "detail"):
        if data.get(key):
            return _message(data[key])
    return None
