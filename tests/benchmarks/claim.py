"""`moecalc claim SENTENCE` as a whole process: `python -m tests.benchmarks.claim`. Target: a median below 500 ms."""

import os
import statistics
import sys
import tempfile

from tests.benchmarks.startup import measure

SENTENCES = (
    "Mixtral 8x22B, 39B active, int4 on 1x h100, 120 tok/s, $0.60/M output",
    "gpt-oss-120b, $0.19/M output",
    "70B, 12B active, int4 fits on one 48 GB card",
)


def main(runs: int = 11) -> None:
    """Print the median and the least for each sentence; the second one searches all devices with a price."""
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for sentence in SENTENCES:
            command = [sys.executable, "-m", "moecalc", "claim", sentence]
            measure(command, environment)  # warm the file cache, write the bytecode
            times = [measure(command, environment)[0] * 1e3 for _ in range(runs)]
            print(f"{statistics.median(times):.0f} ms (least {min(times):.0f}): {sentence}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
