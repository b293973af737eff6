"""What `fit` says under its table: ways out, copies, what was left out and assumed."""

from collections.abc import Iterator

from moecalc.calc.deploy.fitted import Fit
from moecalc.render.fit_words import (
    assumed_words,
    flags_words,
    gib,
    moved_words,
)
from moecalc.specs.kv_formats import served_words
from moecalc.units import format_counted

WORTH_A_WORD = 2**20 * 100
"""Bytes of copies below which only `--explain` speaks of them."""


def remarks(fit: Fit, explain: bool = False) -> list[str]:
    """What stands behind the figures, and what else could be done."""
    said = [
        *([f"llama.cpp: {fit.launch}"] if fit.launch else []),
        *_decode_ceiling(fit),
        *_ways_out(fit),
        *_copies(fit, explain),
    ]
    if explain and fit.offload is not None and fit.offload.override_tensor:
        said.append(f"the same as a pattern: {fit.offload.override_tensor}")
    words = {"mtp": "prediction modules", "vision": "the vision tower", "audio": "the audio tower"}
    said += [f"not counted: {words[what]}, {gib(size)} GiB" for what, size in fit.left_out if what in words]
    said += [f"memory of {note}" for note in fit.capacity_notes]
    said.append(f"assumed: {assumed_words(fit.setting_in_force)}{_kept(fit)}{_padding(fit)}")
    return said


def _kept(fit: Fit) -> str:
    words = served_words(fit.holding.sharded.ledger)
    return f", {words}" if words and fit.setting_in_force.engine.reservation.rule != "cells" else ""


def _padding(fit: Fit) -> str:
    padded = 0 if fit.placed is not None else fit.holding.padding_bytes[fit.fullest.stage]
    return f"; of the runtime {gib(padded)} GiB are kernels' padding of the experts" if padded else ""


def _decode_ceiling(fit: Fit) -> Iterator[str]:
    if fit.placed is None:
        return
    found, case = fit.offload_ceiling, fit.setting.case
    if found is None:
        yield "decode ceiling: not known without bandwidths; `--ram-bandwidth 80GB/s` gives the RAM's" + (
            ", `--bandwidth 1008GB/s` the device's" if fit.fleet.devices[0].bandwidth is None else ""
        )
        return
    parts = ", ".join(f"{part.name} {part.seconds * 1000:.3g} ms" for part in found.parts)
    yield (
        f"decode ceiling: {found.tokens_per_second:,.3g} tokens/s for {format_counted(case.sequences, 'sequence')} of "
        f"{format_counted(case.context, 'token')}, uniform routing; a step reads {parts}; `moecalc speed` says more"
    )


def _ways_out(fit: Fit) -> Iterator[str]:
    if not fit.holds and fit.best is not None:
        yield f"most bits that fit: `--quant {fit.best.quant}`"
    hosted = fit.best_offload
    if not fit.holds and hosted is not None and hosted.offload is not None:
        how = f"{moved_words(hosted.offload)}: {' '.join(hosted.offload.flags)}"
        yield f"most bits that fit with RAM: `--quant {hosted.quant}`, {how}"
    found = fit.offload
    if found is not None and not fit.holds:
        yield (
            f"llama.cpp with {moved_words(found)}, {gib(found.ram.bytes)} GiB of RAM: {flags_words(fit, found)}; "
            "`--ram 64GiB` says how much there is"
        )
    if fit.unlimited is not None and fit.fleet.host.ram is not None:
        yield (
            f"llama.cpp would need {gib(fit.unlimited.ram.bytes)} GiB of RAM beside, "
            f"{gib(fit.fleet.host.ram.bytes)} GiB are named: {flags_words(fit, fit.unlimited)}"
        )
    if fit.offload_instead is not None:
        quant, placed = fit.offload_instead
        yield (
            f"llama.cpp does not read {fit.quant_words}; with `--quant {quant}` and {moved_words(placed)}, "
            f"{gib(placed.ram.bytes)} GiB of RAM: {flags_words(fit, placed)}"
        )
    kt = fit.ktransformers
    if kt is not None:
        yield (
            f"ktransformers (SGLang): {' '.join(kt.flags)}: {kt.gpu_experts} of {kt.experts} experts of each layer "
            f"on the GPUs, {gib(kt.gpu_bytes)} GiB each; {gib(kt.ram_bytes)} GiB of RAM for the whole model"
        )
    if fit.evener is not None:
        yield f"it fits with `{fit.evener.with_stages}`"
    if fit.roomier is not None:
        yield f"more sequences: `{fit.roomier.plan}` holds {fit.roomier.max_sequences:,}"


def _copies(fit: Fit, explain: bool) -> Iterator[str]:
    if fit.offload is not None and fit.holds:
        return
    copied = [part for part in fit.surplus if explain or part.bytes >= WORTH_A_WORD]
    if copied:
        words = ", ".join(f"{part.what} {gib(part.bytes)} GiB {part.why}" for part in copied)
        yield f"beyond one copy of the weights, the ranks together hold {words}"
    if fit.kv_copies > 1:
        yield f"state: every key-value head or latent is on {fit.kv_copies} ranks of a copy of attention"
