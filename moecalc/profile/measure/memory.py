"""The most memory that a call has at once, by the allocator's own account."""

from collections.abc import Callable, Iterable
from typing import Any


def peak_bytes_during(torch: Any, device: Any, call: Callable[[], object]) -> int:
    """Bytes that a call allocates beside what was there before it, at their peak.

    On CUDA the statistics of torch's allocator; on a CPU, which keeps none, the allocations and releases that its
    profiler saw, kernels' own workspaces through torch among them, those of the libraries below it not.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device) - before)
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        call()
    results = seen.profiler.kineto_results if seen.profiler else None
    events = results.events() if results else ()
    return peak_of((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")


def peak_of(changes: Iterable[tuple[int, int]]) -> int:
    """The largest sum on the way through changes (when, bytes), in the order of time."""
    held = peak = 0
    for _, size in sorted(changes, key=lambda change: change[0]):
        held += size
        peak = max(peak, held)
    return peak
