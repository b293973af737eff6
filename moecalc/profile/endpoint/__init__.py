"""Time a model that an OpenAI-compatible server already runs: TTFT, TPOT and tokens/s over a ladder of concurrencies.

Nothing here needs torch. What is sent is bounded in number and in seconds; what comes back is bounded in bytes.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from moecalc.errors import InputError, MoecalcError, UndeterminedError
from moecalc.profile.endpoint import address as addresses
from moecalc.profile.endpoint.asking import Dialect, ask
from moecalc.profile.endpoint.computing import Computed
from moecalc.profile.endpoint.faults import EndpointError
from moecalc.profile.endpoint.ladder import Limits, climb
from moecalc.profile.endpoint.prompts import Prompts, calibrate, prompt_of
from moecalc.profile.endpoint.stream import Server
from moecalc.specs.endpoint_run import EndpointRun, Level, Request
from moecalc.specs.workload import check_length
from moecalc.units import format_counted

PROMPT, OUTPUT = 512, 128
"""Tokens of a request unless said otherwise."""

CONCURRENCIES = (1, 4, 16)

SECONDS = 60.0
"""That a level may take, and that a silence may."""

KEY = "MOECALC_API_KEY"
"""The environment variable with a server's key: a name of its own, so that no other service's key is sent to it."""

PROBE_TOKENS = 8
MODELS_SHOWN = 5

_NOT_HERE = frozenset({404, 405, 501})
"""Statuses of a path that a server does not have; 404 is that of a model, too."""
_NOT_SO = frozenset({400, 422})
"""Statuses of a field that it does not want."""

_DIALECTS = (Dialect(), Dialect(full_length=False), Dialect(full_length=False, usage=False))


def measure(
    url: str,
    model: str,
    *,
    concurrencies: Sequence[int] = CONCURRENCIES,
    prompt: int = PROMPT,
    output: int = OUTPUT,
    limits: Limits | None = None,
    silence_seconds: float = SECONDS,
    key: str | None = None,
    computed: Computed | None = None,
    progress: Callable[[int, int, int], None] | None = None,
) -> EndpointRun:
    """Measure `model`, as the server at `url` calls it, at each concurrency in turn.

    Requests have about `prompt` tokens, no two with the same beginning, and are answered with `output`. `progress` is
    told (concurrency, requests ended, requests of the level). A server that fails once it has begun ends the run:
    what was measured until then is in it, and `stopped` says why. Raises InputError for what cannot be asked of it,
    UndeterminedError where it cannot be reached or does not answer as such a server does.
    """
    check_length("prompt", prompt)
    check_length("output", output, 2)
    limits = limits or Limits()
    server = Server(address=addresses.parse(url), key=_checked(key), silence_seconds=silence_seconds)
    if computed is not None:  # what cannot be computed is said before anything is sent
        computed.at(concurrencies[-1], prompt + output, prompt)
    dialect, prompts = _reach(server, model, prompt)
    levels: list[Level] = []
    stopped = None
    for concurrency in concurrencies:

        def send(deadline: float) -> Request:
            return ask(server, dialect, model, prompts.next(), output, deadline)

        def told(ended: int, total: int, at: int = concurrency) -> None:
            if progress is not None:
                progress(at, ended, total)

        level = climb(send, concurrency, limits, told)
        if computed is not None and level.output_tokens:
            level = replace(level, against=computed.against(level, prompt, output))
        levels.append(level)
        stopped = _stopped(level)
        if stopped is not None:
            break
    return EndpointRun(
        url=server.address.url,
        model=model,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        prompt=prompt,
        output=output,
        levels=tuple(levels),
        asked=tuple(concurrencies),
        stopped=stopped,
        notes=(*_notes(dialect, prompts), *(computed.notes(prompt) if computed is not None else ())),
        **({} if computed is None else computed.names(prompt)),
    )


def _checked(key: str | None) -> str | None:
    if key is not None and not (key.isascii() and key.isprintable() and key.strip() == key):
        raise InputError(
            "the server's key has characters that cannot be sent", hint="look for spaces and newlines"
        )
    return key or None


def _reach(server: Server, model: str, tokens: int) -> tuple[Dialect, Prompts]:
    """How the server wants to be asked, and prompts of that length in its tokens."""

    def probe(dialect: Dialect, prompt: str) -> Request:
        deadline = time.perf_counter() + server.silence_seconds
        request = ask(server, dialect, model, prompt, PROBE_TOKENS, deadline)
        if request.outcome == "cut":
            raise EndpointError(
                f"it has not answered {PROBE_TOKENS} tokens after {server.silence_seconds:g} seconds"
            )
        if request.outcome == "failed":
            raise EndpointError(request.words)
        return request

    try:
        dialect = _dialect(probe)
        return dialect, calibrate(tokens, lambda prompt: probe(dialect, prompt))
    except EndpointError as fault:
        raise _said(fault, server, model) from fault


def _dialect(probe: Callable[[Dialect, str], Request]) -> Dialect:
    """The first that is answered. Raises the EndpointError of the first request that was refused where none is."""
    refused: EndpointError | None = None
    for chat in (False, True):
        for plain in _DIALECTS:
            dialect = replace(plain, chat=chat)
            try:
                probe(dialect, prompt_of(PROBE_TOKENS))
            except EndpointError as fault:
                refused = refused or fault
                if fault.status in _NOT_HERE:
                    break
                if fault.status not in _NOT_SO:
                    raise
            else:
                return dialect
    assert refused is not None
    raise refused


def _said(fault: EndpointError, server: Server, model: str) -> MoecalcError:
    """A fault before anything was measured, as an error with what to do about it."""
    where = f"`--endpoint {server.address.url}`"
    if not fault.refuses:
        return UndeterminedError(
            f"{where}: {fault.words}",
            hint="is an OpenAI-compatible server running there? Its log may say more",
        )
    if fault.status in {401, 403}:
        return InputError(f"{where}: {fault.words}", hint=f"put its key into the environment: `{KEY}=...`")
    if fault.status is not None and fault.status < 400:
        return InputError(
            f"{where}: {fault.words}", hint="name the address that it leads to, if you trust it"
        )
    served = server.models(time.perf_counter() + server.silence_seconds)
    names = ", ".join(f"`{name[:100]}`" for name in served[:MODELS_SHOWN])
    if served and model not in served:
        hint = f"it serves {names}: `--model {served[0][:100]}`"
    else:
        hint = "the path that its completions stand below belongs to the address, like `/v1`"
    return InputError(f"{where}, model `{model}`: {fault.words}", hint=hint)


def _stopped(level: Level) -> str | None:
    """Why no further level is measured, if so."""
    for request in level.requests:
        if request.outcome == "failed":
            came = request.output_tokens
            tokens = f" after {format_counted(came, 'token')} of an answer" if came else ""
            return f"at concurrency {level.concurrency}{tokens}: {request.words}"
    if level.ttft is None:
        return f"at concurrency {level.concurrency}: no token came within {level.seconds:.0f} seconds"
    return None


def _notes(dialect: Dialect, prompts: Prompts) -> list[str]:
    notes = []
    if dialect.chat:
        notes.append("asked through `/chat/completions`: its template is part of the prompt")
    if not dialect.full_length:
        notes.append("the server does not take `ignore_eos`: answers may end early")
    if not prompts.counted:
        notes.append(
            "the server counts no tokens: a word is taken as a token, and a piece of an answer as one"
        )
    return notes
