"""What was fitted on published measurements: coefficients, and how far they were off where they had not seen a row.

`data/expectations/<phase>.<engine class>.yaml` holds one fit, `left_out.tsv` what was predicted of each measurement by
fits that had not seen its model, or its device, and `ceilings.tsv` what the ceiling says of it. All are written by
`python -m tests.accuracy.fit`; how, and by which rule, is in `docs/accuracy.md`.
"""

import csv
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from moecalc import strict_yaml
from moecalc.errors import InputError
from moecalc.specs.hardware import Accelerator, accelerator

FOLDER = Path(__file__).parent / "data" / "expectations"

LEAST_ROWS = 20
LEAST_DEVICES = 3
"""Of fewer measurements, or fewer groups of devices, nothing is expected (the rule of `folds.yaml`)."""

Hardware = Literal["hbm", "gddr", "metal"]

HARDWARE: dict[Hardware, str] = {
    "hbm": "NVIDIA GPUs with HBM",
    "gddr": "GPUs with GDDR or LPDDR",
    "metal": "Apple silicon",
}

HBM = (
    "a100-",
    "a30",
    "a800-",
    "b200",
    "b300",
    "gb200",
    "gb300",
    "gh200-",
    "h100-",
    "h200-",
    "h800-",
    "v100-",
)
"""How the names of NVIDIA's devices with stacked memory begin (its data sheets); all others have GDDR or LPDDR."""

EngineClass = Literal["any", "llama.cpp", "serving"]

ENGINES: dict[EngineClass, tuple[str, ...]] = {
    "llama.cpp": ("llama.cpp", "ollama", "ik_llama.cpp"),
    "serving": ("vllm", "sglang", "tensorrt-llm", "gpt-fast"),
}
"""Engines whose measurements are fitted together: ggml's kernels; compiled kernels in CUDA graphs."""

Phase = Literal["decode", "prefill", "loaded"]
"""`loaded`: the time to the first token of a request among others, as it waits for them."""

EXPECTED_AS = {"prefill-b1-single": "prefill-b1", "prefill-b1-tp": "prefill-b1"}
"""Regimes of measurements that are one regime here."""

Term = Literal[
    "weights",
    "state",
    "layers",
    "operations",
    "exchanges",
    "dispatches",
    "arithmetic",
    "streams",
    "compute",
    "prompts",
    "passes",
    "sequences",
    "scheduling",
    "queue",
    "room",
    "step",
]

TERMS: dict[Term, str] = {
    "weights": "seconds to read the weights at peak bandwidth",
    "state": "seconds to read the state at peak bandwidth",
    "layers": "layers, each a latency in seconds",
    "operations": "operations of the ledger, each a latency in seconds",
    "exchanges": "the same where ranks exchange results (tensor or expert parallel)",
    "dispatches": "the same where experts are dealt out over ranks (expert parallel)",
    "arithmetic": "seconds of all FLOPs at the device's fp32 vector peak",
    "streams": "all FLOPs over bandwidth: a coefficient is bytes that each FLOP moves",
    "compute": "seconds of all FLOPs at the dense peaks of their formats",
    "prompts": "served: seconds at those peaks of the prompts that one decode step has to make room for",
    "passes": "served: operations of the passes that read prompts in between, each a latency in seconds",
    "sequences": "served: sequences of one copy of attention, each a latency in seconds",
    "scheduling": "served: one per step, a latency in seconds",
    "queue": "loaded: seconds at those peaks until the prompts ahead are read",
    "room": "loaded: seconds until memory has room for a request, all others at their ceilings",
    "step": "loaded: seconds of one decode step at its ceiling",
}


class Coefficient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a term is multiplied by; of the named classes of hardware, or of all."""

    term: Term
    value: float
    hardware: tuple[Hardware, ...] = ()

    def holds_on(self, hardware: Hardware) -> bool:
        """Whether it counts on a class of hardware."""
        return not self.hardware or hardware in self.hardware


class Judged(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Errors on left-out measurements, each predicted twice: without its model and without its device."""

    rows: int
    models: tuple[str, ...]
    """Groups of `folds.yaml`, as are `devices`."""
    devices: tuple[str, ...]
    median_error: float
    """Median of |predicted / measured - 1|."""
    p90_error: float
    bias: float
    """Median of predicted / measured - 1: above 0 is too slow."""
    low: float
    """10% of measured / predicted are below this; `high`: 10% above."""
    high: float

    @property
    def is_enough(self) -> bool:
        """Whether an expectation may rest on it."""
        return self.rows >= LEAST_ROWS and len(self.devices) >= LEAST_DEVICES


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The smallest and the largest of a quantity among the measurements."""

    low: int
    high: int

    def __str__(self) -> str:
        """Return the two ends."""
        return f"{self.low:,} to {self.high:,}"

    def is_near(self, value: int) -> bool:
        """Whether a value is at most twice beyond either end."""
        return self.low <= 2 * value and value <= 2 * self.high


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the left-out measurements of one class of engines say of a fit over all engines."""

    rows: int
    bias: float
    """Median of predicted / measured - 1: above 0 is too slow."""


class Spans(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the measurements of a regime reach over, and their errors: of all hardware, and by class."""

    batch: Range
    tokens: Range
    """Of decoding the keys that a token sees, of prefill the new tokens of a prompt."""
    reach: dict[Hardware, Range]
    """The same on each class of hardware."""
    devices: Range
    """How many worked together."""
    past: dict[Hardware, int] = {}
    """The most cached tokens that a prompt stood behind, where any did."""
    judged: Judged
    hardware: dict[Hardware, Judged]
    engines: dict[Hardware, dict[EngineClass, Share]] = {}
    """Of a fit over all engines, where several were measured: how far it lies from each."""


class Fit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Coefficients fitted on all measurements of a phase by a class of engines, and their left-out errors."""

    phase: Phase
    engine_class: EngineClass
    overlap: float
    """Share of a token that counts as a new draw of experts (see `calc.traffic.Routing`)."""
    coefficients: tuple[Coefficient, ...]
    regimes: dict[str, Spans]
    hardware: dict[Hardware, Judged]
    """Errors over all its regimes."""
    sources: tuple[str, ...]
    """Keys of the measurements' `sources.yaml`."""


class LeftOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A measurement, and what fits that had not seen its model group, or its device group, predicted: seconds."""

    fitted_on: Literal["phase", "regime"]
    """All measurements of the phase by the class of engines, or those of the regime alone."""
    regime: str
    hardware: Hardware
    engine_class: EngineClass
    id: str
    measured: float
    without_model: float | None = None
    without_device: float | None = None


class Ceiling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A measurement beside its ceilings, in seconds: all tokens sharing their experts, and choosing uniformly."""

    id: str
    measured: float
    unconditional: float
    uniform: float


def fit(phase: Phase, engine_class: EngineClass) -> Fit | None:
    """What was fitted; None where there was nothing to fit."""
    return _fit(FOLDER / f"{phase}.{engine_class}.yaml")


def fits() -> tuple[Fit, ...]:
    """Every fit, by name."""
    found = (_fit(path) for path in sorted(FOLDER.glob("*.yaml")))
    return tuple(entry for entry in found if entry is not None)


@cache
def _fit(path: Path) -> Fit | None:
    return strict_yaml.decode(strict_yaml.load(str(path)), Fit) if path.is_file() else None


@cache
def left_out() -> tuple[LeftOut, ...]:
    """What was predicted of each measurement by fits that had not seen it."""
    return tuple(msgspec.convert(row, LeftOut, strict=False) for row in _rows("left_out.tsv"))


@cache
def ceilings() -> tuple[Ceiling, ...]:
    """What the ceiling says of each measurement of a decode step or a prefill."""
    return tuple(msgspec.convert(row, Ceiling, strict=False) for row in _rows("ceilings.tsv"))


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return [
            {column: cell for column, cell in row.items() if cell}
            for row in csv.DictReader(file, delimiter="\t")
        ]


def class_of(engine: str) -> EngineClass:
    """The class that an engine's measurements belong to; `any` of `generic`, and of what no measurement names."""
    return next((name for name, engines in ENGINES.items() if engine in engines), "any")


def hardware_of(device: Accelerator) -> Hardware | None:
    """The class of a device; None of a kind that nobody measured (CPUs, TPUs, AMD's and Intel's with HBM)."""
    if device.vendor == "Apple":
        return "metal"
    if device.vendor == "NVIDIA":
        return "hbm" if device.name.startswith(HBM) else "gddr"
    return "gddr" if device.vendor == "AMD" and device.name.startswith("rx-") else None


def known(name: str) -> Accelerator | None:
    """The device of the catalogue; None of one that a user described."""
    try:
        return accelerator(name)
    except InputError:
        return None
