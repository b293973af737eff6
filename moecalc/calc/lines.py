"""The public lines of a model whose architecture is known. Ids are stable; the README defines each."""

from fractions import Fraction

from moecalc.calc import flops, media, memory, parameters
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.ir.step import Media, Step
from moecalc.report import Line
from moecalc.specs.formats import Precision
from moecalc.specs.kv_formats import served_words
from moecalc.specs.workload import Workload

ACTIVE_LABELS = {
    "all": "active per token (all)",
    "no_input_embedding": "active per token (no input embedding)",
    "no_embeddings": "active per token (no embeddings)",
}


def lines(ledger: Ledger, precision: Precision, kv_dtype: str, workload: Workload) -> list[Line]:
    """Every public line, in reading order."""
    return [
        *parameter_lines(ledger),
        *memory_lines(ledger, precision, kv_dtype, workload),
        *source_lines(ledger, kv_dtype, workload),
        *flops_lines(ledger, workload),
    ]


def parameter_lines(ledger: Ledger) -> list[Line]:
    """Total, active under three conventions, routed, buffers, and what stands beside the language model."""

    def line(name: str, label: str, value: object, basis: str = "exact", **more: object) -> Line:
        return Line(id=f"params.{name}", label=label, value=value, unit="parameters", basis=basis, **more)  # type: ignore[arg-type]

    low, high = parameters.active_range(ledger)
    spread = (
        {} if low == high else {"low": low, "high": high, "note": "expected; zero-compute experts vary it"}
    )
    made = [
        line(
            "total", "parameters, total", parameters.total(ledger), formula="sum of stored tensors, tied once"
        )
    ]
    made += [
        line(
            f"active.{convention}",
            ACTIVE_LABELS[convention],
            parameters.active(ledger, convention),
            "convention",
            formula="always-on weights + top_k/experts of the routed",
            **(spread if convention == "all" else {}),
        )
        for convention in parameters.ACTIVE_CONVENTIONS
    ]
    made.append(line("routed", "routed experts", parameters.routed(ledger)))
    made.append(line("buffers", "buffers (stored, no parameters)", parameters.buffers(ledger)))
    mtp = parameters.component_total(ledger, Component.MTP)
    made.append(line("mtp", "MTP modules, unique weights", mtp, note="beside the total"))
    for component, label in (
        (Component.VISION, "vision tower, projector"),
        (Component.AUDIO, "audio tower, projector"),
    ):
        size = parameters.tower_total(ledger, component)
        if size:
            made.append(line(component.value, label, size, note="beside the total"))
    return made


def memory_lines(ledger: Ledger, precision: Precision, kv_dtype: str, workload: Workload) -> list[Line]:
    """Weights as stored; state per token, and at the context for the batch."""
    context, batch, runtime = workload.context, workload.batch, workload.runtime
    where = f"at {context:,} tokens" + (f" x {batch:,} sequences" if batch > 1 else "")
    held = "logical" if runtime is None else f"as {runtime} reserves it"
    words = served_words(ledger)
    kept = f"; {words}" if words else ""
    weights = memory.weight_bytes(ledger, precision)
    label, note = f"weights, {precision.default}", ""
    if precision.title:
        bits = 8 * weights / parameters.total(ledger)
        label = f"weights, {precision.title}"
        low, high = (f"{size / 10**6:.2g}" for size in memory.gguf_header_bytes(ledger))
        note = f"{float(bits):.2f} bits per weight; "
        note += precision.note or f"a file has {low} to {high} MB of vocabulary beside them"
    elif precision.mixed:
        label, note = "weights as released", precision.label
    return [
        Line(
            id="weights.bytes",
            label=label,
            value=weights,
            unit="bytes",
            basis="exact",
            formula="stored tensors x bytes of their format, scales and buffers included",
            note=note,
        ),
        Line(
            id="state.bytes_per_token",
            label=f"state per token, {kv_dtype}",
            value=memory.state_bytes_per_token(ledger, context, kv_dtype),
            unit="bytes",
            basis="exact",
            formula="growth by one more token",
            note=f"at {context:,} tokens{kept}",
        ),
        Line(
            id="state.bytes",
            label=f"state {where}, {kv_dtype}",
            value=memory.state_bytes(ledger, context, kv_dtype, batch, runtime),
            unit="bytes",
            basis="exact" if runtime is None else "convention",
            formula=f"{batch:,} x what one sequence remembers",
            note=held + (kept if runtime is None else ""),
        ),
        Line(
            id="state.elements",
            label=f"state elements {where}",
            value=batch * memory.state_elements(ledger, context, runtime),
            unit="elements",
            basis="exact" if runtime is None else "convention",
            note=held,
        ),
    ]


def source_lines(ledger: Ledger, kv_dtype: str, workload: Workload) -> list[Line]:
    """Keys and values of the images for cross-attention; only where the model has it and there are images."""
    source, batch = workload.media.source, workload.batch
    if not source:
        return []
    return [
        Line(
            id="state.source_bytes",
            label=f"state of the images, {kv_dtype}",
            value=batch * media.source_bytes(ledger, workload.media, kv_dtype),
            unit="bytes",
            basis="exact",
            formula=f"{batch:,} x keys and values of {source:,} vectors, in each layer of cross-attention",
            note="beside the state of the tokens",
        )
    ]


def flops_lines(ledger: Ledger, workload: Workload) -> list[Line]:
    """Decode of one token at the context; prefill of the prompt, whole and per token; of one sequence."""
    how, seen = counting_of(workload, ledger), workload.media
    decode = flops.step_flops(ledger, Step.decode(workload.context, media=seen), how)
    prefill = flops.step_flops(ledger, Step(workload.prompt, workload.past, media=seen), how)
    keys, prompt = f"{workload.context:,} keys", f"prompt of {workload.prompt:,}"
    if workload.past:
        prompt += f" behind {workload.past:,}"

    def line(name: str, label: str, value: object) -> Line:
        return Line(
            id=f"flops.{name}",
            label=label,
            value=value,
            unit="FLOPs",
            basis="convention",
            formula="2 per multiply-accumulate",
            note=how.words,
        )

    return [
        line("decode_per_token", f"FLOPs per token, decode, {keys}", decode),
        line("prefill_per_token", f"FLOPs per token, {prompt}", _mean(prefill, workload.prompt)),
        line("prefill", f"FLOPs, {prompt}", prefill),
        *tower_lines(ledger, workload, how),
    ]


def tower_lines(ledger: Ledger, workload: Workload, how: flops.Counting) -> list[Line]:
    """What images and sound of one sequence cost in their towers, beside its prompt; only where there are any."""
    made = []
    for component, words in media_words(workload.media).items():
        made.append(
            Line(
                id=f"flops.{component.value}",
                label=f"FLOPs, {words}",
                value=sum(media.tower_flops(ledger, component, workload.media, how).values()),
                unit="FLOPs",
                basis="convention",
                formula="2 per multiply-accumulate, the whole tower with its projectors",
                note="beside the prompt",
            )
        )
    return made


def media_words(given: Media) -> dict[Component, str]:
    """What each tower reads, in words: `vision tower, 2 images of 576 patches`."""
    words = {}
    if given.images:
        images = "1 image" if given.images == 1 else f"{given.images:,} images"
        words[Component.VISION] = f"vision tower, {images} of {given.patches:,} patches"
    if given.frames:
        words[Component.AUDIO] = f"audio tower, {given.frames:,} frames"
    return words


def counting_of(workload: Workload, ledger: Ledger | None = None) -> flops.Counting:
    """The way to count that a workload names. Raises InputError naming the choices.

    With a ledger, also for a form that the model has no layer for.
    """
    how = flops.counting(workload.convention, workload.pairs, workload.logits, workload.form)
    if ledger is not None:
        flops.check_forms(ledger, workload.form)
    return how


def _mean(total: int, count: int) -> object:
    mean = Fraction(total, count)
    return int(mean) if mean.denominator == 1 else mean
