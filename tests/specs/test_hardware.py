"""The accelerators: every value sourced, names that lead to one device each, peaks that are dense."""

import datetime as dt
import re
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
import yaml

from moecalc import strict_yaml
from moecalc.errors import InputError
from moecalc.specs import hardware
from moecalc.specs.hardware import (
    FORMATS,
    Accelerator,
    Capacity,
    Domain,
    Link,
    Memory,
    Peak,
    Power,
    Price,
    Quantity,
    Rate,
    accelerator,
    accelerator_names,
    accelerators,
    citation,
)
from moecalc.specs.recipes import recipe_names

DEVICES = {device.name: device for device in accelerators()}
FILES = {path.stem: path for path in hardware._DATA.glob("*/*.yaml")}
SOURCES = hardware._sources()
IN_FULL = re.compile(r"github:[\w.-]+/[\w.-]+#\d+|https://\S+")

all_devices = pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)


def values_in(struct):
    """Every sourced value of a Struct, with the path that leads to it."""
    for field in struct.__struct_fields__:
        value = getattr(struct, field)
        for index, item in enumerate(value if isinstance(value, tuple) else (value,)):
            path = f"{field}[{index}]" if isinstance(value, tuple) else field
            if isinstance(item, Quantity | Price | Domain):
                yield path, item
            elif isinstance(item, msgspec.Struct):
                yield from ((f"{path}.{rest}", found) for rest, found in values_in(item))


# ---------------------------------------------------------------------------------------------- the catalogue


def test_there_are_enough_devices_and_the_well_known_are_among_them():
    assert len(DEVICES) >= 60
    known = {"h100-sxm", "h200-sxm", "b200", "gb200", "a100-sxm-80gb", "a100-sxm-40gb", "l4", "l40s", "t4"}
    known |= {"rtx-3090", "rtx-4090", "rtx-5090", "mi300x", "mi325x", "mi355x", "gaudi-3", "tpu-v5e"}
    known |= {"m4-max", "gb10", "strix-halo", "epyc-9004"}
    assert known <= DEVICES.keys()


@all_devices
def test_every_value_has_a_source_that_can_be_looked_up(device):
    found = dict(values_in(device))
    assert found
    for path, value in found.items():
        assert value.source in SOURCES or IN_FULL.fullmatch(value.source), f"{path}: {value.source}"
        assert citation(value.source).cite


def test_every_shared_source_is_used_and_says_where_it_is():
    used = {value.source for device in DEVICES.values() for _, value in values_in(device)}
    assert SOURCES.keys() <= used
    for key, source in SOURCES.items():
        assert re.search(r"github:[\w.-]+/[\w.-]+|https?://|www\.", source.cite), key
        assert source.commit is None or re.fullmatch(r"[0-9a-f]{40}", source.commit), key


def test_a_price_without_a_date_says_why():
    for device in DEVICES.values():
        for price in device.prices:
            undated = price.date is None
            assert (
                not undated
                or "gpu.blog" in price.source
                or "could not be found" in SOURCES[price.source].note
            )


def test_a_file_is_named_after_its_device_and_stands_under_its_vendor():
    assert FILES.keys() == DEVICES.keys()
    for name, device in DEVICES.items():
        assert FILES[name].parent.name == device.vendor.lower()


def test_names_and_aliases_lead_to_one_device_each():
    owner = {}
    for device in DEVICES.values():
        for name in (device.name, *device.aliases, device.label):
            assert owner.setdefault(hardware._key(name), device.name) == device.name, name
            assert name == device.label or re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name), name


@all_devices
def test_aliases_found_without_parsing_are_those_in_the_file(device):
    assert tuple(hardware._aliases_in(str(FILES[device.name]))) == device.aliases
    assert yaml.safe_load(FILES[device.name].read_text()).get("aliases", []) == list(device.aliases)


@all_devices
def test_a_device_is_of_use(device):
    assert device.bandwidth is not None
    assert device.kind != "unified" or device.note
    assert device.usable_bytes() is not None or device.kind == "cpu"


# ------------------------------------------------------------------------------------------ plausible numbers


@all_devices
def test_memory_grows_from_allocatable_to_driver(device):
    memory = device.memory
    if memory.allocatable and memory.driver:
        assert 0.93 < memory.allocatable.bytes / memory.driver.bytes < 1
    if memory.driver and memory.marketing:
        # the box may mean GB or GiB, and ECC takes a sixteenth on GDDR
        assert 0.93 < memory.driver.bytes / memory.marketing.bytes < 1.08


UNEQUAL_WIDTHS = (
    ("tf32", "bf16"),
    ("tf32", "fp16"),
    ("bf16", "fp8"),
    ("bf16", "int8"),
    ("fp16", "fp8"),
    ("fp16", "int8"),
)
GEFORCE = ("rtx-3090", "rtx-3090-ti", "rtx-4090", "rtx-5090")
"""Half rate where FP32 accumulates, as bf16 always does; fp16 and fp8 need not."""
UNEVEN = {
    *((name, "bf16", narrow) for name in GEFORCE for narrow in ("fp8", "int8")),
    *((name, "tf32", "fp16") for name in GEFORCE),
    ("gaudi-3", "tf32", "bf16"),  # published TF32 and FP16 rates are a quarter of the BF16 rate
    ("gaudi-3", "fp16", "fp8"),
}


@all_devices
def test_peaks_are_dense(device):
    """Halving the width doubles the dense rate at most; a factor of four betrays a sparse figure."""
    peak = {name: found.per_second for name in FORMATS if (found := device.peak(name))}
    for wide, narrow in UNEQUAL_WIDTHS:
        if {wide, narrow} <= peak.keys() and (device.name, wide, narrow) not in UNEVEN:
            assert peak[narrow] <= 2.6 * peak[wide], (wide, narrow)
    if {"fp8", "fp4"} <= peak.keys():
        assert peak["fp4"] <= 3.2 * peak["fp8"]  # Blackwell Ultra has three times the FP4 rate
    if {"bf16", "fp16"} <= peak.keys() and device.name != "gaudi-3":
        times = 2 if device.name in GEFORCE else 1
        assert times * peak["bf16"] == pytest.approx(peak["fp16"], rel=0.001)


@pytest.mark.parametrize(
    "name",
    [
        "h100-sxm",
        "h100-pcie",
        "h100-nvl",
        "h800-sxm",
        "h200-sxm",
        "h200-nvl",
        "gh200-96gb",
        "b200",
        "gb200",
        "b300",
        "l40s",
        "l4",
        "mi300x",
    ],
)
def test_fp8_is_twice_bf16(name):
    device = DEVICES[name]
    assert device.peaks.fp8.per_second == pytest.approx(2 * device.peaks.bf16.per_second, rel=0.02)


def test_known_figures():
    h100 = accelerator("h100")
    assert (h100.memory.driver.bytes, h100.bandwidth.bytes_per_second) == (81_559 * 2**20, 3_350 * 10**9)
    assert (h100.peaks.bf16.per_second, h100.peaks.fp8.per_second) == (989 * 10**12, 1_979 * 10**12)
    assert (h100.interconnect.bytes_per_second, h100.tdp.watts) == (450 * 10**9, 700)
    assert accelerator("l40s").peaks.fp8.per_second == 733 * 10**12  # not 1,466, which is sparse
    assert accelerator("mi300x").bandwidth.bytes_per_second == 5_300 * 10**9
    assert accelerator("mi300x").interconnect.peer_to_peer_bytes_per_second == 64 * 10**9
    assert accelerator("h100").interconnect.peer_to_peer_bytes_per_second == 450 * 10**9


# ---------------------------------------------------------------------------------------------------- look-up


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("h100-sxm", "h100-sxm"),
        ("H100", "h100-sxm"),
        ("h100_sxm", "h100-sxm"),
        ("H100.SXM", "h100-sxm"),
        ("h100 sxm", "h100-sxm"),
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),  # as nvidia-smi and torch print it
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("NVIDIA H200", "h200-sxm"),
        ("NVIDIA B200", "b200"),
        ("NVIDIA GB200", "gb200"),
        ("NVIDIA GH200 480GB", "gh200-96gb"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
        ("NVIDIA L40S", "l40s"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000-server"),
        ("Tesla T4", "t4"),
        ("Tesla V100-SXM2-32GB", "v100-sxm-32gb"),
        ("AMD Instinct MI300X", "mi300x"),
        ("AMD Radeon RX 7900 XTX", "rx-7900-xtx"),
        ("Apple M4 Max", "m4-max"),
        ("4090", "rtx-4090"),
        ("DGX Spark", "gb10"),
    ],
)
def test_a_name_is_found_as_people_and_drivers_write_it(typed, name):
    assert accelerator(typed).name == name


@all_devices
def test_every_name_alias_and_label_finds_its_device(device):
    for name in (device.name, device.short_name, *device.aliases):
        assert accelerator(name) == device


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("h1000", "did you mean `h100-sxm`, "),
        ("rtx 4095", "did you mean `rtx-4090`, `rtx-5090` or `rtx-4080`?"),
        ("NVIDIA A100-SXM4-81GB", "did you mean `a100-sxm-80gb`, `a800-sxm-80gb` or `a100-sxm-40gb`?"),
        ("mi3000x", "did you mean `mi300x`, `mi350x` or `mi100`?"),
        ("abacus", "type a name such as `h100`, `mi300x`, `rtx-4090` or `m4-max`"),
        ("", "type a name such as "),
        ("nvidia", "type a name such as "),
    ],
)
def test_an_unknown_name_gets_the_nearest(typed, hint):
    with pytest.raises(InputError, match=f"unknown accelerator `{re.escape(typed)}`") as caught:
        accelerator(typed)
    assert caught.value.hint.startswith(hint)


def test_names_are_listed_without_parsing(monkeypatch):
    monkeypatch.setattr(strict_yaml, "load", None)
    assert accelerator_names() == list(DEVICES)
    assert set(accelerator_names()) == set(FILES)


@pytest.mark.parametrize("typed", ["h100-sxm", "h100"])
def test_a_look_up_parses_one_file(monkeypatch, typed):
    parsed = []
    load = strict_yaml.load
    monkeypatch.setattr(strict_yaml, "load", lambda path: parsed.append(path) or load(path))
    for cached in (hardware._load, hardware._files):
        cached.cache_clear()
    assert accelerator(typed).name == "h100-sxm"
    assert len(parsed) == 1


def test_a_short_name_is_what_one_would_type():
    assert [accelerator(name).short_name for name in ("h100-sxm", "b200", "rtx-4090")] == [
        "h100",
        "b200",
        "4090",
    ]


# ------------------------------------------------------------------------------------------- memory and price


def capacity(value, **more):
    return Capacity(value=value, source="stas", **more)


def test_usable_memory_is_allocatable_then_driver_then_marketing():
    box, driver, allocatable = (
        capacity("80 GB"),
        capacity("81559 MiB"),
        capacity("79.14 GiB", high="79.19 GiB"),
    )

    def usable(**memory):
        return Accelerator(
            name="x", label="X", vendor="NVIDIA", kind="gpu", memory=Memory(**memory)
        ).usable_bytes()

    assert usable() is None
    assert usable(marketing=box)[:2] == (80 * 10**9, "assumed")
    assert usable(marketing=box, driver=driver)[:2] == (81_559 * 2**20, "measured")
    all_three = usable(marketing=box, driver=driver, allocatable=allocatable)
    assert all_three[:2] == (int(Fraction("79.14") * 2**30), "measured")
    assert all_three.note == "allocatable: 79.14 GiB (sources range from 79.14 GiB to 79.19 GiB)"


MEASURED = [
    "rtx-3060-12gb",
    "rtx-3070",
    "rtx-3080-ti",
    "rtx-3090-ti",
    "rtx-4060-ti-16gb",
    "rtx-4070-ti",
    "rtx-4080",
    "rtx-5070-ti",
    "rtx-5080",
    "rtx-2080-ti",
    "rtx-a5000",
    "rtx-4000-ada",
    "rtx-5000-ada",
    "a10g",
    "a40",
    "h100-pcie",
    "gb10",
    "mi210",
    "mi250",
    "mi250x",
    "rx-7900-xtx",
    "rx-9070-xt",
    "strix-halo",
    "m1-max",
    "m2-ultra",
    "m4-max",
    "m4-pro",
    "m5-pro",
    "arc-b580",
    "max-1550",
    "tpu-v4",
    "tpu-v5e",
    "tpu-v6e",
]


@pytest.mark.parametrize("name", MEASURED)
def test_what_people_buy_has_the_memory_that_a_log_shows(name):
    usable = accelerator(name).usable_bytes()
    assert usable is not None
    assert usable.basis == "measured"
    marketing = accelerator(name).memory.marketing
    assert marketing is not None
    assert usable.bytes != marketing.bytes


def test_what_nvidia_smi_prints_is_read_to_the_mebibyte():
    """Tables in notebooks of XiongjieDai/GPU-Benchmarks-on-LLM-Inference: `1MiB / 16376MiB` on an RTX 4080."""
    shown = {
        "rtx-4080": 16_376,
        "rtx-4000-ada": 20_475,
        "rtx-5000-ada": 32_760,
        "h100-pcie": 81_559,
        "rtx-3070": 8_192,
    }
    for name, mebibytes in shown.items():
        driver = accelerator(name).memory.driver
        assert driver is not None
        assert driver.bytes == mebibytes * 2**20, name


def test_half_a_module_is_half_of_everything():
    """MI250(X) and Max 1550 are two devices to a runtime: no figure of a file may be the module's."""
    module = {"mi250": (128, 3280, 500), "mi250x": (128, 3276, 500), "max-1550": (128, 3280, 600)}
    for name, (gigabytes, rate, watts) in module.items():
        device = accelerator(name)
        assert device.memory.marketing is not None
        assert device.memory.marketing.bytes * 2 == gigabytes * 10**9
        assert device.bandwidth is not None
        assert device.bandwidth.bytes_per_second * 2 == rate * 10**9
        assert device.tdp is not None
        assert device.tdp.watts * 2 == watts
        halved = [
            value
            for _, value in values_in(device)
            if isinstance(value, Quantity) and "half of" in (value.note or "")
        ]
        assert len(halved) >= 4
        for price in device.prices:
            assert "half of" in (price.note or "")


@all_devices
def test_what_a_device_refuses_says_where_that_stands(device):
    for refused, source in device.refuses.items():
        assert any(name.startswith(refused) for name in recipe_names()), refused
        assert re.match(r"github:[\w.-]+/[\w.-]+(#\d+$|@[0-9a-f]{12} )", source), source
        assert device.refuses_any([refused])
        assert not device.refuses_any(["bf16", "q4_k"])


def test_the_h100_says_its_range():
    usable = accelerator("h100").usable_bytes()
    assert usable.bytes == 84_975_927_951  # 79.14 GiB, rounded down
    assert "79.10 GiB to 79.19 GiB" in usable.note


def test_prices_are_exact_and_the_default_is_the_latest_that_is_not_spot():
    def price(usd, date=None, **more):
        return Price(usd_per_gpu_hour=Decimal(usd), provider=usd, source="stas", date=date, **more)

    def default(*prices):
        found = Accelerator(name="x", label="X", vendor="AMD", kind="gpu", prices=prices).price()
        return found.provider if found else None

    def day(text):
        return msgspec.convert(text, type=dt.date)

    old, new, also_new = (
        price("1.00", day("2024-05-01")),
        price("2.00", day("2025-05-01")),
        price("3.00", day("2025-05-01")),
    )
    spot, undated = price("0.50", day("2026-01-01"), spot=True), price("4.00")
    assert default() is None
    assert default(spot) is None
    assert default(undated, old) == "1.00"
    assert default(undated) == "4.00"
    assert default(spot, old, new, also_new) == "2.00"

    found = accelerator("h100").price()
    assert found.usd_per_gpu_hour == Decimal("2.95")
    assert (found.provider, str(found.date), found.spot) == ("Nebius", "2025-08-12", False)
    assert citation(found.source).cite == "github:skypilot-org/skypilot#6628"


@all_devices
def test_every_price_is_a_decimal_written_as_text(device):
    raw = yaml.safe_load(FILES[device.name].read_text()).get("prices", [])
    for price, text in zip(device.prices, raw, strict=True):
        assert isinstance(text["usd_per_gpu_hour"], str)  # unquoted it would pass through a float
        assert isinstance(price.usd_per_gpu_hour, Decimal)
        assert Decimal("0.05") < price.usd_per_gpu_hour < 20


# --------------------------------------------------------------------------------------------- bad data files


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (Capacity, "80", "is not a number, a space and one of `GB`, `TB`, `MiB`, `GiB`"),
        (Capacity, "80GB", "is not a number"),
        (Capacity, "80 GB/s", "is not a number"),
        (Rate, "-1 GB/s", "is not a number"),
        (Peak, "989 TFLOPS", "one of `TFLOP/s`, `PFLOP/s`, `TOP/s`, `POP/s`"),
        (Power, "700", "one of `W`"),
    ],
)
def test_a_quantity_needs_its_unit(kind, text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        kind(value=text, source="stas")


def test_a_range_holds_its_value():
    with pytest.raises(InputError, match=r"`79\.14 GiB` is not between `79\.15 GiB` and `79\.14 GiB`"):
        capacity("79.14 GiB", low="79.15 GiB")
    with pytest.raises(InputError, match="is not between"):
        capacity("79.14 GiB", high="79.10 GiB")
    with pytest.raises(InputError, match="is not a number"):
        Link(name="xGMI", value="448 GB/s", source="stas", peer_to_peer="64")
    with pytest.raises(InputError, match="`480 GB/s` to one other device is more than `448 GB/s` to all"):
        Link(name="xGMI", value="448 GB/s", source="stas", peer_to_peer="480 GB/s")


def test_a_wrong_value_is_reported_with_its_line():
    text = "name: x\nlabel: X\nvendor: AMD\nkind: gpu\nbandwidth: {value: 5 TB, source: stas}\n"
    with pytest.raises(InputError, match="`5 TB` is not a number") as caught:
        strict_yaml.decode(strict_yaml.parse(text, "x.yaml"), Accelerator)
    assert caught.value.where == "x.yaml:5"


def test_an_unknown_key_is_refused():
    text = "name: x\nlabel: X\nvendor: AMD\nkind: gpu\nbandwith: {value: 5 TB/s, source: stas}\n"
    with pytest.raises(InputError, match="bandwith") as caught:
        strict_yaml.decode(strict_yaml.parse(text, "x.yaml"), Accelerator)
    assert caught.value.where == "x.yaml:5"


def test_the_accelerators_with_a_price_are_found_without_parsing_the_others():
    assert hardware.priced_accelerators() == [device for device in hardware.accelerators() if device.prices]


def test_a_name_is_found_without_an_error_for_a_text_that_is_none():
    assert hardware.find_name("NVIDIA H100 SXM") == "h100-sxm"
    assert hardware.find_name("4090") == "rtx-4090"
    assert hardware.find_name("int4 on") is None
