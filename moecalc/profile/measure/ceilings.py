"""What the device reaches in plain loops, in the same run: bytes per second, and FLOP/s of a matrix multiplication.

A ceiling is the best that was seen, not the middle. Libraries differ by form and size (on a CPU without bf16 arithmetic
a product of two plain matrices runs at a tenth of one with a transposed weight), so several are tried, the model's own
matrices among them, and a step of the model that is faster than all of them raises the ceiling: what was reached can be
reached. Memory is read by a sum and by a matrix-vector product, as decoding reads weights: on processors the latter is
the faster.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from msgspec.structs import replace

from moecalc.ir.roles import Role
from moecalc.ir.rows import Access, Ledger
from moecalc.profile.measure.device import free_bytes
from moecalc.profile.measure.timing import Call, Clock, timed
from moecalc.specs.runs import Ceilings, Point

BUFFER_BYTES = {"cpu": 2**30, "cuda": 2 * 2**30}
"""Large beside the caches (servers' processors have some hundreds of MiB): what is timed is memory."""

SHARE = 8
"""Of the free memory, one part in so many is the most that a buffer takes."""

COLUMNS = 8192
"""Of the matrix that a vector is multiplied by."""

MATMUL_SIZES = {"cpu": (1024, 512), "cuda": (8192, 4096)}
"""Square weights that fill the device."""

TOKENS = {"cpu": (64,), "cuda": (1024,)}
"""Rows that are multiplied by such a weight, beside as many as it has itself."""

REPEATS = 7
LIMIT_SECONDS = 2.0

HOPELESS = 4
"""A form whose first call is so many times slower than the best so far is not tried again."""

MOST_ROWS = 4096
"""That the model's own matrices are multiplied by: beyond them no product gets faster."""

OWN_MATRICES = 3
"""Of the model, those that do most of a prompt's arithmetic."""


class Shape(NamedTuple):
    """A weight [outputs, inputs] and the rows that it is multiplied by."""

    rows: int
    outputs: int
    inputs: int


def measure_ceilings(
    torch: Any, device: Any, dtype: Any, dtype_name: str, clock: Clock, own: Sequence[Shape] = ()
) -> Ceilings:
    """Copies, reads and matrix multiplications, each the fastest of its repeats, forms and sizes.

    `own` are products of the model beside those that are tried anyway.
    """
    copied, copy, read, how = _memory_rates(torch, device, dtype, clock)
    rate, size, form = _matmul_rate(torch, device, dtype, clock, own)
    return Ceilings(
        copy_bytes_per_second=copy,
        read_bytes_per_second=read,
        read_form=how,
        flops_per_second=rate,
        dtype=dtype_name,
        buffer_bytes=copied,
        matmul_size=size,
        matmul_form=form,
    )


def own_shapes(ledger: Ledger, tokens: int) -> tuple[Shape, ...]:
    """The products of a prompt of so many tokens that do most of its arithmetic, the largest first.

    The head is not among them: it multiplies one row of a sequence.
    """
    work: dict[Shape, float] = {}
    for weight in ledger.weights:
        if weight.access is not Access.MATMUL or len(weight.shape) < 2 or weight.role is Role.HEAD:
            continue
        shape = Shape(min(tokens, MOST_ROWS), int(weight.shape[-2].size), int(weight.shape[-1].size))
        calls = 1.0 if weight.pool is None else float(weight.pool.calls)
        times = float(weight.layers * weight.applications) * calls
        work[shape] = work.get(shape, 0.0) + times * shape.outputs * shape.inputs
    return tuple(sorted(work, key=lambda shape: -work[shape])[:OWN_MATRICES])


def raised(ceilings: Ceilings, points: Iterable[Point]) -> Ceilings:
    """The same, with the arithmetic of the fastest step where that beats every multiplication by itself."""
    fastest = max(points, key=_rate, default=None)
    if fastest is None or _rate(fastest) <= ceilings.flops_per_second:
        return ceilings
    step = f"{fastest.phase} of {fastest.tokens:,} tokens at batch {fastest.batch:,}"
    return replace(ceilings, flops_per_second=_rate(fastest), matmul_form=step)


def _rate(point: Point) -> float:
    return point.flops / point.timing.low_seconds


def _memory_rates(torch: Any, device: Any, dtype: Any, clock: Clock) -> tuple[int, float, float, str]:
    """Bytes of the buffer; bytes per second of a copy, read and written, and of the faster way to read; which it is."""
    elements = _buffer_bytes(device) // 4 // COLUMNS * COLUMNS
    source = torch.ones(elements, dtype=torch.float32, device=device)
    moved = source.numel() * source.element_size()
    copy = _seconds(partial(torch.empty_like(source).copy_, source), clock)
    summed = _seconds(source.sum, clock)
    matrix = source.view(dtype).view(-1, COLUMNS)
    vector = torch.ones(1, COLUMNS, dtype=dtype, device=device)
    multiplied = _seconds(lambda: torch.nn.functional.linear(vector, matrix), clock)
    read, how = min((summed, "a sum"), (multiplied, "a matrix-vector product"))
    return moved, 2 * moved / copy, moved / read, how


def _buffer_bytes(device: Any) -> int:
    free = free_bytes(device)
    wanted = BUFFER_BYTES[device.type]
    return max(4 * COLUMNS, wanted if free is None else min(wanted, free // SHARE))


def _matmul_rate(
    torch: Any, device: Any, dtype: Any, clock: Clock, own: Sequence[Shape]
) -> tuple[float, int, str]:
    """FLOP/s, the longer side of the weight, and what was multiplied, of the fastest."""
    best = (0.0, 0, "")
    for shape, name, call in _products(torch, device, dtype, own):
        flops = 2 * shape.rows * shape.outputs * shape.inputs
        call()
        if flops / clock.seconds(call) * HOPELESS < best[0]:
            continue
        form = f"{shape.rows:,} rows by {shape.outputs:,} x {shape.inputs:,}, {name}"
        best = max(best, (flops / _seconds(call, clock), max(shape.outputs, shape.inputs), form))
    return best


def _products(torch: Any, device: Any, dtype: Any, own: Sequence[Shape]) -> Iterator[tuple[Shape, str, Call]]:
    """What is multiplied, in words too, and the call: each form and size, the likeliest to be fast first.

    The model's own are as its builder multiplies them, by a weight [outputs, inputs].
    """
    linear, mm = torch.nn.functional.linear, torch.mm
    for side in MATMUL_SIZES[device.type]:
        weight = torch.randn(side, side, device=device).to(dtype)
        for rows in (side, *TOKENS[device.type]):
            left = torch.randn(rows, side, device=device).to(dtype)
            for name, multiply in (("x W'", linear), ("x W", mm)):
                yield Shape(rows, side, side), name, partial(multiply, left, weight)
    for shape in own:
        weight = torch.randn(shape.outputs, shape.inputs, device=device).to(dtype)
        left = torch.randn(shape.rows, shape.inputs, device=device).to(dtype)
        yield shape, "x W' of the model", partial(linear, left, weight)


def _seconds(call: Call, clock: Clock) -> float:
    return timed(call, clock, REPEATS, limit_seconds=LIMIT_SECONDS).low_seconds
