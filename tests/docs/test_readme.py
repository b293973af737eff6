"""The README's commands run, and print what it shows."""

import re

from tests.console import ROOT, rewritten
from tests.docs.measured_runs import rewritten_runs

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_outputs_are_real():
    assert rewritten(README) == README, "if intended: python -m tests.regenerate"


def test_the_table_of_runs_is_of_the_stored_runs():
    assert rewritten_runs(README) == README, "if intended: python -m tests.regenerate"


def test_every_line_id_is_defined():
    import moecalc

    ids = {line["id"] for line in moecalc.load("mixtral-8x7b").lines()}
    defined = set(re.findall(r"^\| `([a-z_.]+)`", README, re.MULTILINE))
    assert ids <= defined


def test_python_example_runs():
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
