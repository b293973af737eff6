"""Where an OpenAI-compatible server is: the base of its paths, checked before anything is sent."""

from urllib.parse import urlsplit

import msgspec

from moecalc.errors import InputError

HINT = "the server's address: `--endpoint http://127.0.0.1:8000`"

_OPERATIONS = ("/chat/completions", "/completions", "/models")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Scheme, host and port, and the path that all operations stand below (`/v1`)."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """As it is shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def parse(url: str) -> Address:
    """The address that was typed; without a path `/v1` is meant. Raises InputError."""
    if "@" in url.partition("://")[2].partition("/")[0]:
        # Not repeated: it has a password.
        raise InputError(
            "`--endpoint` has a user name or password in it",
            hint="the key of a server goes by the environment",
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"`--endpoint {url}` is no address: {error}", hint=HINT) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InputError(f"`--endpoint {url}` is no http address", hint=HINT)
    if parts.query or parts.fragment or not (url.isascii() and url.isprintable()) or " " in url:
        raise InputError(f"`--endpoint {url}` has more than host, port and path", hint=HINT)
    path = parts.path.rstrip("/")
    for operation in _OPERATIONS:
        path = path.removesuffix(operation)
    if port == 0:
        raise InputError(f"`--endpoint {url}` has no port that can be reached", hint=HINT)
    return Address(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or (443 if parts.scheme == "https" else 80),
        path=path or "/v1",
    )
