"""The bar on stderr: on a terminal only, over itself, and gone in the end."""

import sys

from moecalc.cli.progress import Bar


def test_a_terminal_sees_the_bar_and_then_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Bar("designs", 10) as bar:
        bar.show(5, 20)
        bar.show(20, 20)
    seen = capsys.readouterr()
    assert not seen.out
    half, full, gone = seen.err.split("\r")[1:]
    assert half == "designs [#######-----------------------] 5 of 20"
    assert full == f"designs [{'#' * 30}] 20 of 20"
    assert gone == "\x1b[K"


def test_a_pipe_and_a_short_search_see_nothing(monkeypatch, capsys):
    with Bar("designs", 10) as bar:
        bar.show(5, 20)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Bar("designs", 100) as bar:
        bar.show(5, 20)
    assert not capsys.readouterr().err
