"""Hold composed times against the whole model's: `python -m tests.benchmarks.composed smollm-135m gpt2`.

Whole and parts are built side by side and timed in turn, round after round, so that what disturbs the machine
disturbs all of them: runs of `moecalc profile --layers all` and `--layers kinds` one after another differ by more than
composing does. The ratio is the median over rounds of composed over whole, with its quartiles.
"""

import argparse
from statistics import quantiles
from typing import Any

from moecalc.api.loading import load
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.by_kinds import layers_of
from moecalc.profile.measure.compose import composed_seconds
from moecalc.profile.measure.device import choose_device, import_torch, torch_dtype
from moecalc.profile.measure.making import Maker, maker_for
from moecalc.profile.measure.sampling import Conditions, prepared
from moecalc.profile.measure.steps import StepPlan, steps_of
from moecalc.profile.measure.timing import WARM_UP, clock_for

TARGET = 0.05
"""How far composed times may be off the whole's."""


def main() -> None:
    """Print composed over whole, of each model and step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--context", type=int, default=256)
    given = parser.parse_args()
    torch = import_torch()
    for name in given.models:
        asked = Asked(cpu=True, prompt=given.prompt, context=given.context, batches=(1, 4), dtype="fp32")
        device = choose_device(None, cpu=True)
        model = load(name)
        dtype = torch_dtype(asked.dtype, device)
        maker = maker_for(model, asked, device, dtype, model.precision)
        conditions = Conditions(torch, device, clock_for(device), 1, maker.vocabulary)
        steps = steps_of(asked.prompt, asked.context, asked.batches, calibrate=False)
        with torch.inference_mode():
            _hold(name, maker, steps, conditions, given.rounds)


def _hold(name: str, maker: Maker, steps: tuple[StepPlan, ...], conditions: Conditions, rounds: int) -> None:
    whole = maker.whole()
    layers = [(kind.layers, layers_of(kind, maker, None)) for kind in maker.kinds]
    parts = [
        maker.with_layers_of(kind, measured) for kind, (_, measured) in zip(maker.kinds, layers, strict=True)
    ]
    shares = ", ".join(f"{measured} of {every} layers" for every, measured in layers)
    for step in steps:
        bases = [part.without_layers() for part in parts]
        calls = [prepared(runner, step, conditions)[1:] for runner in (whole, *bases, *parts)]
        ratios = []
        for turn in range(WARM_UP + rounds):
            seconds, *others = (_timed(conditions, again, call) for again, call in calls)
            alone, of_parts = others[: len(parts)], others[len(parts) :]
            if turn >= WARM_UP:
                ratios.append(composed_seconds(alone, of_parts, layers) / seconds)
        low, middle, high = quantiles(ratios, n=4)
        verdict = "within" if abs(middle - 1) <= TARGET else "off by more than"
        print(
            f"{name} ({shares}) {step.phase} batch {step.batch}: composed / whole {middle:.3f} "
            f"({low:.3f} to {high:.3f}, quartiles of {rounds} rounds), {verdict} {TARGET:.0%}",
            flush=True,
        )


def _timed(conditions: Conditions, again: Any, call: Any) -> float:
    again()
    return conditions.clock.seconds(call)


if __name__ == "__main__":
    main()
