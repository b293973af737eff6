"""The data version is that of the files: changed data needs a new one."""

import datetime as dt

import pytest

from moecalc.specs.data_version import DATA_DIGEST, DATA_VERSION, FOLDER, data_digest
from tests.regenerate import renewed_data_version


def test_changed_data_has_a_new_version():
    assert data_digest() == DATA_DIGEST, (
        "if intended: python -m tests.regenerate, which renews the version too"
    )


def test_the_version_is_a_date():
    day, _, number = DATA_VERSION.partition(".")
    assert dt.date.fromisoformat(day)
    assert number == "" or int(number) > 1


def test_every_file_and_name_counts(tmp_path):
    assert any(FOLDER.rglob("*.yaml"))
    (tmp_path / "a").mkdir()
    first = tmp_path / "a" / "x.yaml"
    first.write_bytes(b"price: 1\n")
    known = {data_digest(tmp_path)}
    for change in (
        lambda: first.write_bytes(b"price: 2\n"),
        lambda: first.rename(tmp_path / "a" / "y.yaml"),
        lambda: (tmp_path / "b.tsv").write_bytes(b""),
    ):
        change()
        digest = data_digest(tmp_path)
        assert digest not in known
        known.add(digest)
    (tmp_path / "a" / "y.yaml").write_bytes(b"price: 2\r\n")  # as a checkout on Windows has it
    assert data_digest(tmp_path) == digest


@pytest.mark.parametrize(
    ("version", "digest", "today", "renewed"),
    [
        ("2026-01-01", "old", "2026-01-01", "2026-01-01"),
        ("2026-01-01", "new", "2026-01-02", "2026-01-02"),
        ("2026-01-01", "new", "2026-01-01", "2026-01-01.2"),
        ("2026-01-01.2", "new", "2026-01-01", "2026-01-01.3"),
        ("2026-01-01.2", "new", "2026-01-05", "2026-01-05"),
    ],
)
def test_regenerating_renews_the_version_where_the_digest_is_another(version, digest, today, renewed):
    source = f'DATA_VERSION = "{version}"\nDATA_DIGEST = "old"\n'
    text = renewed_data_version(source, digest, dt.date.fromisoformat(today))
    assert text == f'DATA_VERSION = "{renewed}"\nDATA_DIGEST = "{digest}"\n'
