"""Public statements, each with the verdict that was written down before it was judged (`corpus.yaml`)."""

from pathlib import Path

import pytest

from moecalc import strict_yaml
from moecalc.api.claiming import claim
from moecalc.checks.claiming.claim import PARTS, make_claim
from moecalc.checks.claiming.figure import Figure
from moecalc.checks.claiming.finding import VERDICTS
from moecalc.checks.claiming.grammar import read_sentence
from moecalc.sources import catalog
from moecalc.specs import fleet

CORPUS = strict_yaml.load(Path(__file__).parent / "corpus.yaml").data
KEYS = {"id", "is", "statement", "claim", "expect", "why", "source", "made", "revised"}


def spelt_out(made):
    """A claim's parts as values that do not depend on how they were typed."""
    said = dict(made.said)
    for name, value in said.items():
        if isinstance(value, Figure):
            said[name] = value.value, value.half
        elif name == "gpu":
            said[name] = fleet.parse(value).describe()
        elif name == "model":
            said[name] = catalog.find(value)
    return said


def entries(check=lambda entry: True):
    return [pytest.param(entry, id=entry["id"]) for entry in CORPUS if check(entry)]


def test_the_corpus_is_large_and_says_where_each_statement_stands():
    assert sum("made" not in entry for entry in CORPUS) >= 100
    assert len({entry["id"] for entry in CORPUS}) == len(CORPUS)
    for entry in CORPUS:
        assert set(entry) <= KEYS, entry["id"]
        assert {"is", "statement", "claim", "expect", "why", "source"} <= set(entry), entry["id"]
        assert (entry["source"] == "made") == ("made" in entry), entry["id"]
        assert set(entry["expect"]) <= set(PARTS), entry["id"]


def test_there_are_true_and_false_ones_of_every_verdict():
    verdicts = {verdict for entry in CORPUS for verdict in entry["expect"].values()}
    words = {next(word for word in VERDICTS if verdict.startswith(word)) for verdict in verdicts}
    assert words | {"holds under"} == set(VERDICTS)
    public = [entry for entry in CORPUS if "made" not in entry]
    assert sum(not entry["is"] for entry in public) >= 15


@pytest.mark.parametrize("entry", entries())
def test_the_sentence_reads_as_its_structured_form(entry):
    reading = read_sentence(entry["statement"])
    assert spelt_out(reading.claim) == spelt_out(make_claim(entry["claim"]))
    assert reading.not_understood == ()


@pytest.mark.parametrize("entry", entries())
def test_the_verdict_is_the_one_written_down(entry):
    found = {finding.part: finding for finding in claim(parts=entry["claim"]).findings}
    for part, verdict in entry["expect"].items():
        assert found[part].words == verdict, found[part].arithmetic


@pytest.mark.parametrize("entry", entries(lambda entry: entry["is"]))
def test_nothing_true_is_impossible(entry):
    judged = claim(entry["statement"])
    assert [finding for finding in judged.findings if finding.verdict == "impossible"] == []
    assert judged.exit_code() == 0


@pytest.mark.parametrize("entry", entries(lambda entry: "impossible" in entry["expect"].values()))
def test_the_impossible_fails(entry):
    assert claim(entry["statement"]).exit_code() == 1
