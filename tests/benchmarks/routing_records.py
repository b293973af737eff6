"""A recording of 10^8 router choices, mapped and summarised: `python -m tests.benchmarks.routing_records`. Target: 5 s.

58 layers of 256 experts, 8 chosen by each of 215,520 tokens, 200 MB as int16, written to a temporary folder first.
"""

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from moecalc.calc.routing.observed import observe
from moecalc.sources.routing_records import read_recording

TOKENS, LAYERS, EXPERTS, TOP_K = 215_520, 58, 256, 8


def write(file: Path) -> None:
    """Choices by a Zipf law of exponent 0.6, an eighth of them drawn and repeated."""
    weights = 1 / np.arange(1, EXPERTS + 1) ** 0.6
    drawn = np.random.default_rng(0).choice(
        EXPERTS, size=(TOKENS // 8, LAYERS, TOP_K), p=weights / weights.sum()
    )
    np.save(file, np.concatenate([drawn.astype(np.int16)] * 8))


def main(runs: int = 3) -> None:
    """Print the median."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "choices.npy"
        write(file)
        seconds = []
        for _ in range(runs):
            start = time.perf_counter()
            seen = observe(read_recording(file, EXPERTS))
            seconds.append(time.perf_counter() - start)
    assert seen.consecutive is not None
    print(
        f"{TOKENS * LAYERS * TOP_K:,} choices summarised in {statistics.median(seconds):.2f} s (median of {runs}; "
        f"target 5 s); caches followed over {seen.caches[0].tokens:,} tokens"
    )


if __name__ == "__main__":
    main()
