"""`moecalc check` and `moecalc diff` as processes: formats, exit codes, the short way, `--init`."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import jsonschema
import pytest

from moecalc import strict_yaml
from tests.api.test_checking import CONFIG, git
from tests.cli.test_short_way import SLOW, imported_by
from tests.console import ROOT, run
from tests.regenerate import budget_schema_text, check_schema_text

BUDGETS = """\
models:
  - model: models/config.json
    name: "a <b> & |c|"
    limits:
      total: <= +5%
      active: {warn: <= +0%}
      kv/token: <= 1 KiB
  - model: gpt-4
    limits:
      state: <= 1 GiB
  - model: models/new.json
    limits:
      total: <= +0%
"""


@pytest.fixture
def repository(tmp_path):
    """A failure, a warning, a limit kept, one that cannot be judged, and a new model: against HEAD."""
    (tmp_path / "models").mkdir()
    config = tmp_path / "models" / "config.json"
    config.write_text(json.dumps(CONFIG))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "base")
    config.write_text(json.dumps({**CONFIG, "num_experts": 72, "num_experts_per_tok": 9}))
    (tmp_path / "models" / "new.json").write_text(json.dumps(CONFIG))
    (tmp_path / "moecalc.yaml").write_text(BUDGETS)
    return tmp_path


def check(folder, *options, **environment):
    return subprocess.run(
        [sys.executable, "-m", "moecalc", "check", *options],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120", **environment},
        check=False,
    )


def test_text(repository):
    done = check(repository, "--base", "HEAD")
    assert done.returncode == 1
    assert done.stderr == (
        "error: of 5 budgets, 1 failed, 1 could not be determined, 1 warned, 1 new since the base\n"
    )
    marks = re.findall(r"^(FAIL|UNKNOWN|WARN|NEW|PASS) +(\S+)", done.stdout, re.MULTILINE)
    assert marks == [
        ("FAIL", "total"),
        ("WARN", "active"),
        ("PASS", "kv/token"),
        ("UNKNOWN", "state"),
        ("NEW", "total"),
    ]
    assert "since HEAD" in done.stdout
    assert "num_experts 64 -> 72: +" in done.stdout
    assert "moecalc.yaml:5" in done.stdout


@pytest.mark.parametrize("columns", ["40", "60", "200"])
def test_lines_keep_to_the_columns_where_words_allow(repository, columns):
    done = check(repository, "--base", "HEAD", COLUMNS=columns)
    table = re.compile(r"^(FAIL|UNKNOWN|WARN|NEW|PASS) ")
    prose = [line for line in done.stdout.splitlines() if not table.match(line)]
    # What is under a limit starts where the limit does, and has 30 columns at the least.
    assert max(map(len, prose)) <= max(int(columns), 19 + 30)
    assert len(prose) > 10


def test_rounded_strings_that_collide_are_told_exactly(tmp_path):
    (tmp_path / "moecalc.yaml").write_text("models: [{model: mixtral-8x7b, limits: {total: <= 46702792703}}]")
    done = check(tmp_path)
    assert "46,702,792,704 parameters > 46,702,792,703 parameters by 1 parameter " in done.stdout


def test_json_satisfies_its_schema_and_says_the_same(repository):
    done = check(repository, "--base", "HEAD", "--format", "json")
    answer = json.loads(done.stdout)
    jsonschema.Draft202012Validator(json.loads(check_schema_text())).validate(answer)
    assert answer["exit_code"] == done.returncode == 1
    statuses = [budget["status"] for model in answer["models"] for budget in model["budgets"]]
    assert statuses == ["fail", "warn", "pass", "undetermined", "new"]


def test_github_annotations_and_step_summary(repository):
    summary = repository / "summary.md"
    summary.write_text("before\n")
    done = check(
        repository / "models",
        "--base=HEAD",
        "--format=github",
        GITHUB_STEP_SUMMARY=str(summary),
        GITHUB_WORKSPACE=str(repository),
    )
    commands = [line for line in done.stdout.splitlines() if line.startswith("::")]
    pattern = re.compile(
        r"::(?P<level>\w+) file=moecalc\.yaml,line=(?P<line>\d+),title=(?P<title>[^:,]*)::(?P<text>.+)"
    )
    found = [pattern.fullmatch(command) for command in commands]
    assert [(one["level"], one["line"]) for one in found] == [
        ("error", "5"),
        ("warning", "6"),
        ("error", "10"),
        ("notice", "13"),
    ]
    assert found[0]["title"] == "a <b> & |c|%3A total"
    assert "%0Asince HEAD +" in found[0]["text"]
    assert "5%25" in found[0]["text"]
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("before\n**moecalc: of 5 budgets, 1 failed")
    assert "a &lt;b&gt; & \\|c\\|" in text


def test_github_has_the_place_of_what_is_wrong_with_the_file(repository):
    (repository / "moecalc.yaml").write_text(BUDGETS.replace("kv/token", "kv/tokn"))
    done = check(repository, "--format", "github")
    assert done.returncode == 2
    assert done.stdout == (
        "::error file=moecalc.yaml,line=7,title=moecalc::unknown limit `kv/tokn`%0Adid you mean `kv/token`?\n"
    )
    assert done.stderr.startswith("error: moecalc.yaml:7: unknown limit `kv/tokn`")


def test_github_is_told_of_an_error_that_has_no_place(repository):
    done = check(repository, "--base", "nothing", "--format", "github")
    assert done.returncode == 2
    assert done.stdout.startswith("::error title=moecalc::git knows no revision `nothing` here%0A")


def test_sarif_has_its_paths_as_uris(repository):
    (repository / "my models.yaml").write_text("models: [{model: mixtral-8x7b, limits: {total: <= 1B}}]")
    done = check(repository, "-c", "my models.yaml", "--format", "sarif")
    (result,) = json.loads(done.stdout)["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "my%20models.yaml"


def test_junit(repository):
    done = check(repository, "--base", "HEAD", "--format", "junit")
    root = ET.fromstring(done.stdout)
    assert (root.tag, root.attrib["tests"], root.attrib["failures"], root.attrib["errors"]) == (
        "testsuites",
        "5",
        "1",
        "1",
    )
    cases = [(suite.attrib["name"], case.attrib["name"], case[0].tag) for suite in root for case in suite]
    assert cases == [
        ("a <b> & |c|", "total", "failure"),
        ("a <b> & |c|", "active", "system-out"),
        ("a <b> & |c|", "kv/token", "system-out"),
        ("gpt-4", "state", "error"),
        ("models/new.json", "total", "system-out"),
    ]
    assert "num_experts 64 -> 72" in root[0][0][0].text


def test_sarif(repository):
    """What SARIF 2.1.0 requires: 3.13 the log, 3.14 a run, 3.18 to 3.19 its tool, 3.27 a result, 3.28 its place."""
    done = check(repository, "--base", "HEAD", "--format", "sarif", GITHUB_WORKSPACE=str(repository.parent))
    log = json.loads(done.stdout)
    assert log["version"] == "2.1.0"
    (found,) = log["runs"]
    driver = found["tool"]["driver"]
    assert driver["name"] == "moecalc"
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    assert [result["level"] for result in found["results"]] == ["error", "warning", "error", "note"]
    for result in found["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"]
        assert result["message"]["text"]
        (place,) = result["locations"]
        physical = place["physicalLocation"]
        assert physical["artifactLocation"]["uri"] == f"{repository.name}/moecalc.yaml"
        assert physical["region"]["startLine"] >= 1
    assert found["invocations"] == [{"executionSuccessful": False, "exitCode": 1}]
    assert len({result["partialFingerprints"]["budget/v1"] for result in found["results"]}) == 4


def test_markdown(repository):
    done = check(repository, "--base", "HEAD", "--format", "markdown")
    table = [line for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 5
    # A bar that is escaped ends no cell.
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {6}


def test_exit_codes(tmp_path):
    def code(limits, model="mixtral-8x7b"):
        (tmp_path / "moecalc.yaml").write_text(json.dumps({"models": [{"model": model, "limits": limits}]}))
        return check(tmp_path).returncode

    assert code({"total": "<= 1T"}) == 0
    assert code({"total": {"warn": "<= 1B"}}) == 0
    assert code({"total": "<= 1B"}) == 1
    assert code({"totl": "<= 1B"}) == 2
    assert code({"total": "<= 1B"}, "nobody") == 2
    assert code({"state": "<= 1 GiB"}, "gpt-4") == 3


def test_a_hub_that_is_away_fails_closed_and_says_so_of_that_model_alone(tmp_path):
    models = [
        {"model": "nobody-here/nothing-there", "limits": {"total": "<= 1T"}},
        {"model": "mixtral-8x7b", "limits": {"total": "<= 1T"}},
    ]
    (tmp_path / "moecalc.yaml").write_text(json.dumps({"models": models}))
    done = check(tmp_path, HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "home"))
    assert done.returncode == 3
    assert re.findall(r"^(UNKNOWN|PASS)", done.stdout, re.MULTILINE) == ["UNKNOWN", "PASS"]


@pytest.mark.parametrize("option", [[], ["--base", "HEAD"], ["--base", "HEAD", "--format", "markdown"]])
def test_both_ways_say_the_same(repository, option):
    short = check(repository, *option)
    long = through_typer(repository, *option)
    assert (short.stdout, short.stderr, short.returncode) == (long.stdout, long.stderr, long.returncode)


def through_typer(folder, *options):
    command = ["check", *options]
    code = (
        "import sys; from moecalc.cli import run; run._answered = lambda _: False; "
        f"sys.exit(run.run({command!r}))"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        check=False,
    )


def test_only_what_the_answer_needs_is_imported(repository):
    command = ["check", "-c", str(repository / "moecalc.yaml"), "--base", "HEAD"]
    code = f"from moecalc.cli.run import run; run({command!r})"
    # Configs are JSON; pkgutil, which finds the readers of model types, imports inspect.
    assert not imported_by(code) & (SLOW - {"json", "inspect"})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "xml"], "xml"),
        (["--base"], "--base"),
        (["-c", "nothing.yaml"], "no such file: `nothing.yaml`"),
        (["mixtral-8x7b"], "what is checked stands in the budget file"),
        (["--init", "--base", "HEAD"], "writes a file and checks nothing"),
        (["--base", "x", "--base", "HEAD", "--nothing"], "--nothing"),
    ],
)
def test_bad_usage(repository, options, said):
    done = check(repository, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_init_writes_a_file_that_is_kept_and_valid(repository):
    (repository / "moecalc.yaml").unlink()
    done = check(repository, "--init", "models/config.json", "mixtral-8x7b", "gpt-4")
    assert done.returncode == 0, done.stderr
    path = repository / "moecalc.yaml"
    text = path.read_text(encoding="utf-8")
    assert "# " in text
    data = strict_yaml.load(path).data
    jsonschema.Draft202012Validator(json.loads(budget_schema_text())).validate(data)
    assert [entry["model"] for entry in data["models"]] == ["models/config.json", "mixtral-8x7b", "gpt-4"]
    assert data["models"][1]["limits"]["total"] == "<= 46,702,792,704"
    kept = check(repository)
    assert kept.returncode in {0, 3}
    assert "FAIL" not in kept.stdout
    (repository / "models" / "config.json").write_text(json.dumps({**CONFIG, "num_experts": 73}))
    assert check(repository).returncode == 1
    again = check(repository, "--init", "mixtral-8x7b")
    assert again.returncode == 2
    assert "not overwritten" in again.stderr
    assert path.read_text(encoding="utf-8") == text


def test_init_finds_configs(repository):
    (repository / "moecalc.yaml").unlink()
    for place in ("node_modules", ".hidden", "deep/er"):
        (repository / place).mkdir(parents=True)
        (repository / place / "config.json").write_text(json.dumps(CONFIG))
    (repository / "config.json").write_text('{"compilerOptions": {}}')
    assert check(repository, "--init", "-c", "deep/budgets.yaml").returncode == 0
    data = strict_yaml.load(repository / "deep" / "budgets.yaml").data
    assert [entry["model"] for entry in data["models"]] == ["er/config.json"]
    assert check(repository, "--init").returncode == 0
    data = strict_yaml.load(repository / "moecalc.yaml").data
    assert [entry["model"] for entry in data["models"]] == ["deep/er/config.json", "models/config.json"]
    assert check(repository).returncode == 0


def test_init_with_nothing_to_limit(tmp_path):
    done = check(tmp_path, "--init")
    assert done.returncode == 2
    assert "no config.json is found here" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_diff_exit_codes_and_formats(repository):
    same = run("moecalc diff mixtral-8x7b mixtral --exit-code", cwd=repository)
    assert (same.returncode, same.stdout.splitlines()[-1]) == (0, "no difference")
    command = "moecalc diff git:HEAD:models models/config.json"
    assert run(command, cwd=repository).returncode == 0
    done = run(f"{command} --exit-code", cwd=repository)
    assert done.returncode == 1
    assert "num_experts 64 -> 72" in done.stdout
    answer = json.loads(run(f"{command} --json", cwd=repository).stdout)
    assert [one["change"] for one in answer["changes"]] == [
        "num_experts 64 -> 72",
        "num_experts_per_tok 8 -> 9",
    ]
    table = [
        line for line in run(f"{command} --markdown", cwd=repository).stdout.splitlines() if "num_exp" in line
    ]
    assert len(table) == 2
    assert run("moecalc diff mixtral-8x7b nobody", cwd=repository).returncode == 2
