"""The table of `moecalc accuracy`: what stands behind a regime, and what is not accurate."""

import pytest

from moecalc.api.accuracy import accuracy
from moecalc.render.accuracy import accuracy_markdown, accuracy_text


@pytest.fixture(scope="module")
def found():
    return accuracy()


@pytest.mark.parametrize("columns", ["80", "120"])
def test_engines_and_sources_of_each_regime_fit_the_terminal(found, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    lines = accuracy_text(found).splitlines()
    assert max(map(len, lines)) <= int(columns)
    (behind,) = (line for line in lines if line.startswith("decode-static-batch") and "other" in line)
    assert behind.split() == [
        *["decode-static-batch", "llama.cpp", "157,", "other", "2"],
        *["llama.cpp-mac-m2-ultra", "75", "+4"],
    ]
    assert any("15% reached, on llama.cpp" in line for line in lines)


def test_a_regime_that_is_half_wrong_is_not_called_accurate(found):
    assert "ttft-loaded: half of the predictions are off by more than 78%" in accuracy_text(found)
    assert "served: half" not in accuracy_text(found)


def test_markdown_names_all_sources_with_their_rows(found):
    named = "gpt-fast 22, trtllm-blog1 6, vllm-artificial-analysis 3, aiconfigurator-silicon 2"
    rows = [line for line in accuracy_markdown(found).splitlines() if line.startswith("| decode-b1-tp |")]
    assert named in rows[0]
