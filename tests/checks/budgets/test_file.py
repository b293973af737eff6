"""Budget files: found upwards, read strictly, each limit with its line."""

import textwrap

import pytest

from moecalc.checks.budgets.file import find_file, read_budgets
from moecalc.checks.budgets.measure import Settings
from moecalc.errors import InputError

YAML = """\
version: 1
runtime: 1 GiB
data_version: 2026-01-01
models:
  - model: mixtral-8x7b
    context: 32k
    batch: 4
    limits:
      total: 46702792704
      vram@q4_k_m: {fail: <= 32 GiB, warn: <= 30 GiB}
      decode tok/s@8xh100: ">= 40 tok/s"
  - model: ./a/config.json
    name: mine
    limits:
      total: <= +5%
"""

TOML = """\
[project]
name = "somebody"
description = "total = 5"

[tool.moecalc]
runtime = "1 GiB"
data_version = 2026-01-01

[[tool.moecalc.models]]
model = "mixtral-8x7b"
context = "32k"
batch = 4

[tool.moecalc.models.limits]
total = 46702792704
"vram@q4_k_m" = { fail = "<= 32 GiB", warn = "<= 30 GiB" }
"decode tok/s@8xh100" = ">= 40 tok/s"

[[tool.moecalc.models]]
model = "./a/config.json"
name = "mine"
limits = { total = "<= +5%" }
"""


@pytest.fixture
def write(tmp_path):
    def written(text, name="moecalc.yaml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return written


@pytest.mark.parametrize(
    ("text", "name", "lines"),
    [(YAML, "moecalc.yaml", (9, 10, 11, 15)), (TOML, "pyproject.toml", (15, 16, 17, 22))],
)
def test_both_forms_say_the_same(write, text, name, lines):
    budgets = read_budgets(write(text, name))
    assert budgets.runtime_bytes == 2**30
    assert budgets.data_version == "2026-01-01"
    assert [model.name for model in budgets.models] == ["mixtral-8x7b", "mine"]
    assert [model.model for model in budgets.models] == ["mixtral-8x7b", "./a/config.json"]
    every = [budget for model in budgets.models for budget in model.budgets]
    assert [budget.line for budget in every] == list(lines)
    assert every[0].settings == Settings(context=32768, batch=4)
    assert every[1].settings == Settings(context=32768, batch=4, quant="q4_k_m")
    assert every[2].settings == Settings(context=32768, batch=4, gpu="8xh100")
    assert [(b.fail and b.fail.text, b.warn and b.warn.text) for b in every] == [
        ("46702792704", None),
        ("<= 32 GiB", "<= 30 GiB"),
        (">= 40 tok/s", None),
        ("<= +5%", None),
    ]
    assert [budget.is_relative for budget in every] == [False, False, False, True]


def one(limit, more=""):
    return f"models:\n  - model: mixtral-8x7b\n{more}    limits:\n      {limit}\n"


@pytest.mark.parametrize(
    ("text", "line", "said", "hint"),
    [
        (one("totl: <= 5B"), 4, "unknown limit `totl`", "`total`"),
        (one("total: <= 5 GB"), 4, "this figure is in parameters", None),
        (one("weights: <= 5 GF"), 4, "this figure is in bytes", None),
        (one("total: {}"), 4, "neither `fail` nor `warn`", "<= 24 GiB"),
        (one("total: {fail: <= 5B, warn: <= 6B}"), 4, "`total` never warns", "stricter"),
        (one("total: {fial: <= 5B}"), 4, "unknown key `fial`", "fail"),
        (one("fits: 1xrtx-4090"), 4, "names no `data_version`", "data_version: 20"),
        (
            "data_version: 2026-01-01\n" + one("fits: local"),
            5,
            "does not depend on the machine",
            "1xrtx-4090",
        ),
        ("data_version: 2026-01-01\n" + one("fits: rtx-9999"), 5, "unknown accelerator", None),
        (
            "data_version: 2026-01-01\n" + one('decode tok/s: ">= 40"'),
            5,
            "needs devices",
            "decode tok/s@8xh100",
        ),
        (one("total: <= 5B", "    quant: q9\n"), 3, "unknown quantization `q9`", "moecalc formats"),
        (one("total: <= 5B", "    context: 0\n"), 3, "too few tokens", None),
        (one("total: <= 5B", "    batch: 0\n"), 3, "`models[0].batch`", None),
        (one("total: <= 5B", "    gpu: h1000\n"), 3, "unknown accelerator", None),
        (one("total: <= 5B", '    name: "a\\nb"\n'), 3, "`name` is 'a\\nb'", "one line"),
        (one("total: <= 5B", "    limit: 5\n"), 3, "unknown key `limit`", "limits"),
        ("data_version: banana\n" + one("fits: 8xh100"), 1, "`data_version` is `banana`", "this moecalc has"),
        (f"<<<<<<< HEAD\n{one('total: <= 5B')}", 2, "not YAML", "merge conflict"),
        (one("decode tok/s: >= 40"), 4, "not YAML", 'quote it, `">= 40"`'),
        ('models: [{model: "-", limits: {total: <= 5B}}]', 1, "standard input", "a file"),
        ("version: 2\n" + one("total: <= 5B"), 1, "`version` is 2", "version: 1"),
        ("runtime: 1 GF\n" + one("total: <= 5B"), 1, "is not a size", None),
        ("models: []\n", 1, "`models`", None),
        (
            one("total: <= 5B") + "  - model: mixtral-8x7b\n    limits: {total: <= 5B}\n",
            5,
            "stands twice",
            "`name`",
        ),
    ],
)
def test_refused_with_its_line(write, text, line, said, hint):
    path = write(text)
    with pytest.raises(InputError) as caught:
        read_budgets(path)
    error = caught.value
    assert said in error.message
    assert (error.file, error.line) == (str(path), line)
    assert hint is None or hint in error.hint


def test_toml_is_read_as_strictly(write):
    with pytest.raises(InputError, match="unknown limit `totl`") as caught:
        read_budgets(write(TOML.replace("total = 46", "totl = 46"), "pyproject.toml"))
    assert caught.value.line == 15
    with pytest.raises(InputError, match="unknown field `modle`"):
        read_budgets(write(TOML.replace('model = "./a', 'modle = "./a'), "pyproject.toml"))
    with pytest.raises(InputError, match="not TOML"):
        read_budgets(write("[tool.moecalc", "pyproject.toml"))
    with pytest.raises(InputError, match=r"no `\[tool.moecalc\]`"):
        read_budgets(write("[tool]\n", "pyproject.toml"))


def test_the_nearest_file_is_found(write, tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find_file(inner) is None
    outer = write(YAML)
    assert find_file(inner) == outer
    project = tmp_path / "a" / "pyproject.toml"
    project.write_text("[project]\nname = 'moecalc-user'\n")
    assert find_file(inner) == outer
    project.write_text(TOML)
    assert find_file(inner) == project
    own = inner / "moecalc.yml"
    own.write_text(YAML)
    assert find_file(inner) == own


def test_a_broken_project_of_somebody_else_is_passed_by(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[project\n")
    inner = tmp_path / "a"
    inner.mkdir()
    assert find_file(inner) is None
