"""`diff`: keys, lines and rows that differ, with what each key does alone."""

import json
from fractions import Fraction

import jsonschema
import pytest

import moecalc
from moecalc.api.differing import diff
from moecalc.errors import InputError
from moecalc.render.diff import diff_text
from tests.api.test_checking import CONFIG, git
from tests.console import ROOT


def load(**keys):
    return moecalc.load({**CONFIG, **keys})


def test_a_model_and_itself():
    found = diff("mixtral-8x7b", "mixtral")
    assert found.is_empty
    assert found.same_lines == len(moecalc.load("mixtral-8x7b").lines())


def test_one_key_moves_what_the_models_differ_by():
    old, new = load(), load(num_experts=72)
    found = diff(old, new)
    (one,) = found.consequences
    assert (one.change, one.is_known, found.together) == ("num_experts 64 -> 72", True, ())
    assert {id_: amount for id_, _, amount in one.moves} == {line.id: line.change for line in found.lines}
    changes = {line.id: line.change for line in found.lines}
    assert changes["params.total"] == new.params.total - old.params.total
    assert changes["weights.bytes"] == 2 * changes["params.total"]
    assert "state.bytes" not in changes


def test_every_line_adds_up():
    old, new = load(), load(num_experts=72, hidden_size=128, num_key_value_heads=4, transformers_version="5")
    found = diff(old, new, context=8192, batch=2)
    summed = {}
    for moves in (*(one.moves for one in found.consequences), found.together):
        for id_, _, amount in moves:
            summed[id_] = summed.get(id_, 0) + amount
    assert {id_: amount for id_, amount in summed.items() if amount} == {
        line.id: line.change for line in found.lines
    }
    assert [one.change for one in found.consequences if not one.moves] == ["transformers_version absent -> 5"]
    assert len(found.lines) + found.same_lines == len(new.lines())


def test_rows_add_up_to_the_parameters():
    old, new = load(), load(num_experts=72, hidden_size=128, num_hidden_layers=5)
    found = diff(old, new)
    weights = sum(row.change for row in found.rows if row.of == "weights")
    assert weights == new.params.total - old.params.total
    state = sum(row.change for row in found.rows if row.of == "state")
    assert state == new.state_bytes() - old.state_bytes()
    routed = next(row for row in found.rows if row.role == "routed.up")
    assert (routed.old, routed.new) == (
        "4 layers x 64 experts x 32 moe_intermediate_size x 64 hidden_size (active 8/64)",
        "5 layers x 72 experts x 32 moe_intermediate_size x 128 hidden_size (active 8/72)",
    )


def test_a_row_that_a_side_has_not():
    found = diff(load(), load(tie_word_embeddings=True))
    row = next(row for row in found.rows if row.role == "head.lm")
    assert (row.change, row.old) == (-64_000, "1,000 vocab_size x 64 hidden_size")


def test_a_changed_format_is_told():
    found = diff(load(), load(dtype="float32"))
    changes = {line.id: line.change for line in found.lines}
    assert changes["weights.bytes"] == 2 * load().params.total
    assert "params.total" not in changes
    assert [row.of for row in found.rows] == ["state", "state"]  # whose rows name their format


def test_models_of_two_types_are_compared_as_architectures():
    found = diff("mixtral-8x7b", "deepseek-v3")
    words = [one.change for one in found.consequences]
    assert "hidden_size 4096 -> 7168" in words
    assert any(not one.is_known for one in found.consequences)
    total = next(line for line in found.lines if line.id == "params.total")
    assert total.change == 671_026_404_352 - 46_702_792_704


def test_a_model_of_which_only_figures_are_known():
    found = moecalc.diff("mixtral-8x7b", "gpt-4")
    assert found.consequences == found.rows == ()
    assert next(line for line in found.lines if line.id == "state.bytes").new is None


def test_both_are_counted_at_one_context():
    short, long = load(max_position_embeddings=1024), load(max_position_embeddings=40960)
    assert diff(short, long).defaults == {"context": 4096}
    assert {line.id for line in diff(short, long).lines} == set()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "config.json").write_text(json.dumps(CONFIG))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "base")
    (tmp_path / "models" / "config.json").write_text(json.dumps({**CONFIG, "num_experts": 72}))
    return tmp_path


@pytest.mark.parametrize("path", ["models/config.json", "models", "./models/config.json"])
def test_a_revision(repository, path):
    found = diff(f"git:HEAD:{path}", "models/config.json")
    assert [one.change for one in found.consequences] == ["num_experts 64 -> 72"]
    assert found.old.source == "HEAD:models/config.json"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("git:HEAD", "names no file of a revision"),
        ("git:HEAD:", "names no file of a revision"),
        ("git:nothing:models", "git knows no revision `nothing`"),
        ("git:HEAD:nothing", "`HEAD` has no config or spec at `nothing`"),
        ("git:HEAD:../elsewhere", "lies outside the repository"),
        ("git:HEAD:model.gguf", "weights are not read from git"),
    ],
)
def test_no_revision(repository, text, said):
    with pytest.raises(InputError, match=said) as caught:
        diff(text, "models/config.json")
    assert caught.value.hint


def test_json_has_whole_numbers_and_nothing_else():
    data = json.loads(json.dumps(diff(load(), load(num_experts=72)).to_dict()))
    assert data["schema"] == "moecalc/diff/1"
    line = next(line for line in data["lines"] if line["id"] == "params.total")
    assert line["change"] == line["new"] - line["old"] == int(Fraction(line["change"]))


def test_what_is_only_stated_says_whose_word_it_is():
    """A range, and a figure of nobody who knows, must not look like numbers counted from shapes."""
    found = diff("mixtral-8x7b", "gpt-4")
    rows = {line.split("  ")[0]: line for line in diff_text(found, 120).splitlines()}
    assert "1.7 T-1.8 T rumoured" in rows["parameters, total"]
    assert "280.00 B rumoured" in rows["active per token"]
    assert rows["routed experts"].rstrip().endswith("undisclosed")
    total = found.to_dict()["lines"][0]
    assert total["stated"] == {"new": {"low": 17 * 10**11, "high": 18 * 10**11, "provenance": "rumoured"}}
    schema = json.loads((ROOT / "moecalc" / "render" / "diff.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(found.to_dict(), schema)
