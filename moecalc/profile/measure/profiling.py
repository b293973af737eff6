"""One run: device, ceilings, the model whole or by its kinds of layers, every step, and the figures."""

import datetime as dt
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from msgspec import structs

from moecalc.api.model import Model
from moecalc.calc.speed.calibrated import calibrate
from moecalc.errors import InputError, UndeterminedError
from moecalc.profile.measure.arithmetic import arithmetic_of
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.by_kinds import by_kinds
from moecalc.profile.measure.ceilings import measure_ceilings, own_shapes, raised
from moecalc.profile.measure.clocks import slowest
from moecalc.profile.measure.components import component_times, save_trace, traced
from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.device import (
    choose_device,
    describe_device,
    free_bytes,
    import_torch,
    torch_dtype,
)
from moecalc.profile.measure.figures import figures
from moecalc.profile.measure.fitting import check_positions, fits, needed_bytes, too_large
from moecalc.profile.measure.graphs import never_captured
from moecalc.profile.measure.l2 import notes_of_steps
from moecalc.profile.measure.making import Maker, maker_for
from moecalc.profile.measure.notes import notes_of
from moecalc.profile.measure.out_of_memory import full_device, out_of_memory_as, ran_out
from moecalc.profile.measure.runner import Runner
from moecalc.profile.measure.sampling import Conditions, notes_of_graphs, prepared, sample
from moecalc.profile.measure.steps import Sample, StepPlan, steps_of
from moecalc.profile.measure.timing import clock_for
from moecalc.specs.runs import ComponentTime, Run

Progress = Callable[[int, int], None]
"""Steps that are done, and all there are."""


def profile(model: Any, asked: Asked, progress: Progress | None = None) -> Run:
    """Time a model and hold what was computed against it.

    Raises InputError where torch is missing, the device or the dtype is, or the model does not fit;
    UndeterminedError for a model whose architecture is not known.
    """
    if not isinstance(model, Model):
        raise UndeterminedError(
            f"`{model.name}` has no known architecture to build",
            hint="name a model of the catalogue or a config: `moecalc list`",
        )
    torch = import_torch()
    device = choose_device(asked.gpu, cpu=asked.cpu)
    where, free = f"`{device}`", free_bytes(device)  # before anything is built there
    with out_of_memory_as(lambda: full_device(where, free, "to try the dtype in")):
        dtype = torch_dtype(asked.dtype, device)
    computed = _computed(model, asked, device, dtype)
    steps = steps_of(asked.prompt, asked.context, asked.batches, calibrate=asked.calibrate)
    check_positions(computed, steps)
    if asked.via and not fits(needed_bytes([computed], steps), free):
        raise too_large([computed], steps, free, where, by_kinds=False)  # known before it is built
    own = asked.via is None
    with out_of_memory_as(lambda: ran_out([computed], steps, free, where, "as it was built", by_kinds=own)):
        maker = maker_for(model, asked, device, dtype, computed.precision)
    whole = _is_whole(computed, asked, steps, maker, free)
    built = [computed] if whole else [computed.with_one_layer_of(kind.name) for kind in maker.kinds]
    if asked.trace and not whole:
        raise InputError(
            "a trace is of one model, and this one is composed of parts",
            hint="`--layers all` runs it whole, where it fits",
        )
    if not fits(needed_bytes(built, steps), free):
        raise too_large(built, steps, free, where)
    clock = clock_for(device)
    with out_of_memory_as(lambda: full_device(where, free, "to measure its ceilings in")):
        shapes = own_shapes(computed.ledger, asked.prompt)
        ceilings = measure_ceilings(torch, device, dtype, asked.dtype, clock, shapes)
    torch.manual_seed(asked.seed)
    never = never_captured(computed.ledger, asked.via)
    conditions = Conditions(torch, device, clock, asked.repeats, maker.vocabulary, never)
    parts = 1 if whole else len(maker.kinds)
    done = _counter(progress, parts * len(steps))
    apart = bool(maker.kinds)
    with out_of_memory_as(lambda: ran_out(built, steps, free, where, "in its steps", by_kinds=apart)):
        composition: list[str] = []
        if whole:
            seen, components = _whole(maker, steps, conditions, asked, done)
        else:
            (seen, composition), components = by_kinds(maker, computed, steps, conditions, done), ()
    arithmetic = arithmetic_of(torch, device)
    described = describe_device(device, slowest(conditions.clocks))
    roofline = computed.roofline(ceilings, described.name)
    points = {step.plan: computed.point(roofline, step) for step in seen.steps}
    if whole:  # steps of a composed run were not timed: they are sums of differences
        ceilings = raised(ceilings, points.values())
        roofline = computed.roofline(ceilings, described.name)
    bounds = {step: float(computed.bound(roofline, step).seconds) for step in points}
    calibration = calibrate(points.values(), ceilings) if asked.calibrate else None
    notes = [*maker.notes, *composition, *notes_of_graphs(conditions)]
    notes += notes_of_steps(points.values(), described.l2_bytes)
    notes += notes_of(seen, asked.dtype, asked.quant, computed.packed_rows)
    return Run(
        moecalc=version("moecalc"),
        model=model.name,
        source=model.source,
        date=dt.datetime.now(dt.UTC).replace(microsecond=0),
        seed=asked.seed,
        runner=maker.name,
        dtype=asked.dtype,
        quant=asked.quant,
        layers="whole" if whole else "composed",
        prompt=asked.prompt,
        context=asked.context,
        batches=asked.batches,
        routing=asked.skew.words,
        repeats=asked.repeats,
        device=described,
        arithmetic=arithmetic,
        ceilings=ceilings,
        figures=tuple(figures(computed, seen, points, ceilings, bounds)),
        points=tuple(points.values()),
        components=components,
        calibration=calibration,
        notes=tuple(notes),
    )


def _computed(model: Model, asked: Asked, device: Any, dtype: Any) -> Computed:
    computed = Computed(model=model, dtype=asked.dtype, skew=asked.skew, quant=asked.quant)
    if asked.quant is None:
        return computed
    from moecalc.profile.builder.weight_only import dense_bytes, packed_rows

    most = dense_bytes(computed.ledger.weights, computed.precision, dtype)
    return structs.replace(computed, dense_bytes=most, packed_rows=packed_rows(asked.quant, device, dtype))


_Seen = tuple[Sample, tuple[ComponentTime, ...]]


def _whole(
    maker: Maker, steps: Sequence[StepPlan], conditions: Conditions, asked: Asked, done: Callable[[], None]
) -> _Seen:
    runner = maker.whole()
    seen = sample(runner, steps, conditions, done)
    return seen, _components(runner, steps, conditions, asked.trace)


def _components(
    runner: Runner, steps: Sequence[StepPlan], conditions: Conditions, path: str | None
) -> tuple[ComponentTime, ...]:
    shown = [step for step in steps if step.shown]
    with conditions.torch.inference_mode():
        ready = ((step, *prepared(runner, step, conditions)[1:]) for step in shown)
        seen = traced(conditions.torch, conditions.device, ready)
    if path is not None:
        save_trace(seen, path)
    events = list(seen.events())
    on_device = conditions.device.type == "cuda"
    return tuple(
        time
        for step in shown
        for time in component_times(events, step.phase, step.batch, on_device=on_device)
    )


def _is_whole(
    computed: Computed, asked: Asked, steps: Sequence[StepPlan], maker: Maker, free: int | None
) -> bool:
    """Whether the model is run whole. Raises InputError where what was asked for does not fit."""
    where = f"`{maker.device}`"
    if asked.layers == "kinds":
        if not maker.kinds:
            raise InputError(
                f"`{computed.model.name}` has no layers that stand for others: its stacks run in a loop",
                hint="`--layers all`",
            )
        return False
    if fits(needed_bytes([computed], steps), free):
        return True
    if asked.layers == "all" or not maker.kinds:
        raise too_large([computed], steps, free, where, by_kinds=bool(maker.kinds))
    return False


def _counter(progress: Progress | None, total: int) -> Callable[[], None]:
    finished = 0

    def done() -> None:
        nonlocal finished
        finished += 1
        if progress is not None:
            progress(finished, total)

    return done
