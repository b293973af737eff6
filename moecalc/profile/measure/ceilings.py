"""What the device reaches in plain loops, in the same run: bytes per second, and FLOP/s of a matrix multiplication."""

from typing import Any

from moecalc.profile.measure.timing import Clock, timed
from moecalc.specs.runs import Ceilings

BUFFER_BYTES = {"cpu": 256 * 2**20, "cuda": 2 * 2**30}
"""Large beside the caches: what is timed is memory."""

MATMUL_SIZE = {"cpu": 1024, "cuda": 8192}
"""Square matrices that fill the device."""

REPEATS = 7
LIMIT_SECONDS = 2.0


def measure_ceilings(torch: Any, device: Any, dtype: Any, dtype_name: str, clock: Clock) -> Ceilings:
    """Copy, sum and matrix multiplication, each the median of its repeats."""
    size = BUFFER_BYTES[device.type]
    if device.type == "cuda":
        size = min(size, int(torch.cuda.mem_get_info(device)[0]) // 8)
    source = torch.ones(size // 4, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    copy = _seconds(lambda: target.copy_(source), clock)
    read = _seconds(source.sum, clock)
    side = MATMUL_SIZE[device.type]
    left = torch.randn(side, side, device=device).to(dtype)
    right = torch.randn(side, side, device=device).to(dtype)
    product = torch.empty(side, side, dtype=dtype, device=device)
    matmul = _seconds(lambda: torch.mm(left, right, out=product), clock)
    moved = source.numel() * source.element_size()
    return Ceilings(
        copy_bytes_per_second=2 * moved / copy,
        read_bytes_per_second=moved / read,
        flops_per_second=2 * side**3 / matmul,
        dtype=dtype_name,
        buffer_bytes=moved,
        matmul_size=side,
    )


def _seconds(call: Any, clock: Clock) -> float:
    return timed(call, clock, REPEATS, limit_seconds=LIMIT_SECONDS).seconds
