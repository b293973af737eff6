"""The pre-commit hook: installed by pre-commit from this working tree, and run on a scratch repository."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from tests.api.test_checking import CONFIG
from tests.ci.scratch import git, origin, this_repository

pytestmark = pytest.mark.slow


def commit(folder, home):
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "PYTHON"))
    }
    named = {
        "GIT_AUTHOR_NAME": "nobody",
        "GIT_AUTHOR_EMAIL": "nobody@localhost",
        "GIT_COMMITTER_NAME": "nobody",
        "GIT_COMMITTER_EMAIL": "nobody@localhost",
        "PRE_COMMIT_HOME": str(home),
    }
    return subprocess.run(
        ["git", "-C", str(folder), "commit", "-am", "try"],
        env={**environment, **named},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def test_a_commit_is_refused_and_another_goes_through(tmp_path):
    moecalc = this_repository(tmp_path / "moecalc")
    folder = origin(tmp_path / "project")
    hook = {"id": "moecalc-check", "args": ["--base", "main"]}
    config = {
        "repos": [{"repo": f"file://{moecalc}", "rev": git(moecalc, "rev-parse", "HEAD"), "hooks": [hook]}]
    }
    (folder / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "hooks")
    subprocess.run(
        [sys.executable, "-m", "pre_commit", "install"], cwd=folder, check=True, capture_output=True
    )

    (folder / "models" / "config.json").write_text(json.dumps({**CONFIG, "num_experts": 80}))
    refused = commit(folder, tmp_path / "home")
    assert refused.returncode == 1, refused.stderr
    assert "num_experts 64 -> 80" in refused.stdout + refused.stderr

    (folder / "models" / "config.json").write_text(json.dumps({**CONFIG, "num_experts": 65}))
    taken = commit(folder, tmp_path / "home")
    assert taken.returncode == 0, taken.stdout + taken.stderr
    assert "moecalc check" in taken.stdout + taken.stderr
    assert "Passed" in taken.stdout + taken.stderr
