"""Time 100,000 (plan, batch, context) points of DeepSeek-V3 at the ceiling: `python -m tests.benchmarks.speed`.

Loading the model, sharding it under every plan and importing numpy are part of what is timed.
"""

import time

import moecalc
from moecalc.api.rooflines import roofline
from moecalc.calc.speed.sweep import decode_grid
from moecalc.specs.fleet import parse
from moecalc.specs.plan import Plan

PLANS = (
    Plan(tensor=8),
    Plan(tensor=8, expert=8),
    Plan(data=8, expert=8),
    Plan(tensor=2, data=4, expert=8),
    Plan(tensor=4, data=2, expert=8),
    Plan(tensor=4, pipeline=2),
    Plan(tensor=2, pipeline=4),
    Plan(pipeline=8),
    Plan(tensor=8, attention_data=8, expert=8),
    Plan(tensor=8, decode_context=8),
)
BATCHES = tuple(range(1, 4097, 41))
CONTEXTS = tuple(range(1024, 1024 * 101, 1024))


def main() -> None:
    """Print how many points there were and how long they took."""
    start = time.perf_counter()
    model, fleet = moecalc.load("deepseek-v3"), parse("8xh200")
    points, slowest = 0, 0.0
    for plan in PLANS:
        grid = decode_grid(roofline(model, fleet, plan), BATCHES, CONTEXTS)
        points += sum(map(len, grid.seconds))
        slowest = max(slowest, *(max(row) for row in grid.seconds))
    seconds = time.perf_counter() - start
    print(
        f"{points:,} points under {len(PLANS)} plans: {seconds:.2f} s (target 5 s); the slowest step {slowest:.3f} s"
    )


if __name__ == "__main__":
    main()
