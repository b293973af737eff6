"""The device that is chosen and what is said of it, on a torch that pretends to have GPUs."""

from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import torch

from moecalc.errors import InputError
from moecalc.profile.measure import device, driver
from moecalc.profile.measure.driver import Told, parsed
from moecalc.render.profile import conditions
from moecalc.specs.runs import read

RUNS = Path(__file__).parents[2] / "validation" / "runs"


@pytest.fixture
def two_gpus(monkeypatch):
    current: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    return current


@pytest.mark.parametrize("asked", [None, 0, 1])
def test_the_chosen_gpu_becomes_the_current_one(two_gpus, asked):
    assert device.choose_device(asked, cpu=False) == torch.device("cuda", asked or 0)
    assert two_gpus == [asked or 0]


def test_a_gpu_that_is_not_there(two_gpus):
    with pytest.raises(InputError, match="no GPU 2: torch sees 2") as caught:
        device.choose_device(2, cpu=False)
    assert "--gpu 1" in str(caught.value.hint)
    assert two_gpus == []


def test_free_memory_has_what_torch_holds_in_reserve(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (3000, 80_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 900)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 500)
    assert device.free_bytes(torch.device("cuda", 1)) == 3400


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("575.57.08, 1980, 1980\n", Told("575.57.08", 1980, 1980)),
        ("575.57.08, [N/A], [Not Supported]\n", Told("575.57.08")),
        ("[Insufficient Permissions], 1200, 1980", Told(None, 1200, 1980)),
        ("No devices were found\n", Told()),
        ("", Told()),
    ],
)
def test_what_the_drivers_tool_says(said, told):
    assert parsed(said) == told


@pytest.fixture
def tool(monkeypatch, tmp_path):
    """Has a script stand for the driver's tool."""
    monkeypatch.setattr(driver, "SIDE", 8)

    def written(script: str) -> None:
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(driver.shutil, "which", lambda _: str(path))

    return written


def pretended(multiplied: list[int], **properties: str) -> SimpleNamespace:
    """A torch whose GPU is this processor."""
    return SimpleNamespace(
        cuda=SimpleNamespace(
            get_device_properties=lambda _: SimpleNamespace(**properties), synchronize=lambda _: None
        ),
        randn=torch.randn,
        empty_like=torch.empty_like,
        mm=lambda *_, **__: multiplied.append(1),
        float16=torch.float16,
    )


def test_the_clock_is_that_of_the_gpu_while_it_is_busy(tool):
    multiplied: list[int] = []
    tool('[ "$1" = "--id=GPU-1f2e3d4c" ] && sleep 0.2 && echo "575.57.08, 1755, 1980"')
    told = driver.ask_while_busy(pretended(multiplied, uuid="1f2e3d4c"), "cpu")
    assert told == Told("575.57.08", 1755, 1980)
    assert multiplied


@pytest.mark.parametrize("script", ["echo refused >&2; exit 9", "exec sleep 30"])
def test_a_tool_that_fails_or_hangs_tells_nothing(tool, monkeypatch, script):
    monkeypatch.setattr(driver, "LIMIT_SECONDS", 0.2)
    tool(script)
    assert driver.ask_while_busy(pretended([], uuid="1f2e3d4c"), "cpu") == Told()


def test_a_gpu_without_an_identity_is_not_asked_for(tool):
    tool("echo 575.57.08, 1755, 1980")
    assert driver.ask_while_busy(pretended([]), "cpu") == Told()


def test_conditions_say_how_fast_the_clock_was_beside_how_fast_it_can_be():
    run = read(RUNS / "cpu-gpt2.json")
    clocked = msgspec.structs.replace(run.device, clock_mhz=1755, max_clock_mhz=1980)
    assert "1,755 of 1,980 MHz while busy" in conditions(msgspec.structs.replace(run, device=clocked))
    assert "MHz" not in conditions(run)
