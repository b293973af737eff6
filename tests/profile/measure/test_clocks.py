"""The clock of a GPU: asked of a stand-in for the driver's tool, which a device's steps go on beside."""

import os
from types import SimpleNamespace

import pytest
import torch

from moecalc.profile.measure.clocks import NO_CLOCKS, Clocks, clocks_under, slowest
from moecalc.profile.measure.device import describe_device
from moecalc.render.profile import clock_words

GPU_1 = torch.device("cuda", 1)


class NVMLError(Exception):
    """As NVIDIA's library for Python has it: no RuntimeError."""


def torch_with(clock_rate, uuid: str = "11111111-2222"):
    cuda = SimpleNamespace(
        get_device_properties=lambda device: SimpleNamespace(uuid=uuid),
        synchronize=lambda device: None,
        clock_rate=clock_rate,
    )
    return SimpleNamespace(cuda=cuda)


def refuse(_: object) -> int:
    raise NVMLError("Insufficient Permissions")


def never(_: object) -> int:
    raise AssertionError("the tool has answered")


@pytest.fixture
def tool(tmp_path, monkeypatch):
    def write(script: str) -> None:
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return write


def test_steps_run_until_the_driver_has_answered_for_the_gpu_by_its_id(tool, tmp_path):
    tool(f'echo "$@" > {tmp_path}/words; sleep 0.2; echo "1755, 1980"')
    steps: list[int] = []
    seen = clocks_under(torch_with(never), GPU_1, lambda: steps.append(1))
    assert seen == Clocks(1755, 1980)
    assert len(steps) > 1
    assert "--id=GPU-11111111-2222 --query-gpu=clocks.sm,clocks.max.sm" in (tmp_path / "words").read_text()


@pytest.mark.parametrize(
    "script",
    [
        "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
        "echo 'No devices were found'; exit 6",
        "echo '[N/A], [N/A]'",
        "echo 'Insufficient Permissions'",
        "exit 0",
    ],
)
def test_a_driver_that_refuses_leaves_the_clock_unknown(tool, script):
    tool(script)
    assert clocks_under(torch_with(refuse), GPU_1, lambda: None) == NO_CLOCKS


def test_a_tool_that_hangs_is_ended(tool, monkeypatch):
    monkeypatch.setattr("moecalc.profile.measure.clocks.LIMIT_SECONDS", 0.2)
    tool("exec sleep 60")
    assert clocks_under(torch_with(refuse), GPU_1, lambda: None) == NO_CLOCKS


def test_without_the_tool_the_library_is_asked_behind_a_step(monkeypatch):
    monkeypatch.setenv("PATH", "")
    order: list[str] = []
    found = clocks_under(
        torch_with(lambda device: (order.append(f"clock of {device}"), 1410)[1]),
        GPU_1,
        lambda: order.append("step"),
    )
    assert found == Clocks(1410, None)
    assert order == ["step", "clock of cuda:1"]


def test_of_several_steps_the_slowest_is_kept():
    assert slowest([Clocks(1755, 1980), NO_CLOCKS, Clocks(1320, 1980)]) == Clocks(1320, 1980)
    assert slowest([]) == NO_CLOCKS


def test_the_device_says_its_clock_or_that_nobody_does(tool, monkeypatch):
    tool("echo 570.86")
    properties = SimpleNamespace(name="NVIDIA H100", total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    known = describe_device(GPU_1, Clocks(1755, 1980))
    assert (known.driver, known.clock_mhz, known.clock_max_mhz) == ("570.86", 1755, 1980)
    assert clock_words(known) == "1,755 MHz of at most 1,980 under load"
    assert clock_words(describe_device(GPU_1)) == "clock unknown"
    assert clock_words(describe_device(torch.device("cpu"))) == ""
