"""Each row of a sweep says which fit its expectation is of, and a remark where two of them meet."""

import moecalc
from moecalc.render.speed_fits import fit_remarks, fit_word
from moecalc.render.sweep import sweep_text


def test_rows_say_their_fit_and_the_remark_where_two_meet():
    found = moecalc.sweep("llama-3.1-8b", "1xh100", batches="1..64")
    by_batch = {point.batch: point for point in found.points}
    one, two = by_batch[1], by_batch[2]
    assert (fit_word(one), fit_word(two)) == ("alone", "served")
    assert two.expected_per_user > one.expected_per_user
    (said,) = fit_remarks(found.points)
    assert "at batch 1" in said
    assert "two fits meet there, `alone` and `served`" in said
    for columns in (80, 120):
        text = sweep_text(found, columns)
        rows = [line.split() for line in text.splitlines()]
        assert sum("alone" in row for row in rows if row and row[0].startswith("215")) == 1
        assert max(map(len, text.splitlines())) <= columns
        assert "two fits meet there" in " ".join(text.split())


def test_nothing_is_said_where_larger_batches_are_slower():
    found = moecalc.sweep("deepseek-v3", "8xh200", plan={"tp": 8}, batches="1..64")
    assert [*fit_remarks(found.points)] == []
    assert {fit_word(point) for point in found.points} == {"alone", "served"}
