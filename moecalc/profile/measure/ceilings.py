"""What the device reaches in plain loops, in the same run: bytes per second, and FLOP/s of a matrix multiplication.

A ceiling is the best that was seen, not the middle. Libraries differ by form and size (on a CPU without bf16 arithmetic
a product of two plain matrices runs at a tenth of one with a transposed weight), so several are tried, and a step of
the model that is faster than all of them raises the ceiling: what was reached can be reached.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from msgspec.structs import replace

from moecalc.profile.measure.timing import Call, Clock, timed
from moecalc.specs.runs import Ceilings, Point

BUFFER_BYTES = {"cpu": 256 * 2**20, "cuda": 2 * 2**30}
"""Large beside the caches: what is timed is memory."""

MATMUL_SIZES = {"cpu": (1024, 512), "cuda": (8192, 4096)}
"""Square weights that fill the device."""

TOKENS = {"cpu": (64,), "cuda": (1024,)}
"""Rows that are multiplied by such a weight, beside as many as it has itself."""

REPEATS = 7
LIMIT_SECONDS = 2.0

HOPELESS = 4
"""A form whose first call is so many times slower than the best so far is not tried again."""


def measure_ceilings(torch: Any, device: Any, dtype: Any, dtype_name: str, clock: Clock) -> Ceilings:
    """Copy, sum and matrix multiplication, each the fastest of its repeats, the last of several forms and sizes."""
    copied, copy, read = _memory_rates(torch, device, clock)
    rate, side, form = _matmul_rate(torch, device, dtype, clock)
    return Ceilings(
        copy_bytes_per_second=copy,
        read_bytes_per_second=read,
        flops_per_second=rate,
        dtype=dtype_name,
        buffer_bytes=copied,
        matmul_size=side,
        matmul_form=form,
    )


def raised(ceilings: Ceilings, points: Iterable[Point]) -> Ceilings:
    """The same, with the arithmetic of the fastest step where that beats every multiplication by itself."""
    fastest = max(points, key=_rate, default=None)
    if fastest is None or _rate(fastest) <= ceilings.flops_per_second:
        return ceilings
    step = f"{fastest.phase} of {fastest.tokens:,} tokens at batch {fastest.batch:,}"
    return replace(ceilings, flops_per_second=_rate(fastest), matmul_form=step)


def _rate(point: Point) -> float:
    return point.flops / point.timing.low_seconds


def _memory_rates(torch: Any, device: Any, clock: Clock) -> tuple[int, float, float]:
    """Bytes of the buffer; bytes per second of a copy, read and written, and of a sum."""
    size = BUFFER_BYTES[device.type]
    if device.type == "cuda":
        size = min(size, int(torch.cuda.mem_get_info(device)[0]) // 8)
    source = torch.ones(size // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    copy = _seconds(lambda: target.copy_(source), clock)
    read = _seconds(source.sum, clock)
    moved = source.numel() * source.element_size()
    return moved, 2 * moved / copy, moved / read


def _matmul_rate(torch: Any, device: Any, dtype: Any, clock: Clock) -> tuple[float, int, str]:
    """FLOP/s, the weight's side, and what was multiplied, of the fastest."""
    best = (0.0, 0, "")
    for side, rows, form, call in _products(torch, device, dtype):
        flops = 2 * rows * side**2
        call()
        if flops / clock.seconds(call) * HOPELESS < best[0]:
            continue
        best = max(best, (flops / _seconds(call, clock), side, form))
    return best


def _products(torch: Any, device: Any, dtype: Any) -> Iterator[tuple[int, int, str, Call]]:
    """(side of the weight, rows, words, call) of each form and size, the likeliest to be fast first."""
    linear, mm = torch.nn.functional.linear, torch.mm
    for side in MATMUL_SIZES[device.type]:
        weight = torch.randn(side, side, device=device).to(dtype)
        for rows in (side, *TOKENS[device.type]):
            left = torch.randn(rows, side, device=device).to(dtype)
            for name, multiply in (("x W'", linear), ("x W", mm)):
                yield (
                    side,
                    rows,
                    f"{rows:,} rows by {side:,} x {side:,}, {name}",
                    partial(multiply, left, weight),
                )


def _seconds(call: Call, clock: Clock) -> float:
    return timed(call, clock, REPEATS, limit_seconds=LIMIT_SECONDS).low_seconds
