"""Scratch repositories: one with a model and its budget, its clones, and a copy of this one as git would have it."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.api.test_checking import CONFIG
from tests.console import ROOT

BUDGET = "models:\n  - model: models/config.json\n    limits:\n      total: <= +5%\n"

PACKAGE = ("moecalc", "architectures", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
"""What a clone of this repository needs for pip to install it, and the hook."""


def git(folder: Path, *arguments: str) -> str:
    """A git command of nobody in particular; its output."""
    named = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", "-C", str(folder), *named, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def origin(folder: Path) -> Path:
    """A repository whose branch `change` has more experts than `main`."""
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "config.json").write_text(json.dumps(CONFIG))
    (folder / "moecalc.yaml").write_text(BUDGET)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "base")
    git(folder, "checkout", "-q", "-b", "change")
    (folder / "models" / "config.json").write_text(json.dumps({**CONFIG, "num_experts": 72}))
    git(folder, "commit", "-qam", "more experts")
    return folder


def shallow_clone(of: Path, to: Path) -> Path:
    """One commit of the branch `change`, as CI checks out."""
    git(of.parent, "clone", "-q", "--depth=1", "--branch=change", f"file://{of}", str(to))
    return to


def this_repository(folder: Path) -> Path:
    """The working tree's package as a commit of its own."""
    folder.mkdir(parents=True)
    for name in PACKAGE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-f", ".")
    git(folder, "commit", "-qm", "moecalc")
    return folder


def bash(script: str, cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A script as CI runs it: it ends at the first command that fails, in a pipe too."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=cwd,
        env={**kept, **pip, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
