"""What a failed request to the hub means, for the user and for whoever may try again."""

import re
from typing import Any

from moecalc.errors import InputError, MoecalcError, UndeterminedError
from moecalc.sources.hub.reference import Reference

PAUSE_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 10
"""What a rate limit may ask for; a longer wait is the user's to decide on."""

_RESET = re.compile(r";\s*t=(\d+)")


class TryAgain(Exception):  # noqa: N818 - what to do, not what went wrong
    """A failure that may be over after `wait` seconds."""

    def __init__(self, reason: str, wait: float) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait


class NoRepositoryError(InputError):
    """The hub has no repository of that name, or none that the user may read."""


def away(about: Reference, reason: str) -> UndeterminedError:
    """The error about a hub that cannot be asked, or whose answer is none."""
    return UndeterminedError(
        f"the hub gives no answer about `{about}`: {reason}",
        hint="check the network, HF_ENDPOINT and HF_HUB_OFFLINE, and try again; or give a local path",
    )


def refused(error: Any, about: Reference, name: str) -> MoecalcError | TryAgain:
    """What huggingface_hub's error about an answer's status means; `name` is the file that was asked for."""
    status = error.response.status_code
    if status == 429:
        return _limited(error.response.headers, about)
    if status >= 500 or status == 408:
        return TryAgain(f"it answers with status {status}", PAUSE_SECONDS)
    kind = _kind(error, name)
    if kind is None:
        return away(about, f"it answers with status {status}")
    message, hint = MEANINGS[kind]
    made = NoRepositoryError if kind == "no repository" else InputError
    return made(message.format(repo=about.repo, about=about, revision=about.revision, name=name), hint=hint)


MEANINGS = {
    "gated": ("`{repo}` is gated", "accept its terms on the hub, then set HF_TOKEN or run `hf auth login`"),
    "disabled": ("the hub has disabled `{repo}`", None),
    "no revision": ("`{repo}` has no revision `{revision}`", "a revision is a branch, a tag or a commit"),
    "no file": ("`{about}` has no file `{name}`", None),
    "bad token": ("the hub does not accept the token", "set HF_TOKEN anew, or run `hf auth login`"),
    "forbidden": (
        "`{repo}` may not be read with this token",
        "give HF_TOKEN a token that has the right to",
    ),
    "no repository": (
        "no repository `{repo}` that you may read",
        "check the spelling; private repositories need HF_TOKEN. `moecalc list` shows the catalogue",
    ),
}
"""(message, hint) of each way in which the hub says no."""


def _kind(error: Any, name: str) -> str | None:
    """Which of the MEANINGS an error has; None where the hub says nothing about what was asked for."""
    headers, status = error.response.headers, error.response.status_code
    code, message = headers.get("X-Error-Code", ""), headers.get("X-Error-Message", "")
    if message.startswith("Access to this resource is disabled"):
        return "disabled"
    if status == 401 and message.startswith("Invalid credentials"):
        return "bad token"
    # huggingface_hub knows 401 without a code as a missing repository, but only behind https.
    codes = {
        "GatedRepo": "gated",
        "RepoNotFound": "no repository",
        "RevisionNotFound": "no revision",
        "EntryNotFound": "no file",
    }
    others = {401: "no repository", 403: "forbidden", 404: "no file" if name else "no repository"}
    return codes.get(code) or others.get(status)


def _limited(headers: Any, about: Reference) -> MoecalcError | TryAgain:
    # The hub names the seconds in `RateLimit: "api";r=0;t=55` (draft-ietf-httpapi-ratelimit-headers), others by
    # `Retry-After`.
    reset = _RESET.search(headers.get("RateLimit", ""))
    after = headers.get("Retry-After") or (reset[1] if reset else "1")
    if not after.isdigit() or int(after) > LONGEST_WAIT_SECONDS:
        when = f"for {int(after):,} seconds" if after.isdigit() else f"until {after}"
        return away(about, f"it wants no more requests {when} (status 429)")
    return TryAgain("it wants no more requests (status 429)", int(after))


def unreachable(error: Exception, about: Reference) -> UndeterminedError | TryAgain:
    """What an error of the connection means: one that was cut may hold the next time, the others only take time."""
    kind = type(error).__name__
    if kind in {"RemoteProtocolError", "ReadError"}:
        return TryAgain("it ends its answers too early", PAUSE_SECONDS)
    if "Timeout" in kind:
        return away(about, "it is silent for too long")
    if kind == "OfflineModeIsEnabled":
        return away(about, "HF_HUB_OFFLINE forbids to ask")
    said = str(error).splitlines()
    return away(about, f"{kind}: {said[0]}" if said else kind)
