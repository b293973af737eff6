"""The table: every figure computed and measured, each with the tolerance within which it has to hold.

What a router draws has to hold within what one draw of its law may be off, but once in 10,000 draws.
"""

from collections.abc import Iterator

from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.steps import Sample, StepPlan, StepSample, Touched
from moecalc.specs.runs import Ceilings, Figure, Point

PEAK_TOLERANCE = 0.02
"""Of peak memory: activations are an estimate, weights and state are not."""

ROUNDED = 6
"""Digits of an expectation: it is exact where all draws are alike, but for the rounding of powers."""

LEAST = "the least at this run's ceilings"
"""What the computed time of a step is: no estimate of what it takes."""

BEATEN = (
    "beats the ceiling: what it reads lies in caches, or the device was busier while the ceiling was timed"
)


def figures(
    computed: Computed,
    sample: Sample,
    points: dict[StepPlan, Point],
    ceilings: Ceilings,
    bounds: dict[StepPlan, float],
) -> Iterator[Figure]:
    """All lines, in the order of the table; `bounds` are seconds that a step takes at least at these ceilings."""
    yield _exact("parameters", "parameters", "parameters", computed.parameters, sample.parameters)
    yield _exact("weight_bytes", "weights", "bytes", computed.weight_bytes, sample.weight_bytes)
    for step in (step for step in sample.steps if step.plan.shown):
        yield from _of_step(computed, sample, step, points[step.plan], ceilings, bounds[step.plan])


def _of_step(
    computed: Computed,
    sample: Sample,
    step: StepSample,
    point: Point,
    ceilings: Ceilings,
    bound: float,
) -> Iterator[Figure]:
    plan, phase, batch = step.plan, step.plan.phase, step.plan.batch
    tokens = batch * plan.new
    seconds = step.timing.seconds
    yield _exact(
        f"{phase}.state_bytes", "state", "bytes", computed.state_bytes(plan), step.state_bytes, batch
    )
    held = sample.weight_bytes + (step.state_bytes or 0)
    measured = (
        None if step.transient_bytes is None or step.state_bytes is None else held + step.transient_bytes
    )
    yield Figure(
        id=f"{phase}.peak_bytes",
        label="peak memory",
        unit="bytes",
        batch=batch,
        computed=computed.peak_bytes(plan),
        measured=measured,
        tolerance=PEAK_TOLERANCE,
    )
    drawn, flops_notes = computed.draws_flops, []
    if drawn:
        flops_notes.append("computed by uniform choice among experts with weights and without; one draw")
    if phase == "prefill":
        flops_notes.append("of all score positions, masked ones too")
    flops = computed.counted_flops(plan)
    strays = computed.flops_deviation(plan, step.touched) if drawn and step.touched else 0.0
    yield Figure(
        id=f"{phase}.flops",
        label="FLOPs",
        unit="FLOPs",
        batch=batch,
        computed=flops,
        measured=step.flops,
        tolerance=strays / flops,
        note="; ".join(flops_notes),
    )
    name = "decode step" if phase == "decode" else "prefill"
    spread = f"{step.timing.low_seconds:.3g} to {step.timing.high_seconds:.3g} s in {step.timing.repeats}"
    yield Figure(
        id=f"{phase}.seconds",
        label=name,
        unit="s",
        batch=batch,
        computed=bound,
        measured=seconds,
        note=f"{spread}; computed: {LEAST}" if seconds >= bound else f"{spread}; {BEATEN}",
    )
    yield Figure(
        id=f"{phase}.tokens_per_second",
        label="tokens/s",
        unit="tokens/s",
        batch=batch,
        computed=tokens / bound,
        measured=tokens / seconds,
    )
    yield Figure(
        id=f"{phase}.mfu",
        label="MFU",
        unit="share",
        batch=batch,
        measured=point.flops / seconds / ceilings.flops_per_second,
        note="of the FLOPs that causal attention needs" if phase == "prefill" else "",
    )
    share = point.moved_bytes / seconds / ceilings.bytes_per_second
    yield Figure(
        id=f"{phase}.mbu",
        label="MBU",
        unit="share",
        batch=batch,
        measured=share,
        note=BEATEN if share > 1 else "",
    )
    expected = computed.touched(plan)
    if expected is not None:
        seen = step.touched
        yield Figure(
            id=f"{phase}.experts",
            label="experts touched",
            unit="",
            batch=batch,
            computed=round(expected, ROUNDED),
            measured=seen.distinct if seen else None,
            tolerance=computed.touched_deviation(plan, seen) / expected if seen else None,
            note=touched_words(seen) if seen else "",
        )


def touched_words(touched: Touched) -> str:
    """What was counted, of how many experts, and whether for more layers than it was counted in."""
    said = f"of {touched.experts:,} in {touched.layers} layers"
    if touched.counted_in == touched.layers:
        return said
    return f"{said}; counted in {touched.counted_in} of them, which stand for the others"


def _exact(
    figure_id: str,
    label: str,
    unit: str,
    computed: int | None,
    measured: int | None,
    batch: int | None = None,
) -> Figure:
    return Figure(
        id=figure_id, label=label, unit=unit, batch=batch, computed=computed, measured=measured, tolerance=0.0
    )
