"""Files of a git revision, read without a checkout."""

import subprocess
from pathlib import Path

import pytest

from moecalc.errors import InputError, UndeterminedError
from moecalc.sources.revision import Revision


def git(folder, *arguments):
    named = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(folder), *named, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "repository"
    (folder / "models" / "a b").mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "models" / "a b" / "config.json").write_bytes(b"old\r\n\x00\xff")
    (folder / "models" / "empty").write_bytes(b"")
    (folder / "models" / "link").symlink_to("a b/config.json")
    (folder / "models" / "dangling").symlink_to("nowhere")
    (folder / "models" / "outside").symlink_to("/etc/hostname")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "old")
    git(folder, "tag", "v1")
    (folder / "models" / "a b" / "config.json").write_text("new")
    git(folder, "commit", "-qam", "new")
    (folder / "models" / "a b" / "config.json").write_text("not committed")
    return folder


def test_contents_to_the_byte_in_one_go(repository):
    found = Revision("v1", repository).read(
        [
            "models/nothing",
            "models/a b/config.json",
            "models/empty",
            "models/a b",
            "models/link",
            "models/dangling",
            "models/outside",
            "models/new\nline",
            "models/empty",
        ]
    )
    old = b"old\r\n\x00\xff"
    assert found == {"models/a b/config.json": old, "models/empty": b"", "models/link": old}
    assert Revision("main", repository).read(["models/a b/config.json"]) == {"models/a b/config.json": b"new"}
    assert Revision("HEAD~1", repository).read([]) == {}


def test_nothing_is_checked_out(repository):
    Revision("v1", repository).read(["models/a b/config.json"])
    assert (repository / "models" / "a b" / "config.json").read_text() == "not committed"


@pytest.mark.parametrize("inside", [".", "models", "models/a b"])
def test_paths_are_found_from_any_folder(repository, inside):
    revision = Revision("main", repository / inside)
    assert revision.path_of(repository / "models" / "a b" / "config.json") == "models/a b/config.json"
    assert revision.path_of(repository / inside / ".." / "x") in {None, "x", "models/x"}
    assert revision.path_of(repository.parent / "elsewhere") is None


def test_relative_paths(repository, monkeypatch):
    monkeypatch.chdir(repository / "models")
    assert Revision("main", Path()).path_of(Path("link")) == "models/link"


@pytest.mark.parametrize(
    "name", ["nothing", "v2", "--help", "-v", "", " ", "main:models", "a\nb", "main^{tree}x"]
)
def test_no_revision(repository, name):
    with pytest.raises(InputError, match="revision") as caught:
        Revision(name, repository)
    assert caught.value.hint


def test_no_repository(tmp_path):
    with pytest.raises(InputError, match="git cannot read"):
        Revision("main", tmp_path)


def test_no_git(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UndeterminedError, match="git is not installed"):
        Revision("main", repository)


@pytest.mark.parametrize("inside", [".", "models", "models/a b"])
def test_what_git_sees_renamed_is_told_from_the_root(repository, inside):
    long = "\n".join(map(str, range(100)))
    (repository / "models" / "täst.json").write_text(long)
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "long")
    assert Revision("main", repository / inside).renamed == {}
    git(repository, "mv", "models/täst.json", "other.json")
    (repository / "other.json").write_text(long + "\nmore")
    git(repository, "config", "diff.relative", "true")
    revision = Revision("main", repository / inside)
    assert revision.renamed == {"other.json": "models/täst.json"}
    assert revision.root == repository.resolve()


@pytest.mark.parametrize("inside", [".", "models"])
def test_what_a_hook_is_told_of_its_repository_changes_nothing(repository, monkeypatch, inside):
    """In a worktree `git commit` gives hooks its GIT_DIR, under which every folder looks like the root."""
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    monkeypatch.setenv("GIT_PREFIX", "models/")
    monkeypatch.chdir(repository)
    revision = Revision("main", Path(inside))
    assert revision.path_of(Path("models/empty")) == "models/empty"
    assert revision.read(["models/empty"]) == {"models/empty": b""}
