"""One model over every listed device x count x plan x recipe: `python -m tests.benchmarks.fit`. Target: 2 seconds.

Plans are all combinations of tensor, pipeline and expert parallelism that `fit` tries, recipes all that `--quant` has
a name for. Nothing stops at the first count that fits, so this is more than `moecalc fit MODEL` does.
"""

import statistics
import sys
import time

from moecalc.api.fit_setting import Asked
from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.api.precision import RELEASED, quant_names
from moecalc.calc.deploy.budget import fullest, usable
from moecalc.calc.deploy.case import Room
from moecalc.calc.deploy.search import COUNTS
from moecalc.errors import InputError
from moecalc.specs.hardware import accelerators

MODELS = ("deepseek-v3", "qwen3-235b-a22b", "gpt-oss-120b", "llama-3.1-70b")
CONTEXT = 32_768


def sweep(model: Model) -> tuple[int, int]:
    """Combinations of device, count, plan and recipe, and how many of them fit."""
    asked = Asked(model, context=CONTEXT, sequences=1, kv_dtype=None, utilization=None, engine=None)
    tried = fits = 0
    capacities = [device.usable_bytes() for device in accelerators()]
    known = [capacity.bytes for capacity in capacities if capacity is not None]
    for quant in (RELEASED, *quant_names()):
        try:
            setting, precision = asked.setting(quant, ()), asked.precision(quant)
        except InputError:
            continue
        shards, case = asked.shards(setting), setting.case
        rooms = [usable(capacity, setting.utilization) for capacity in known]
        for count in COUNTS:
            room = Room((0,) * count, setting.overhead(count))
            for plan in shards.plans(count, case.layers_only):
                need = fullest(case.ranks(case.holding(shards.sharded(plan), precision), room)).total_bytes
                fits += sum(need <= room_bytes for room_bytes in rooms)
                tried += len(known)
    return tried, fits


def main(runs: int = 3) -> None:
    """Print the median for each model."""
    for name in sys.argv[1:] or MODELS:
        model = load(name)
        assert isinstance(model, Model)
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            tried, fits = sweep(model)
            times.append(time.perf_counter() - start)
        seconds = statistics.median(times)
        print(f"{name}: {tried:,} combinations, {fits:,} fit: {seconds:.2f} s (median of {runs}; target 2 s)")


if __name__ == "__main__":
    main()
