"""`moecalc design` over about 100,000 combinations: `python -m tests.benchmarks.design`. Target: under 10 seconds.

As a whole process, imports included: once with budgets, as people search, and once without any, where every design's
speed and cost is told too. Rebuilding is timed beside it: some designs through blocks, rows and calculators each.
"""

import math
import os
import statistics
import sys
import tempfile
import time

from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.specs.design_axes import parse_axis
from moecalc.specs.design_template import Template
from tests.benchmarks.startup import measure

LIKE = "qwen3-30b-a3b"
AXES = (
    "--hidden 2048..4096/512 --layers 24..60/2 --experts 32..512/32 --top-k 4..16/2 --expert-width 512..2048"
)
SEARCH = f"design --like {LIKE} {AXES} --context 128k --gpu h100 --json"
BUDGETS = "--active 3B --total 30B --vram 80GB"
REBUILT = 500


def rebuilding(count: int) -> float:
    """Seconds for each of so many designs, built one by one: parameters, bytes and FLOPs."""
    model = load(LIKE)
    assert isinstance(model, Model)
    template = Template(LIKE, model.architecture)
    start = time.perf_counter()
    for number in range(count):
        made = Model(
            name="x", title="x", source="x", architecture=template.built({"experts": 16 + number, "top_k": 4})
        )
        assert made.params.total > made.params.active()
        assert made.weight_bytes() + made.state_bytes(131_072) + made.decode_flops(131_072)
    return (time.perf_counter() - start) / count


def main(runs: int = 3) -> None:
    """Print the median wall time of both searches, and what rebuilding as many would take."""
    options = dict(zip(AXES.split()[::2], AXES.split()[1::2], strict=True))
    axes = (parse_axis(name.removeprefix("--").replace("-", "_"), text) for name, text in options.items())
    combinations = math.prod(len(axis.values) for axis in axes)
    with tempfile.TemporaryDirectory() as bytecode:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for words, more in (("within budgets", BUDGETS.split()), ("without budgets", [])):
            command = [sys.executable, "-m", "moecalc", *SEARCH.split(), *more]
            seconds = statistics.median(measure(command, environment)[0] for _ in range(runs))
            print(f"{combinations:,} combinations, {words}: {seconds:.1f} s (median of {runs}; target 10 s)")
    each = rebuilding(REBUILT)
    print(f"rebuilt one by one: {each * 1e3:.2f} ms each, {each * combinations:.0f} s for as many")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
