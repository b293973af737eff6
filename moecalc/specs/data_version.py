"""The version of moecalc's data: what estimates rest on beside the code.

Prices, devices, engines' coefficients, measurements and what was fitted on them are files under `data/`. Budgets on
estimates name the version they were set against. The digest holds the version to the files: a test fails where they
changed and the version did not, and `python -m tests.regenerate` renews both.
"""

from pathlib import Path

DATA_VERSION = "2026-11-23.10"
"""The day of the last change; `.2`, `.3` behind it where a day has several."""

DATA_DIGEST = "9b12c3d9a78cf2ce"
"""Of names and contents of all files under `data/`, the first 16 digits of SHA-256."""

FOLDER = Path(__file__).parent / "data"


def data_digest(folder: Path = FOLDER) -> str:
    """The digest of the files as they are now. Line ends do not count, since a checkout may write either."""
    import hashlib  # only tests and `regenerate` ask

    digest = hashlib.sha256()
    files = sorted(
        (path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file()
    )
    for name, path in files:
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]
