"""Changes between configs: found key by key, and made one at a time."""

import pytest

from moecalc.checks.changes import MISSING, Change, applied, changes, value_words

OLD = {
    "num_experts": 64,
    "layer_types": ["full", "full", "sliding"],
    "text": {"hidden_size": 8, "gone": None},
    "stacks": [{"pattern": "a*2", "mixer": {"type": "gqa", "heads": 4}}, {"pattern": "b"}],
}
NEW = {
    "num_experts": 72,
    "layer_types": ["full", "full", "sliding", "full"],
    "text": {"hidden_size": 8, "added": True},
    "stacks": [{"pattern": "a*3", "mixer": {"type": "mla", "heads": 4, "rank": 2}}, {"pattern": "b"}],
}


def test_every_key_that_differs_and_no_other():
    assert [change.words for change in changes(OLD, NEW)] == [
        "num_experts 64 -> 72",
        "layer_types [full, full, sliding] -> [full, full, sliding, full]",
        "text.added absent -> true",
        "text.gone null -> absent",
        "stacks[0].pattern a*2 -> a*3",
        "stacks[0].mixer gqa -> mla",
    ]
    assert changes(OLD, OLD) == []


def test_all_changes_together_make_the_new_side():
    data = OLD
    for change in changes(OLD, NEW):
        data = applied(data, change)
    assert data == NEW


def test_one_change_leaves_the_rest_and_the_old_side():
    change = Change(("stacks", 0, "pattern"), "a*2", "a*3")
    assert applied(OLD, change)["stacks"][0] == {**OLD["stacks"][0], "pattern": "a*3"}
    assert OLD["stacks"][0]["pattern"] == "a*2"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({"a": 1}, {"a": True}, "a 1 -> true"),
        ({"a": 1}, {"a": 1.0}, "a 1 -> 1.0"),
        ({"a": None}, {}, "a null -> absent"),
        ({"a": []}, {"a": [{"b": 1}]}, "a [] -> [{b}]"),
        ({"a": {"b": 1}}, {"a": 2}, "a {b} -> 2"),
    ],
)
def test_what_is_no_equal(old, new, words):
    assert [change.words for change in changes(old, new)] == [words]


def test_long_values_are_short_in_words():
    assert value_words(["full"] * 30 + ["sliding"] * 2) == "[full x30, sliding x2] (32 entries)"
    assert value_words([1, 2, 3, 4, 5, 6]) == "[1, 2, 3, 4, ...] (6 entries)"
    assert len(value_words("x" * 500)) < 70
    assert value_words(MISSING) == "absent"
