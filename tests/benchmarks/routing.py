"""Time the full table of DeepSeek-V3, 58 layers of 256 experts over 13 batches: `python -m tests.benchmarks.routing`.

Loading the model, importing numpy and the simulations are part of what is timed; each law runs in a process of its own.
"""

import subprocess
import sys
import time

TARGET_SECONDS = 1.0

LAWS = ("uniform", "zipf:0.5", "dirichlet:0.5")


def main() -> None:
    """Print how long each law takes."""
    for law in LAWS:
        command = [sys.executable, "-m", "moecalc", "routing", "deepseek-v3", "--ep", "32", "--skew", law]
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.perf_counter() - start
        print(f"{law}: {seconds:.2f} s of {TARGET_SECONDS:.0f} s, the command from its start")


if __name__ == "__main__":
    main()
