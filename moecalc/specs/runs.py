"""The run file: what `moecalc profile` measured on one device, and what was computed beside it.

JSON, versioned by `schema`. Seconds, bytes and FLOPs are in base units; what was not measured is null, never 0.
"""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from moecalc.errors import InputError

SCHEMA: Literal["moecalc/run/1"] = "moecalc/run/1"

SUFFIX = ".json"

MAX_BYTES = 16 * 2**20
"""A run file is kilobytes; beyond this a file is not what it says."""

Phase = Literal["decode", "prefill"]

Positive = Annotated[float, msgspec.Meta(gt=0)]
"""Seconds and rates: a file that has none, or fewer, was not measured."""


class _Stored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a run file: a key that nobody knows is an error."""


class Timing(_Stored, frozen=True, kw_only=True):
    """Seconds of one call, over its repeats."""

    seconds: Positive
    """The median."""
    low_seconds: Positive
    """The fastest; `high_seconds` is the slowest."""
    high_seconds: Positive
    repeats: Annotated[int, msgspec.Meta(ge=1)]
    clock: str
    """What told the time: `perf_counter`, `device events`, `device events around a CUDA graph`; of a sum of parts that
    were timed by several, all of these."""


class RunDevice(_Stored, frozen=True, kw_only=True):
    """What the run ran on; None where the machine does not say."""

    kind: Literal["cpu", "cuda"]
    name: str
    memory_bytes: int | None = None
    driver: str | None = None
    cuda: str | None = None
    l2_bytes: int | None = None
    """Of the cache that all multiprocessors of a GPU share."""
    clock_mhz: int | None = None
    """Of a GPU's multiprocessors, the lowest that was seen while steps ran."""
    clock_max_mhz: int | None = None
    """The highest that it has."""
    threads: int | None = None
    """Of a CPU: those that torch used."""
    system: str
    python: str
    torch: str


class Arithmetic(_Stored, frozen=True, kw_only=True):
    """What torch was allowed to do to products in the run, ceilings and steps alike; None where it has no say."""

    float32_matmul_precision: str | None
    """`highest`, `high` or `medium`: `torch.get_float32_matmul_precision()`."""
    tf32_matmul: bool | None = None
    """Products of fp32 matrices in TF32."""
    tf32_convolution: bool | None = None
    reduced_bf16_sums: bool | None = None
    """Partial sums of a product in bf16."""
    reduced_fp16_sums: bool | None = None


class Ceilings(_Stored, frozen=True, kw_only=True):
    """What the device reached in this run, no datasheet's figures: bytes in plain loops over large buffers."""

    copy_bytes_per_second: Positive
    """Bytes read and bytes written."""
    read_bytes_per_second: Positive
    """Bytes read by `read_form`."""
    flops_per_second: Positive
    """Of the fastest multiplication in `dtype`: by itself, or in a step of the model."""
    dtype: str
    buffer_bytes: int
    """Of the copied buffer."""
    matmul_size: int
    """Rows and columns of the fastest weight that was multiplied by itself; the larger of the two."""
    matmul_form: str = ""
    """What reached `flops_per_second`: rows, weight and its layout, or a step of the model; empty in files before this
    was looked at, which multiplied two square matrices."""
    read_form: str = "a sum"
    """The fastest way to read that was tried: a sum, or a matrix-vector product."""

    @property
    def bytes_per_second(self) -> float:
        """The faster of the two: a copy is held up by its writes, a sum by its arithmetic."""
        return max(self.copy_bytes_per_second, self.read_bytes_per_second)


class Point(_Stored, frozen=True, kw_only=True):
    """One timed step, and what it was computed to move and to do."""

    phase: Phase
    batch: int
    tokens: int
    """Keys that a decoded token sees; tokens of a prompt."""
    timing: Timing
    weight_bytes: float
    state_bytes: float
    flops: float
    operations: float
    """Operations of the ledger: roughly the kernels that a step starts."""

    @property
    def moved_bytes(self) -> float:
        """Weights and state that the step has to read."""
        return self.weight_bytes + self.state_bytes


Verdict = Literal["exact", "within", "outside", "reported", "not measured"]


class Figure(_Stored, frozen=True, kw_only=True):
    """A line of the table: computed beside measured.

    `tolerance` is relative; 0 means equal to the last unit, None that the line is reported and not judged.
    """

    id: str
    label: str
    unit: str
    batch: int | None = None
    computed: float | int | None = None
    measured: float | int | None = None
    tolerance: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Measured over computed; None where one of them is missing, or nothing was computed."""
        if self.measured is None or not self.computed:
            return None
        return self.measured / self.computed

    @property
    def verdict(self) -> Verdict:
        """Whether it holds, and within what."""
        if self.measured is None:
            return "not measured"
        if self.tolerance is None or self.computed is None:
            return "reported"
        if self.tolerance == 0:
            return "exact" if self.measured == self.computed else "outside"
        return "within" if abs(self.measured - self.computed) <= self.tolerance * self.computed else "outside"


class ComponentTime(_Stored, frozen=True, kw_only=True):
    """Seconds of a step that a component took, by the profiler's trace: its own, without what is nested in it."""

    name: str
    phase: Phase
    batch: int
    seconds: float
    share: float
    """Of all seconds that the trace saw in the step."""


class PhaseCoefficients(_Stored, frozen=True, kw_only=True):
    """What a step's terms are multiplied by on this device; a step takes the sum."""

    memory: float
    """Times the seconds to move weights and state at the measured bandwidth."""
    compute: float
    """Times the seconds of all FLOPs at the measured rate of a matrix multiplication."""
    operation_seconds: float
    """For each operation of the ledger."""
    points: int
    """That it was fitted on."""
    median_error: float | None
    """Of points left out of the fit in turn; None where there are too few to leave one out."""
    low: float | None
    """The smallest measured over predicted of them; `high` is the largest."""
    high: float | None
    disturbed: int | None = None
    """Points whose repeats do not agree: the median well above the fastest; None in files before this was counted."""


class Calibration(_Stored, frozen=True, kw_only=True):
    """How this device falls short of its ceilings: for `moecalc speed --calibration`."""

    dtype: str
    bytes_per_second: float
    flops_per_second: float
    phases: dict[Phase, PhaseCoefficients]


class Run(_Stored, frozen=True, kw_only=True):
    """One `moecalc profile`: conditions, figures, points."""

    schema: Literal["moecalc/run/1"] = SCHEMA
    moecalc: str
    model: str
    source: str
    date: dt.datetime
    """UTC."""
    seed: int
    runner: str
    """Whose modules ran: `moecalc`, `transformers 5.23.0`."""
    dtype: str
    quant: str | None = None
    """The recipe that stored the matrices in 8 bits, to be multiplied in `dtype`; None: they were in it."""
    layers: Literal["whole", "composed"]
    prompt: int
    context: int
    batches: tuple[int, ...]
    routing: str
    repeats: int
    device: RunDevice
    arithmetic: Arithmetic | None = None
    """None in files before it was recorded."""
    ceilings: Ceilings
    figures: tuple[Figure, ...]
    points: tuple[Point, ...]
    components: tuple[ComponentTime, ...] = ()
    calibration: Calibration | None = None
    notes: tuple[str, ...] = ()

    def figure(self, figure_id: str, batch: int | None = None) -> Figure:
        """The line of that id. Raises KeyError."""
        for figure in self.figures:
            if figure.id == figure_id and figure.batch == batch:
                return figure
        raise KeyError(figure_id)

    def to_builtins(self) -> dict[str, Any]:
        """As the file has it, with verdict and ratio beside each figure left to the reader's own arithmetic."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return made


def encode(run: Run) -> bytes:
    """The text of the file."""
    return msgspec.json.format(msgspec.json.encode(run), indent=2) + b"\n"


def read(path: str | Path) -> Run:
    """A stored run. Raises InputError where it cannot be read or is none."""
    name = str(path)
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise InputError(
                f"larger than {MAX_BYTES // 2**20} MiB, which no run file is",
                hint="give a file of `moecalc profile --save`",
            ).at(name)
        content = file.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read run file: {error.strerror}",
            hint="`moecalc profile MODEL --save run.json` writes one",
        ).at(name) from None
    try:
        return msgspec.json.decode(content, type=Run)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            f"not a run file ({SCHEMA}): {_lower(str(error))}",
            hint="`moecalc profile MODEL --save run.json` writes one",
        ).at(name) from None


def read_all(folder: str | Path) -> dict[str, Run]:
    """All runs of a folder by file name, in order. Raises InputError where it has none, or one cannot be read."""
    return {path.name: read(path) for path in paths_of(folder)}


def paths_of(folder: str | Path) -> list[Path]:
    """The files of a folder that may be runs, in order. Raises InputError where there are none."""
    place = Path(folder)
    if not place.is_dir():
        raise InputError(
            f"no folder `{folder}`", hint="give the folder that `moecalc profile --save` wrote run files to"
        )
    paths = sorted(path for path in place.iterdir() if path.suffix == SUFFIX and path.is_file())
    if not paths:
        raise InputError(
            f"no run files in `{folder}`",
            hint=f"`moecalc profile MODEL --save {folder}/run{SUFFIX}` writes one",
        )
    return paths


def write(path: str | Path, run: Run) -> None:
    """Store a run. Raises InputError where it cannot be written."""
    try:
        Path(path).write_bytes(encode(run))
    except OSError as error:
        raise InputError(
            f"cannot write run file: {error.strerror}", hint="name a file in a folder that exists"
        ).at(str(path)) from None


def _lower(text: str) -> str:
    return text if text[:2].isupper() else text[:1].lower() + text[1:]  # `JSON` stays
