"""Questions of plain words are answered without Typer: the same answers, and nothing imported that they don't need."""

import os
import subprocess
import sys

import pytest

from tests.console import ROOT, run

SLOW = {"typer", "rich", "click", "huggingface_hub", "typing_extensions", "inspect", "json", "shutil"}


@pytest.mark.parametrize(
    ("plain", "through_typer"),
    [
        ("compare mixtral-8x7b llama-13b", "compare --batch 1 mixtral-8x7b llama-13b"),
        ("compare mixtral-8x7b", "compare --batch 1 mixtral-8x7b"),
        ("compare mixtral-8x7b nobody", "compare --batch 1 mixtral-8x7b nobody"),
        ("show deepseek-v3", "show --batch 1 deepseek-v3"),
        ("deepseek-v3", "show --batch 1 deepseek-v3"),
        ("show gpt-4", "show --batch 1 gpt-4"),
        ("show nobody", "show --batch 1 nobody"),
    ],
)
def test_both_ways_say_the_same(plain, through_typer):
    short, long = run(f"moecalc {plain}"), run(f"moecalc {through_typer}")
    assert (short.stdout, short.stderr, short.returncode) == (long.stdout, long.stderr, long.returncode)


@pytest.mark.parametrize("command", ["compare mixtral-8x7b llama-13b", "show mixtral-8x7b", "mixtral-8x7b"])
def test_only_what_the_answer_needs_is_imported(command):
    assert not imported_by(f"from moecalc.cli.run import run; run({command.split()})") & SLOW


def test_tab_completion_reads_no_yaml():
    names = (
        "from moecalc.cli.options import complete_model; assert 'mixtral-8x7b' in complete_model('mixtral')"
    )
    assert not imported_by(names) & {"yaml", "msgspec", "moecalc.ir"}


def imported_by(code):
    show = "; import sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {[str(ROOT), *sys.path]!r}; {code}{show}"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("command", ["show deepseek-v3", "explain deepseek-v3", "hardware"])
def test_a_reader_that_has_left_ends_the_command_without_a_word(command):
    """`| head` closes the pipe; Typer alone would make exit code 1 of it, and 0 would let a cut-off gate pass."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "moecalc", *command.split()],
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
