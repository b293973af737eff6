"""Published speed measurements, in the project's own columns: what expectations are fitted and judged on.

One table per kind of engine in `data/measurements/*.tsv`; what was left out, and why, in `excluded.tsv`; the groups
that cross-validation leaves out in `folds.yaml`; what the `source` column stands for in `sources.yaml`. An empty cell
is 1 for a parallel size and "not stated" for everything else.

id           stable, never given to another row
model        name in the catalogue; where the source ran a sibling of the same shapes, `notes` says so
weights      as `--quant` takes it: `released`, a recipe (`fp8`, `w8a16`), a mixture of llama-quantize (`q4_k_m`)
roles        where no recipe fits, formats by group (`ffn=nvfp4,routed=nvfp4`); all others are in `weights`
weights_gib  size of the weights file as the source states it, GiB
kv           format of keys and values, as `--kv-dtype` takes it
device       name in the catalogue of accelerators
devices      how many, all of them together
host, hosts  the CPU that holds weights in a hybrid run, and its sockets
tp, pp, dp   ranks in tensor and pipeline parallelism, and copies of attention; devices = tp x pp x dp
ep           ranks over which the experts are dealt out (within tp x dp)
split        devices that hold consecutive layers and work one after another (llama.cpp's layer split)
engine       program; `version` as the source writes it
regime       what was timed: see REGIMES
batch        sequences at once over all devices, or the concurrency of requests; empty where an engine chose it
prompt       new tokens read per sequence, before the decoded ones
output       tokens decoded per sequence
past         tokens cached before the prompt came (llama-bench's depth)
context      mean number of keys that a timed decoded token sees: prompt + half of the output where both are stated
metric       see METRICS; `value` is the figure as published, in `unit`
fast_path    speculative decoding or another fast path that a ceiling does not hold for; none is stated of a kept row
source       key of `sources.yaml`; `place` is where in it
date         of the measurement where stated, else of the publication: year, month, day as far as known
notes        what a reader of the row must know, contradictions among sources included
"""

import csv
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from moecalc import strict_yaml
from moecalc.errors import InputError

FOLDER = Path(__file__).parent / "data" / "measurements"

_EXCLUDED = "excluded.tsv"

_Row = TypeVar("_Row")

REGIMES = {
    "decode-b1-single": "one sequence, one device, decoding alone is timed",
    "decode-b1-tp": "one sequence, tensor parallel",
    "decode-b1-layer-split": "one sequence, layers split over devices that work one after another",
    "decode-b1-hybrid": "one sequence, experts on the CPU, the rest on a GPU",
    "decode-static-batch": "a fixed batch of equal sequences, decoding alone is timed",
    "decode-disaggregated": "decoding on devices of its own, large expert parallelism",
    "prefill-b1-single": "one prompt, one device, no queue",
    "prefill-b1-tp": "one prompt, tensor parallel, no queue",
    "prefill-b1-layer-split": "one prompt, layers split over devices, chunks of it in a pipeline",
    "prefill-b1-hybrid": "one prompt, experts on the CPU, the rest on a GPU",
    "prefill-static-batch": "a fixed batch of equal prompts",
    "prefill-disaggregated": "prefill on devices of its own, large expert parallelism",
    "request-static-batch": "a fixed batch, prefilled whole and then decoded whole; both are timed",
    "served": "requests at a stated concurrency, continuous batching: prefill and decoding disturb each other",
    "offline": "as many requests as the engine takes; the batch it reached is not stated",
}
"""What was timed, on how many devices. GPUs, unified memory and CPUs are told apart by the device's `kind`."""

Regime = Literal[
    "decode-b1-single",
    "decode-b1-tp",
    "decode-b1-layer-split",
    "decode-b1-hybrid",
    "decode-static-batch",
    "decode-disaggregated",
    "prefill-b1-single",
    "prefill-b1-tp",
    "prefill-b1-layer-split",
    "prefill-b1-hybrid",
    "prefill-static-batch",
    "prefill-disaggregated",
    "request-static-batch",
    "served",
    "offline",
]

METRICS = {
    "decode-per-user": "decoded tokens per second of one sequence",
    "decode": "decoded tokens per second, all sequences together, while decoding",
    "decode-per-node": "the same per node of 8 devices",
    "tpot": "milliseconds between tokens of one sequence, the first excepted (time per output token)",
    "prefill": "prompt tokens per second, all sequences together",
    "prefill-per-device": "the same per device",
    "prefill-per-node": "the same per node of 8 devices",
    "ttft": "milliseconds from a request to its first token; in `served` this contains a queue",
    "output": "output tokens (never input and output) per second over whole requests, all devices together",
    "output-per-device": "the same per device",
}

Metric = Literal[
    "decode-per-user",
    "decode",
    "decode-per-node",
    "tpot",
    "prefill",
    "prefill-per-device",
    "prefill-per-node",
    "ttft",
    "output",
    "output-per-device",
]

Engine = Literal[
    "gpt-fast",
    "ik_llama.cpp",
    "ktransformers",
    "llama.cpp",
    "ollama",
    "sglang",
    "tensorrt-llm",
    "vllm",
]

DEVICES_PER_NODE = 8
"""Of the sources whose figures are per node (H100 servers)."""


class Measurement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published figure; the columns are described at the top of this module."""

    id: str
    model: str
    weights: str
    device: str
    devices: int
    engine: Engine
    regime: Regime
    metric: Metric
    value: float
    unit: Literal["ms", "tokens/s"]
    source: str
    roles: str = ""
    weights_gib: float | None = None
    kv: str | None = None
    host: str | None = None
    hosts: int = 1
    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1
    split: int = 1
    version: str | None = None
    batch: int | None = None
    prompt: int | None = None
    output: int | None = None
    past: int = 0
    context: int | None = None
    fast_path: str | None = None
    place: str | None = None
    date: str | None = None
    notes: str | None = None

    def __post_init__(self) -> None:
        """Refuse a row whose columns contradict each other. Raises InputError."""
        for said, holds in (
            (f"value {self.value} is not positive", self.value > 0),
            (f"unit {self.unit} of {self.metric}", (self.unit == "ms") == (self.metric in {"tpot", "ttft"})),
            (
                f"{self.devices} devices, but tp {self.tp} x pp {self.pp} x dp {self.dp}, split {self.split}",
                self.devices == self.tp * self.pp * self.dp * self.split,
            ),
            (f"experts over {self.ep} of {self.tp * self.dp} ranks", self.tp * self.dp % self.ep == 0),
            (f"batch {self.batch} in {self.regime}", "-b1-" not in self.regime or self.batch == 1),
        ):
            if not holds:
                raise InputError(f"measurement `{self.id}`: {said}")

    @property
    def formats_by_role(self) -> tuple[tuple[str, str], ...]:
        """`roles` as (group, format) pairs, as `Precision` takes them."""
        pairs = (part.partition("=") for part in self.roles.split(",") if part)
        return tuple((role, format_) for role, _, format_ in pairs)

    @property
    def step_seconds(self) -> float | None:
        """Seconds of one decode step, or between two tokens of a sequence; None of a figure that holds more."""
        if self.metric == "tpot":
            return self.value / 1000
        if self.metric == "decode-per-user":
            return 1 / self.value
        if self.batch is not None and self.metric in {"decode", "decode-per-node"}:
            nodes = self.devices / DEVICES_PER_NODE if self.metric == "decode-per-node" else 1
            return self.batch / (self.value * nodes)
        return None

    @property
    def prefill_seconds(self) -> float | None:
        """Seconds to read the prompts of the batch without a queue; None where the figure or lengths do not say."""
        if self.metric == "ttft":
            return None if self.regime == "served" else self.value / 1000
        if self.metric == "prefill" and self.prompt is not None and self.batch is not None:
            return self.batch * self.prompt / self.value
        return None

    @property
    def output_per_second(self) -> float | None:
        """Output tokens per second over whole requests, all devices together; None of any other figure."""
        if self.metric == "output":
            return self.value
        return self.value * self.devices if self.metric == "output-per-device" else None


class Excluded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published figure that was left out before any fit, by what its row or its source says."""

    id: str
    source: str
    reason: str


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A citation: where, at which commit, of which date, and what was measured how."""

    cite: str
    commit: str | None = None
    date: str | None = None
    note: str | None = None


class Left(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The folds of one regime: each group is left out once."""

    models: tuple[str, ...]
    devices: tuple[str, ...]


class Folds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What cross-validation leaves out together, and the rule behind it."""

    rule: str
    models: dict[str, tuple[str, ...]]
    devices: dict[str, tuple[str, ...]]
    regimes: dict[str, Left]


@cache
def measurements() -> tuple[Measurement, ...]:
    """Every measurement that was kept, by file and id. Raises InputError for a row that is not of the form."""
    paths = sorted(path for path in FOLDER.glob("*.tsv") if path.name != _EXCLUDED)
    return tuple(row for path in paths for row in _table(path, Measurement))


@cache
def excluded() -> tuple[Excluded, ...]:
    """Every published figure that was left out, by id."""
    return tuple(_table(FOLDER / _EXCLUDED, Excluded))


@cache
def sources() -> dict[str, Source]:
    """What each `source` stands for."""
    return strict_yaml.decode(strict_yaml.load(str(FOLDER / "sources.yaml")), dict[str, Source])


@cache
def folds() -> Folds:
    """The groups that cross-validation leaves out."""
    return strict_yaml.decode(strict_yaml.load(str(FOLDER / "folds.yaml")), Folds)


def _table(path: Path, kind: type[_Row]) -> list[_Row]:
    try:
        return [msgspec.convert(row, kind, strict=False) for row in _rows(path)]
    except (msgspec.ValidationError, InputError) as error:
        raise InputError(f"{path.name}: {error}") from error


def _rows(path: Path) -> Iterator[dict[str, str]]:
    """Each line as a mapping of its filled cells."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True):
            yield {column: cell for column, cell in row.items() if cell}
