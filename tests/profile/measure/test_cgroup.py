"""Limits of containers: folders as Linux shows them, of both versions."""

from pathlib import Path

import pytest
import torch

from moecalc.errors import InputError
from moecalc.profile.measure import cgroup
from moecalc.profile.measure import device as devices
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.profiling import profile
from tests.profile.measure.models import DENSE, model

NO_LIMIT_1 = 9223372036854771712
"""What version 1 says of a group without a limit."""


def write(folder: Path, limit: object, used: int, cached: int, *, version: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = (
        ("memory.max", "memory.current")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    entry = "inactive_file" if version == 2 else "total_inactive_file"
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 7\nactive_file 9\n{entry} {cached}\n")


def left(tmp_path: Path, groups: str) -> int | None:
    file = tmp_path / "groups"
    file.write_text(groups)
    return cgroup.memory_left(file, tmp_path / "sys")


def test_version_2_in_a_container_that_sees_its_group_as_the_root(tmp_path):
    write(tmp_path / "sys", 4000, 1500, 500)
    assert left(tmp_path, "0::/\n") == 4000 - 1500 + 500


def test_the_tightest_of_the_groups_above_counts(tmp_path):
    write(tmp_path / "sys" / "slurm" / "job", 9000, 1000, 0)
    write(tmp_path / "sys" / "slurm", 5000, 4000, 100)
    assert left(tmp_path, "0::/slurm/job/step_0\n") == 1100


def test_version_1_goes_by_its_own_folder_beside_other_controllers(tmp_path):
    write(tmp_path / "sys" / "memory" / "docker" / "abc", 3000, 2000, 250, version=1)
    write(tmp_path / "sys" / "memory", NO_LIMIT_1, 2000, 0, version=1)
    assert left(tmp_path, "9:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n") == 1250


def test_a_group_that_the_container_does_not_see_leaves_the_root(tmp_path):
    write(tmp_path / "sys" / "memory", 800, 300, 0, version=1)
    assert left(tmp_path, "4:memory:/kubepods/pod1/abc\n") == 500


@pytest.mark.parametrize("groups", ["", "nonsense\n", "0::/\n", "0::/../../other\n", "1:name=systemd:/\n"])
def test_without_a_limit_nothing_is_said(tmp_path, groups):
    write(tmp_path / "sys", "max", 1500, 500)
    assert left(tmp_path, groups) is None


def test_a_limit_that_is_used_up_leaves_nothing(tmp_path):
    write(tmp_path / "sys", 1000, 1200, 0)
    assert left(tmp_path, "0::/\n") == 0


def test_what_does_not_fit_the_limit_is_refused_though_the_machine_has_it(monkeypatch):
    monkeypatch.setattr(devices, "memory_left", lambda: 64 * 2**20)
    assert devices.free_bytes(torch.device("cpu")) == 64 * 2**20
    with pytest.raises(InputError, match=r"64\.0 MiB are free"):
        profile(
            model(DENSE), Asked(cpu=True, prompt=8, context=64, batches=(10**6,), layers="all", dtype="fp32")
        )


def test_a_limit_beyond_what_is_free_changes_nothing(monkeypatch):
    monkeypatch.setattr(devices, "memory_left", lambda: NO_LIMIT_1)
    assert 0 < devices.free_bytes(torch.device("cpu")) < 2**50
