"""docs/ci.md: its budget file is read, its GitLab job runs, its workflow and hook are those that exist."""

import re
import sys
import xml.etree.ElementTree as ET

import pytest
import yaml

from moecalc.api.claiming import claims_in
from moecalc.checks.budgets.file import read_budgets
from moecalc.checks.budgets.measure import FRIENDLY
from moecalc.cli.run import _FORMATS
from tests.ci.scratch import bash, git, origin, shallow_clone
from tests.console import ROOT

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))


def test_the_budget_file_is_one(tmp_path):
    path = tmp_path / "moecalc.yaml"
    path.write_text(BLOCKS["moecalc.yaml"])
    (model,) = read_budgets(path).models
    assert (model.name, len(model.budgets)) == ("chat", 9)


def test_every_friendly_name_and_format_is_on_the_page():
    prose = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
    known = set(re.findall(r"`([^`\n]+)`", prose))
    names = {name for name in FRIENDLY if name != "fits"} | set(_FORMATS)
    assert names - known == set()


def test_the_workflow_calls_the_action_with_inputs_that_it_has():
    (job,) = yaml.safe_load(BLOCKS[".github/workflows/models.yml"])["jobs"].values()
    step = job["steps"][-1]
    folder = re.fullmatch(r"OWNER/moecalc/(.+)@v[\d.]+", step["uses"])[1]
    action = yaml.safe_load((ROOT / folder / "action.yml").read_text(encoding="utf-8"))
    assert set(step["with"]) <= set(action["inputs"])


def test_the_hook_is_one_of_this_repository():
    (repository,) = yaml.safe_load(BLOCKS[".pre-commit-config.yaml"])["repos"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert {hook["id"] for hook in repository["hooks"]} == {hook["id"] for hook in hooks}


@pytest.fixture
def gitlab(tmp_path):
    """A job's folder: one commit of a merge request's branch, and a moecalc on the path."""
    checkout = shallow_clone(origin(tmp_path / "origin"), tmp_path / "checkout")
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "moecalc").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m moecalc "$@"\n')
    (bin_ / "moecalc").chmod(0o755)
    return checkout, bin_


def test_the_gitlab_job_runs(gitlab):
    checkout, bin_ = gitlab
    job = yaml.safe_load(BLOCKS[".gitlab-ci.yml"])["moecalc"]
    install, *script = job["script"]
    assert install.startswith("pip install")
    git(checkout, "checkout", "-q", "--detach")
    environment = {"CI": "true", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "PYTHONPATH": str(ROOT)}
    done = bash(f'PATH="{bin_}:$PATH"\n' + "\n".join(script), checkout, environment)
    assert done.returncode == 1, done.stderr
    report = ET.parse(checkout / job["artifacts"]["reports"]["junit"]).getroot()
    assert report.attrib["failures"] == "1"
    assert "num_experts 64 -> 72" in report[0][0][0].text


def test_the_claims_file_holds(tmp_path):
    path = tmp_path / "claims.yaml"
    path.write_text(BLOCKS["claims.yaml"])
    assert [one.exit_code(strict=True, require=True) for one in claims_in(path)] == [0, 0]
