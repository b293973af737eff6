"""Ceilings over small buffers: what these tests hold is not their size."""

import pytest

from moecalc.profile.measure import ceilings


@pytest.fixture(autouse=True)
def _small_ceilings(monkeypatch):
    monkeypatch.setitem(ceilings.BUFFER_BYTES, "cpu", 2**20)
    monkeypatch.setitem(ceilings.MATMUL_SIZES, "cpu", (64,))
    monkeypatch.setitem(ceilings.TOKENS, "cpu", (8,))
