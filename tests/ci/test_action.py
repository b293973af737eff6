"""The GitHub Action: its steps run one after another, with the variables that GitHub sets."""

import re
import sys
from pathlib import Path

import pytest
import yaml

from tests.ci.scratch import bash, git, origin, shallow_clone
from tests.console import ROOT

ACTION = ROOT / ".github" / "actions" / "check" / "action.yml"
EXPRESSION = re.compile(r"\$\{\{ *(?P<name>[^}]*?) *\}\}")


def steps():
    return yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]


def test_its_form_is_that_of_a_composite_action():
    """https://docs.github.com/en/actions/reference/metadata-syntax-for-github-actions."""
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    assert set(action) == {"name", "description", "inputs", "runs"}
    assert action["runs"]["using"] == "composite"
    for step in steps():
        assert set(step) <= {"name", "shell", "env", "working-directory", "run"}
        assert step["shell"] == "bash"
        # What others may write, a branch's name for one, reaches the shell as a variable and never as text.
        assert "${{" not in step["run"]
    # Defaults are read before the contexts that a step knows are there, `github.action_path` for one.
    assert not [name for name, given in action["inputs"].items() if "${{" in given["default"]]


def test_every_input_is_used_and_every_used_one_is_an_input():
    inputs = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"]
    used = set(re.findall(r"inputs\.([a-z-]+)", ACTION.read_text(encoding="utf-8")))
    assert used == set(inputs)


def run_step(step, inputs, cwd, environment):
    def value(text):
        return EXPRESSION.sub(lambda match: inputs[match["name"]], text)

    own = {name: value(text) for name, text in step.get("env", {}).items()}
    place = cwd / value(step.get("working-directory", "."))
    return bash(step["run"], place, {**environment, **own})


@pytest.fixture
def runner(tmp_path):
    """A checkout of one commit, the runner's variables, and a moecalc where the first step would install it."""
    checkout = shallow_clone(origin(tmp_path / "origin"), tmp_path / "checkout")
    bin_ = tmp_path / "temp" / "moecalc" / "bin"
    bin_.mkdir(parents=True)
    (bin_ / "moecalc").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m moecalc "$@"\n')
    (bin_ / "moecalc").chmod(0o755)
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(checkout),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "RUNNER_TEMP": str(tmp_path / "temp"),
        "PYTHONPATH": str(ROOT),
    }
    return checkout, environment


def inputs(**given):
    declared = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"]
    defaults = {name: its["default"] for name, its in declared.items()}
    chosen = {**defaults, **{name.replace("_", "-"): value for name, value in given.items()}}
    return {f"inputs.{name}": value for name, value in chosen.items()}


@pytest.mark.parametrize("given", [{"base": "origin/main"}, {}], ids=["named", "default"])
def test_a_pull_request_against_its_target_branch(runner, tmp_path, given):
    checkout, environment = runner
    if not given:
        environment = {**environment, "GITHUB_BASE_REF": "main"}
    _, fetch, check = steps()
    asked = inputs(**given)
    fetched = run_step(fetch, asked, checkout, environment)
    assert fetched.returncode == 0, fetched.stderr
    assert git(checkout, "rev-list", "--count", "origin/main") == "1"
    done = run_step(check, asked, checkout, environment)
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=moecalc.yaml,line=4,title=models/config.json%3A total::")
    assert "num_experts 64 -> 72" in done.stdout
    assert (
        Path(tmp_path, "summary.md")
        .read_text(encoding="utf-8")
        .startswith("**moecalc: of 1 budget, 1 failed")
    )


@pytest.mark.parametrize("name", ["tag", "commit"])
def test_a_tag_or_a_commit(runner, tmp_path, name):
    checkout, environment = runner
    git(tmp_path / "origin", "tag", "v1", "main")
    base = {"tag": "v1", "commit": git(tmp_path / "origin", "rev-parse", "main")}[name]
    _, fetch, check = steps()
    fetched = run_step(fetch, inputs(base=base), checkout, environment)
    assert fetched.returncode == 0, fetched.stderr
    assert "num_experts 64 -> 72" in run_step(check, inputs(base=base), checkout, environment).stdout


def test_without_a_base_nothing_is_fetched_and_a_relative_limit_is_refused(runner):
    checkout, environment = runner
    _, fetch, check = steps()
    fetched = run_step(fetch, inputs(), checkout, {**environment, "GITHUB_BASE_REF": ""})
    assert (fetched.returncode, fetched.stderr) == (0, "")
    done = run_step(check, inputs(), checkout, environment)
    assert done.returncode == 2
    assert "limited against a base" in done.stderr


def test_a_base_that_is_not_there_fails_the_step(runner):
    checkout, environment = runner
    _, fetch, _ = steps()
    assert run_step(fetch, inputs(base="origin/nothing"), checkout, environment).returncode != 0


@pytest.mark.parametrize(
    "hostile", ["$(touch owned)", "main; touch owned", "--upload-pack=touch owned", "`touch owned`"]
)
def test_a_branch_is_a_name_and_no_command(runner, hostile):
    checkout, environment = runner
    _, fetch, check = steps()
    for step in (fetch, check):
        assert run_step(step, inputs(base=hostile, config=hostile), checkout, environment).returncode != 0
    assert not list(checkout.rglob("owned"))


def test_a_file_of_its_own_and_a_folder(runner):
    checkout, environment = runner
    (checkout / "models" / "own.yaml").write_text("models: [{model: config.json, limits: {total: <= 1T}}]")
    _, _, check = steps()
    done = run_step(check, inputs(config="own.yaml", working_directory="models"), checkout, environment)
    assert (done.returncode, "PASS" in done.stdout) == (0, True), done.stderr


@pytest.mark.slow
def test_the_first_step_installs_what_the_others_run(runner, tmp_path):
    checkout, environment = runner
    environment = {
        **environment,
        "RUNNER_TEMP": str(tmp_path / "empty"),
        "GITHUB_ACTION_PATH": str(ACTION.parent),
    }
    del environment["PYTHONPATH"]
    for step in steps():
        done = run_step(step, inputs(base="origin/main"), checkout, environment)
        if done.returncode:
            break
    assert step["name"] == "Check", done.stderr
    assert (done.returncode, done.stdout[:8]) == (1, "::error ")
