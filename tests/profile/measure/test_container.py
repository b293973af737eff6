"""Limits of control groups, in folders as Linux lays them out."""

import pytest

from moecalc.profile.measure import container

MIB = 2**20


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


@pytest.fixture
def laid_out(monkeypatch, tmp_path):
    monkeypatch.setattr(container, "ROOT", tmp_path / "fs")
    monkeypatch.setattr(container, "OWN", tmp_path / "own")
    return lambda own, files: write(
        tmp_path, {"own": own, **{f"fs/{name}": text for name, text in files.items()}}
    )


SECOND = {
    "memory.max": "max\n",
    "memory.current": "1\n",
    "a/memory.max": f"{100 * MIB}\n",
    "a/memory.current": f"{90 * MIB}\n",
    "a/memory.stat": f"anon 5\ninactive_file {30 * MIB}\n",
    "a/b/memory.max": f"{80 * MIB}\n",
    "a/b/memory.current": f"{20 * MIB}\n",
}


def test_the_tightest_of_all_groups_above_counts(laid_out):
    laid_out("0::/a/b\n", SECOND)
    assert container.allowed_bytes() == 80 * MIB
    assert container.free_in_container() == 40 * MIB  # of `a`: 100 - (90 - 30), less than the 60 of `a/b`


def test_the_path_outside_of_a_container_is_passed_over(laid_out):
    laid_out("0::/docker/1f2e\n", {"memory.max": f"{64 * MIB}", "memory.current": f"{70 * MIB}"})
    assert container.allowed_bytes() == 64 * MIB
    assert container.free_in_container() == 0


def test_the_first_version(laid_out):
    files = {
        "memory/x/memory.limit_in_bytes": f"{50 * MIB}",
        "memory/x/memory.usage_in_bytes": f"{10 * MIB}",
        "memory/x/memory.stat": f"total_inactive_file {4 * MIB}",
    }
    laid_out("12:cpu,cpuacct:/x\n4:memory:/x\n", files)
    assert (container.allowed_bytes(), container.free_in_container()) == (50 * MIB, 44 * MIB)


@pytest.mark.parametrize("own", ["0::/\n", "", "nonsense\n"])
def test_no_limit(laid_out, own):
    laid_out(own, {"memory.max": "max\n", "memory.current": "5\n"})
    assert (container.allowed_bytes(), container.free_in_container()) == (None, None)


def test_no_control_groups_at_all(monkeypatch, tmp_path):
    monkeypatch.setattr(container, "OWN", tmp_path / "none")
    assert container.free_in_container() is None
