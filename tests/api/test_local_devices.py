"""`--gpu local` with an nvidia-smi of our own on PATH, and a fake torch."""

import sys
from types import SimpleNamespace

import pytest

from moecalc.api import local_devices
from moecalc.api.fleets import fleet_of
from moecalc.errors import InputError, UndeterminedError
from moecalc.specs.hardware import accelerator

H100 = "{index}, GPU-{index}a1, NVIDIA H100 80GB HBM3, 81559, {free}"


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setitem(sys.modules, "torch", fake_torch([]))


@pytest.fixture
def nvidia_smi(tmp_path):
    """Put a command on PATH that prints lines, or does what the script says."""

    def make(*lines, script=None):
        said = "\n".join(lines)
        command = tmp_path / "nvidia-smi"
        command.write_text(f"#!/bin/sh\n{script or f'/bin/cat <<EOF{chr(10)}{said}{chr(10)}EOF'}\n")
        command.chmod(0o755)

    return make


def fake_torch(devices):
    cuda = SimpleNamespace(
        is_available=lambda: bool(devices),
        device_count=lambda: len(devices),
        mem_get_info=lambda device: devices[device][1:],
        get_device_name=lambda device: devices[device][0],
    )
    return SimpleNamespace(cuda=cuda)


def test_eight_equal_gpus_are_one_group(nvidia_smi):
    nvidia_smi(*(H100.format(index=index, free=81000 - index) for index in range(8)))
    found = fleet_of("local")
    assert found.describe() == "8x h100-sxm"
    (group,) = found.groups
    assert group.device.memory.free.bytes == 80_993 * 2**20  # the fullest of them
    assert group.device.usable_bytes().note.endswith("; 80993 MiB are free now")
    assert group.device.memory.driver.bytes == 81_559 * 2**20
    assert group.device.memory.driver.source == "nvidia-smi on this machine"
    assert group.device.bandwidth == accelerator("h100").bandwidth
    assert found.host.ram.bytes > 2**30


def test_unequal_gpus(nvidia_smi):
    nvidia_smi(
        "0, GPU-1, NVIDIA GeForce RTX 4090, 24564, 24000",
        "1, GPU-2, NVIDIA GeForce RTX 3090, 24576, 100",
        "2, GPU-3, NVIDIA GeForce RTX 4090, 24564, 23000",
    )
    assert fleet_of("LOCAL").describe() == "2x rtx-4090 + rtx-3090"


@pytest.mark.parametrize(
    ("visible", "names"),
    [("1", "h100-sxm"), ("0,1", "2x h100-sxm"), ("GPU-1a", "h100-sxm"), ("", None), ("-1", None)],
)
def test_cuda_visible_devices_is_heeded(nvidia_smi, monkeypatch, visible, names):
    nvidia_smi(*(H100.format(index=index, free=81000) for index in range(3)))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    if names is None:
        with pytest.raises(UndeterminedError, match="no GPU found"):
            fleet_of("local")
    else:
        assert fleet_of("local").describe() == names


def test_a_namesake_with_other_memory_is_not_the_listed_one(nvidia_smi):
    nvidia_smi("0, GPU-1, NVIDIA H100 80GB HBM3, 40447, 40000")  # half of one, as a virtual GPU is given it
    device = fleet_of("local").groups[0].device
    assert (device.name, device.bandwidth) == ("NVIDIA H100 80GB HBM3", None)
    assert device.usable_bytes().bytes == 40_447 * 2**20


def test_a_device_that_is_not_listed_has_only_its_memory(nvidia_smi):
    nvidia_smi("0, GPU-1, NVIDIA Quadro P400, 2048, 1000")
    device = fleet_of("local").groups[0].device
    assert (device.name, device.vendor, device.bandwidth) == ("NVIDIA Quadro P400", None, None)


def test_unified_memory_is_that_of_the_catalogue(nvidia_smi):
    nvidia_smi("0, GPU-1, NVIDIA GB10, [N/A], [N/A]")  # github:NVIDIA/dgx-spark-playbooks#3 prints it so
    group = fleet_of("local").groups[0]
    assert group.device == accelerator("gb10")
    assert group.device.memory.free is None


@pytest.mark.parametrize(
    "script",
    [
        "exit 9",
        "echo 'NVIDIA-SMI has failed because it could not communicate'; exit 9",
        "echo No devices were found",
    ],
)
def test_an_nvidia_smi_that_fails_is_no_gpu(nvidia_smi, script):
    nvidia_smi(script=script)
    with pytest.raises(UndeterminedError, match="no GPU found on this machine") as caught:
        fleet_of("local")
    assert caught.value.exit_code == 3
    assert "--vram 24GiB" in caught.value.hint


def test_an_nvidia_smi_that_hangs_is_left(nvidia_smi, monkeypatch):
    monkeypatch.setattr(local_devices, "TIMEOUT_SECONDS", 0.2)
    nvidia_smi(script="exec /bin/sleep 30")
    with pytest.raises(UndeterminedError, match="no GPU found"):
        fleet_of("local")


def test_torch_answers_where_there_is_no_nvidia_smi(monkeypatch):
    devices = [("AMD Instinct MI300X", 190 * 2**30, 192 * 2**30)] * 2
    monkeypatch.setitem(sys.modules, "torch", fake_torch(devices))
    group = fleet_of("local").groups[0]
    assert (group.device.name, group.count, group.device.memory.free.bytes) == ("mi300x", 2, 190 * 2**30)
    assert group.device.memory.driver.source == "torch.cuda on this machine"


def test_ram_that_is_typed_goes_before_what_is_found(nvidia_smi):
    nvidia_smi(H100.format(index=0, free=81000))
    host = fleet_of("local", ram="64GiB").host
    assert (host.ram.bytes, host.bandwidth) == (64 * 2**30, None)


# ----------------------------------------------------------------------------------- the options together


def test_no_option_is_no_fleet():
    assert fleet_of() is None
    assert fleet_of(ram="64GiB") is None


def test_unlisted_devices():
    found = fleet_of(vram="24GiB", bandwidth="1008GB/s", ram="64GiB", ram_bandwidth="50GB/s")
    assert (found.describe(), found.host.bandwidth.bytes_per_second) == ("unlisted", 50 * 10**9)
    mixed = fleet_of("2xunlisted + rtx-3090", vram="24GiB")
    assert mixed.describe() == "2x unlisted + rtx-3090"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpu": "h100", "vram": "24GiB"}, "`--gpu h100` and `--vram 24GiB` exclude each other"),
        ({"gpu": "local", "vram": "24GiB"}, "`--gpu local` and `--vram 24GiB` exclude each other"),
        ({"bandwidth": "1008GB/s"}, "`--bandwidth` describes an unlisted device, whose memory is missing"),
        ({"gpu": "h100", "bandwidth": "1GB/s"}, "`--bandwidth` describes an unlisted device"),
        ({"gpu": "h100", "ram": "-1GiB"}, "`--ram -1GiB` is negative"),
        ({"gpu": "h100", "ram_bandwidth": "50GB"}, "--ram-bandwidth: `50GB` is not a bandwidth"),
    ],
)
def test_options_that_make_no_sense_together(options, message):
    with pytest.raises(InputError) as caught:
        fleet_of(**options)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("typed", ["local + h100", "h100+LOCAL", "local + local", "2xrtx-4090 + local"])
def test_local_is_all_of_the_machine_and_joins_nothing(typed):
    with pytest.raises(InputError, match="joins `local`, which is all of this machine") as caught:
        fleet_of(typed)
    assert caught.value.hint == "name every device instead: `--gpu 'rtx-4090 + h100'`"
