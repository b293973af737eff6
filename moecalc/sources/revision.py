"""Files as a git revision has them, read without checking anything out."""

import os
import posixpath
import subprocess
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from moecalc.errors import InputError, UndeterminedError

TIMEOUT_SECONDS = 60
"""A partial clone may have to ask its server for a file."""


class Revision:
    """A revision of the repository that a folder belongs to."""

    def __init__(self, name: str, folder: Path) -> None:
        """Find the commit. Raises InputError where there is none, UndeterminedError where git is not at hand."""
        if not name.strip() or name.startswith("-") or any(char in name for char in "\0\n:"):
            raise InputError(
                f"`{name}` is no git revision", hint="type a branch, tag or commit: `origin/main`"
            )
        self.name = name
        self._folder = folder
        self._prefix = self._git("rev-parse", "--show-prefix").decode().strip()
        try:
            found = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        except InputError:
            raise InputError(
                f"git knows no revision `{name}` here",
                hint=f"fetch it first (`git fetch origin {name.removeprefix('origin/')}`; in CI, a full clone), "
                "or give a file of `moecalc check --format json`",
            ) from None
        self.commit = found.decode().strip()

    @property
    def root(self) -> Path:
        """The repository's own folder."""
        inside = [part for part in self._prefix.split("/") if part]
        folder = self._folder.resolve()
        return folder.parents[len(inside) - 1] if inside else folder

    @cached_property
    def renamed(self) -> dict[str, str]:
        """Files that git knows under another path now: that path, and what the revision calls them."""
        changed = ("diff", "--name-status", "--find-renames", "--diff-filter=R", "--no-relative", "-z")
        words = self._git(*changed, self.commit, "--").decode(errors="surrogateescape").split("\0")
        return {words[index + 2]: words[index + 1] for index in range(0, len(words) - 2, 3)}

    def path_of(self, path: Path) -> str | None:
        """The path inside the repository that belongs to a path on disk; None for what lies outside of it."""
        beside = os.path.relpath(path, self._folder).replace(os.sep, "/")
        inside = posixpath.normpath(posixpath.join(self._prefix, beside))
        return None if inside.startswith("..") or posixpath.isabs(inside) else inside

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The contents of those paths that are files there, by one process for all; links are followed."""
        wanted = [path for path in dict.fromkeys(paths) if "\n" not in path]
        if not wanted:
            return {}
        asked = "".join(f"{self.commit}:{path}\n" for path in wanted)
        answer = self._git("cat-file", "--batch", "--follow-symlinks", given=asked.encode())
        found: dict[str, bytes] = {}
        start = 0
        for path in wanted:
            end = answer.index(b"\n", start)
            words = answer[start:end].split(b" ")
            start = end + 1
            if words[-1] in {b"missing", b"ambiguous"}:
                continue
            # `<object> <type> <size>`, or `symlink|dangling|loop|notdir <size>`, and then so many bytes
            size = int(words[-1])
            if len(words) == 3 and words[1] == b"blob":
                found[path] = answer[start : start + size]
            start += size + 1
        return found

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and the revision cannot be read as an option
                ["git", "-C", str(self._folder), *arguments],  # noqa: S607 - the user's own git
                input=given,
                capture_output=True,
                timeout=TIMEOUT_SECONDS,
                check=False,
                env=_environment(),
            )
        except FileNotFoundError:
            raise UndeterminedError(
                "git is not installed: the base cannot be read",
                hint="install git, or give a file of `moecalc check --format json`",
            ) from None
        except subprocess.TimeoutExpired:
            raise UndeterminedError(
                f"git took longer than {TIMEOUT_SECONDS} seconds over `{arguments[0]}`",
                hint="fetch what it waits for first",
            ) from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            reason = said[-1].removeprefix("fatal: ") if said else f"exit code {done.returncode}"
            raise InputError(
                f"git cannot read `{self._folder}`: {reason}",
                hint="`--base REV` needs a git repository; a file of `moecalc check --format json` does not",
            )
        return done.stdout


def _environment() -> dict[str, str]:
    """The variables without those that a hook is given about its own repository.

    They would have git take any folder for that repository's root. With a work tree beside them they are meant.
    """
    kept = dict(os.environ)
    if "GIT_WORK_TREE" not in kept:
        for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_PREFIX"):
            kept.pop(name, None)
    return kept
