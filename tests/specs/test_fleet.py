"""The grammar of `--gpu`: counts, sums of devices, what is not listed, and what makes no sense."""

import pytest

from moecalc.errors import InputError, UndeterminedError
from moecalc.specs import fleet
from moecalc.specs.fleet import MAX_DEVICES, UNLISTED, host, missing, parse, require_bandwidth, unlisted
from moecalc.specs.hardware import accelerator, accelerators


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("h100", [("h100-sxm", 1)]),
        ("8xh100", [("h100-sxm", 8)]),
        ("8x h100", [("h100-sxm", 8)]),
        ("8 x H100", [("h100-sxm", 8)]),
        ("8 h100", [("h100-sxm", 8)]),
        ("8×h100", [("h100-sxm", 8)]),
        ("8*h100", [("h100-sxm", 8)]),
        ("2 NVIDIA GeForce RTX 4090", [("rtx-4090", 2)]),
        ("rtx-4090 + rtx-3090", [("rtx-4090", 1), ("rtx-3090", 1)]),
        ("2xrtx-4090+1xrtx-3090", [("rtx-4090", 2), ("rtx-3090", 1)]),
        ("rtx-3090+2xrtx-4090+rtx-3090", [("rtx-3090", 2), ("rtx-4090", 2)]),
        ("4090", [("rtx-4090", 1)]),
        ("4x4090", [("rtx-4090", 4)]),
        ("rtx4090", [("rtx-4090", 1)]),
        ("RTX 4090", [("rtx-4090", 1)]),
        ("rtx 3090", [("rtx-3090", 1)]),
        ("2xrtx4090 + RTX3090", [("rtx-4090", 2), ("rtx-3090", 1)]),
        ("m3-ultra", [("m3-ultra", 1)]),
        ("Apple M4 Max", [("m4-max", 1)]),
        ("dgx-spark", [("gb10", 1)]),
        ("2x dgx-spark", [("gb10", 2)]),
        ("strix-halo", [("strix-halo", 1)]),
        ("Ryzen AI Max+ 395", [("strix-halo", 1)]),
        ("epyc-9654", [("epyc-9004", 1)]),
        ("2xepyc-9004", [("epyc-9004", 2)]),
    ],
)
def test_what_people_type(text, groups):
    assert [(group.device.name, group.count) for group in parse(text).groups] == groups


@pytest.mark.parametrize("text", ["h100", "8xh100", "2xrtx-4090 + rtx-3090"])
def test_a_description_is_read_back(text):
    found = parse(text)
    assert parse(found.describe()) == found


def test_a_fleet_knows_its_devices():
    found = parse("2xrtx-4090 + rtx-3090")
    assert (found.count, found.is_uniform, found.describe()) == (3, False, "2x rtx-4090 + rtx-3090")
    assert [device.name for device in found.devices] == ["rtx-4090", "rtx-4090", "rtx-3090"]
    assert parse("8xh100").is_uniform


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "`` names no device", "type `h100`"),
        (" + ", "` + ` names no device", "type `h100`"),
        ("h100+", "a device is missing in `h100+`", "type `h100`"),
        ("h100++h100", "a device is missing in", "type `h100`"),
        ("0xh100", "`0xh100` is no device at all", "a count is at least 1"),
        ("-2xh100", "`-2xh100` is no device at all", "a count is at least 1"),
        ("20000xh100", "`20000xh100` is more than 16,384 devices", "type a count"),
        ("9000xh100+9000xh100", "`18000xh100-sxm` is more than 16,384 devices", "type a count"),
        ("9" * 5000 + "xh100", "a count of 5,000 digits is absurd", "type a count"),
        ("h100x8", "the count stands behind the device in `h100x8`", "type `8xh100`"),
        ("h100 x 8", "the count stands behind the device", "type `8xh100`"),
        ("2xh1000", "unknown accelerator `h1000`", "did you mean `h100-sxm`"),
        ("2.5xh100", "unknown accelerator `2.5xh100`", "did you mean `h100-sxm`?"),
        ("8x", "unknown accelerator `8x`", "type a name such as"),
        ("h100, a100", "`h100, a100` names several devices", "join them by `+`: `h100 + a100`"),
        ("h100,a100", "`h100,a100` names several devices", "join them by `+`: `h100 + a100`"),
        ("rtx40900", "unknown accelerator `rtx40900`", "did you mean `rtx-4090"),
        ("rtx4090x2", "the count stands behind the device in `rtx4090x2`", "type `2xrtx4090`"),
        ("unlisted", "unknown accelerator `unlisted`", "type a name such as"),
    ],
)
def test_what_makes_no_sense(text, message, hint):
    with pytest.raises(InputError) as caught:
        parse(text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_the_most_devices_are_still_read():
    assert parse(f"{MAX_DEVICES}xh100").count == MAX_DEVICES


# ------------------------------------------------------------------------------------------ unlisted devices


@pytest.mark.parametrize(
    ("vram", "size", "shown"),
    [
        ("24GiB", 24 * 2**30, "24 GiB"),
        ("24 GB", 24 * 10**9, "24 GB"),
        ("24576MiB", 24 * 2**30, "24 GiB"),
        ("1.5TiB", 3 * 2**39, "1536 GiB"),
        ("11.5GB", 11_500_000_000, "11.5 GB"),
        ("1B", 1, "0.000000001 GB"),
    ],
)
def test_memory_of_an_unlisted_device(vram, size, shown):
    found = unlisted(vram, None)
    assert (found.name, found.vendor, found.bandwidth) == (UNLISTED, None, None)
    assert found.memory.marketing.bytes == found.usable_bytes().bytes == size
    assert found.memory.marketing.value == shown
    assert found.memory.marketing.source == "given on the command line"


def test_bandwidth_of_an_unlisted_device():
    found = unlisted("24GiB", "1008GB/s")
    assert (found.bandwidth.bytes_per_second, found.bandwidth.value) == (1_008_000_000_000, "1008 GB/s")
    assert unlisted("24GiB", "3.35 TB/s").bandwidth.bytes_per_second == 3_350_000_000_000
    assert unlisted("24GiB", "900GiB/s").bandwidth.bytes_per_second == 900 * 2**30
    assert found.prices == ()
    assert found.peak("bf16") is None


def test_the_host():
    assert host(None, None) == fleet.Host()
    found = host("64GiB", "50GB/s")
    assert (found.ram.bytes, found.bandwidth.bytes_per_second) == (64 * 2**30, 50 * 10**9)


@pytest.mark.parametrize(
    ("vram", "bandwidth", "message"),
    [
        ("24GB/s", None, "`--vram 24GB/s` is a bandwidth, not a size"),
        ("-24GiB", None, "`--vram -24GiB` is negative"),
        ("0GiB", None, "`--vram 0GiB` is nothing"),
        ("24", None, "--vram: size `24` has no unit"),
        ("24G", None, "--vram: size `24G` does not say its base"),
        ("24Gb", None, "--vram: size `24Gb` is in bits, not bytes"),
        ("lots", None, "--vram: `lots` is not a size"),
        ("24GiB", "1008GB", "--bandwidth: `1008GB` is not a bandwidth"),
        ("24GiB", "1008", "--bandwidth: `1008` is not a bandwidth"),
        ("24GiB", "100Gbit/s", "--bandwidth: bandwidth `100Gbit/s` is in bits, not bytes"),
        ("24GiB", "-1GB/s", "`--bandwidth -1GB/s` is negative"),
        ("24GiB", "0GB/s", "`--bandwidth 0GB/s` is nothing"),
        ("24GiB", "GB/s", "--bandwidth: `GB` is not a bandwidth"),
    ],
)
def test_sizes_that_are_none(vram, bandwidth, message):
    with pytest.raises(InputError) as caught:
        unlisted(vram, bandwidth)
    assert caught.value.message == message
    assert caught.value.hint


def test_a_missing_figure_names_field_and_device():
    with pytest.raises(
        UndeterminedError, match="the bandwidth of the unlisted device is not given"
    ) as caught:
        require_bandwidth(unlisted("24GiB", None))
    assert caught.value.hint == "add `--bandwidth 1008GB/s`"
    assert require_bandwidth(accelerator("h100")).bytes_per_second == 3_350 * 10**9
    error = missing("memory", accelerator("threadripper-pro-7965wx"))
    assert error.message == "`threadripper-pro-7965wx` has no published memory"
    assert error.exit_code == 3
    hint = missing("memory", accelerator("threadripper-pro-7965wx"), "--vram 24GiB").hint
    assert hint.endswith("with `--vram 24GiB`")


def test_every_listed_device_has_a_vendor():
    assert all(device.vendor for device in accelerators())
