"""`moecalc fit` with devices: the answer first, then the fullest rank, then what else would fit."""

from collections.abc import Iterable, Iterator, Sequence

from moecalc.calc.deploy.budget import MOST_SEQUENCES, Rank
from moecalc.calc.deploy.fitted import Fit, Option, Setting, device_words
from moecalc.calc.deploy.offload import Holds, Offload, context_options
from moecalc.ir.numeric import Number
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.specs.workload import LONGEST
from moecalc.units import format_bytes_decimal

PARTS = (
    ("weight_bytes", "weights", "█"),
    ("state_bytes", "state", "▓"),
    ("activation_bytes", "activations", "▒"),
    ("overhead_bytes", "runtime", "░"),
)
"""Field of a rank, its word, and how the bar draws it."""

WORTH_A_WORD = 2**20 * 100
"""Bytes of copies below which only `--explain` speaks of them."""


def fit_text(fit: Fit, columns: int, explain: bool = False) -> str:
    """The whole answer as text, `columns` wide; `explain` draws every rank's budget."""
    lines = [bold(f"{fit.model} on {fit.devices}")]
    for sentence in (verdict(fit), reach(fit)):
        lines += paragraph(sentence, columns, "  ") if sentence else []
    lines.append("")
    if fit.offload is not None and fit.holds:
        lines += _offload_bars(fit, fit.offload, columns)
    else:
        for rank in fit.ranks if explain else (fit.fullest,):
            lines += _bar(_name(fit, rank), _parts(rank), rank.capacity_bytes, columns)
            lines += _groups(fit, rank, columns, explain)
    lines.append("")
    rows = option_rows(fit)
    laid = table(rows, "<>>>><")
    if max(map(len, laid)) > columns:
        laid = table([row[:5] for row in rows], "<>>>>")
    lines += [bold(laid[0]), *laid[1:]]
    lines += [*paragraph(caption(fit), columns), ""]
    for remark in [*remarks(fit, explain), *(f"warning: {warning}" for warning in fit.warnings)]:
        lines += paragraph(remark, columns, "  ")
    return "\n".join(lines)


def fit_markdown(fit: Fit, explain: bool = False) -> str:
    """The same as Markdown."""
    said = [f"**{fit.model} on {fit.devices}**: {verdict(fit)}", reach(fit)]
    if fit.offload is not None and fit.holds:
        said.append(markdown_table(_offload_rows(fit, fit.offload)))
    else:
        for rank in fit.ranks if explain else (fit.fullest,):
            rows = [[_name(fit, rank), "bytes", "GiB"]]
            rows += [[word, f"{int(size):,}", _gib(size)] for word, _, size in _parts(rank)]
            rows.append(["sum", f"{int(rank.total_bytes):,}", _gib(rank.total_bytes)])
            rows.append(["usable", f"{int(rank.capacity_bytes):,}", _gib(rank.capacity_bytes)])
            said.append(markdown_table(rows))
    said += [markdown_table(option_rows(fit)), caption(fit), *remarks(fit, explain)]
    said += [f"warning: {warning}" for warning in fit.warnings]
    return "\n\n".join(part for part in said if part)


def verdict(fit: Fit) -> str:
    """Whether it fits, by how much, and what would make it."""
    case, rank = fit.setting.case, fit.fullest
    asked = f"{_sequences(case.sequences)} of {_tokens(case.context)}, {fit.quant_words}"
    where = " on the fullest rank" if fit.fleet.count > 1 else ""
    if fit.fits:
        return f"fits with {_gib(rank.free_bytes)} GiB to spare{where}: {asked}{_plan(fit)}"
    if fit.offload is not None and fit.holds:
        return f"fits with {_moved(fit.offload)}: {_flags(fit, fit.offload)}"
    lacks = "the fullest rank lacks" if fit.fleet.count > 1 else "lacks"
    beside = " but with experts in RAM by ktransformers (below)" if fit.ktransformers else ""
    return f"does not fit{beside}: {lacks} {_gib(-rank.free_bytes)} GiB for {asked}{_plan(fit)}"


def reach(fit: Fit) -> str:
    """How far what was asked would go: the longest context and the most sequences."""
    case = fit.setting.case
    if fit.max_context is None and fit.max_sequences is None:
        return ""
    said = []
    if fit.max_context is not None:
        beyond = f" (trained for {fit.trained_length:,})" if fit.beyond(fit.max_context) else ""
        said.append(
            f"longest context of {_sequences(case.sequences)}: {_bound(fit.max_context, LONGEST)}{beyond}"
        )
    if fit.max_sequences is not None:
        said.append(f"most sequences of {_tokens(case.context)}: {_bound(fit.max_sequences, MOST_SEQUENCES)}")
    return "; ".join(said)


def option_rows(fit: Fit) -> list[list[str]]:
    """A header, and a row for each quantization: its size, and how far it would go here."""
    rows = [["quantization", "weights", "to spare", "context", "sequences", "how"]]
    for option in fit.options:
        starred = "*" if fit.beyond(option.max_context) else ""
        rows.append(
            [
                option.quant + ("  <-" if option.quant == fit.quant else ""),
                format_bytes_decimal(option.weight_bytes),
                f"{_gib(option.free_bytes)} GiB",
                _bound(option.max_context, LONGEST) + starred,
                _bound(option.max_sequences, MOST_SEQUENCES),
                _how(option),
            ]
        )
    if all(row[-1] in {"1 device", ""} for row in rows[1:]):
        return [row[:-1] for row in rows]
    return rows


def caption(fit: Fit) -> str:
    """What the columns of `option_rows` mean."""
    case = fit.setting.case
    said = [
        f"to spare: GiB left{' on the fullest rank' if fit.fleet.count > 1 else ''}, below 0 what is missing"
    ]
    said.append(f"context: the longest of {_sequences(case.sequences)}")
    said.append(f"sequences: the most of {_tokens(case.context)}")
    if any(fit.beyond(option.max_context) for option in fit.options):
        said.append(f"*: beyond the trained length of {fit.trained_length:,}")
    if any(option.stages for option in fit.options):
        said.append(
            "uneven: stages of different numbers of layers, which `--quant` with that row's name prints"
        )
    engines = dict.fromkeys(option.engine for option in fit.options)
    if len(engines) > 1:
        said.append("GGUF mixtures under llama.cpp's rules, the rest under no engine's")
    return "; ".join(said)


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
    said += [f"not counted: {words[what]}, {_gib(size)} GiB" for what, size in fit.left_out if what in words]
    said += [f"memory of {note}" for note in fit.capacity_notes]
    said.append(f"assumed: {assumed_words(fit.setting_in_force)}{_padding(fit)}")
    return said


def _padding(fit: Fit) -> str:
    padded = 0 if fit.placed is not None else fit.holding.padding_bytes[fit.fullest.stage]
    return f"; of the runtime {_gib(padded)} GiB are kernels' padding of the experts" if padded else ""


def assumed_words(setting: Setting) -> str:
    """What was assumed, in a sentence."""
    case = setting.case
    said = [f"KV {case.kv_dtype}"]
    if setting.engine.utilization is not None:
        outside = setting.engine.overheads.outside_bytes
        beside = f" (the CUDA context, {_gib(outside)} GiB, beside it)" if outside else ""
        said.insert(0, f"utilization {float(setting.utilization):g}{beside}")
    said.append(f"runtime and prefill chunk ({case.prefill_chunk:,} tokens) of {_engine(setting)}")
    if case.rules is None:
        said[-1] += ", state as the architecture needs it"
        if setting.engine.name != "generic":
            said[-1] += f" (how {setting.engine.name} lays it out is not known from its logs)"
    copies = setting.engine.overheads.sampler_copies
    if case.rules is not None and copies is not None and copies.low is not None:
        said.append(
            f"logits held {copies.value} times at the sampler's peak (logs have {copies.low} to {copies.high})"
        )
    said += [f"{name} {value:,}" for name, value in setting.workload.assumed.items() if name == "context"]
    if setting.mixture:
        said.append("routing uniform")
    return ", ".join(said)


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
        f"decode ceiling: {found.tokens_per_second:,.3g} tokens/s for {_sequences(case.sequences)} of "
        f"{_tokens(case.context)}, uniform routing; a step reads {parts}; `moecalc speed` says more"
    )


def _ways_out(fit: Fit) -> Iterator[str]:
    if not fit.holds and fit.best is not None:
        yield f"most bits that fit: `--quant {fit.best.quant}`"
    hosted = fit.best_offload
    if not fit.holds and hosted is not None and hosted.offload is not None:
        how = f"{_moved(hosted.offload)}: {' '.join(hosted.offload.flags)}"
        yield f"most bits that fit with RAM: `--quant {hosted.quant}`, {how}"
    found = fit.offload
    if found is not None and not fit.holds:
        yield (
            f"llama.cpp with {_moved(found)}, {_gib(found.ram.bytes)} GiB of RAM: {_flags(fit, found)}; "
            "`--ram 64GiB` says how much there is"
        )
    if fit.unlimited is not None and fit.fleet.host.ram is not None:
        yield (
            f"llama.cpp would need {_gib(fit.unlimited.ram.bytes)} GiB of RAM beside, "
            f"{_gib(fit.fleet.host.ram.bytes)} GiB are named: {_flags(fit, fit.unlimited)}"
        )
    if fit.offload_instead is not None:
        quant, placed = fit.offload_instead
        yield (
            f"llama.cpp does not read {fit.quant_words}; with `--quant {quant}` and {_moved(placed)}, "
            f"{_gib(placed.ram.bytes)} GiB of RAM: {_flags(fit, placed)}"
        )
    kt = fit.ktransformers
    if kt is not None:
        yield (
            f"ktransformers (SGLang): {' '.join(kt.flags)}: {kt.gpu_experts} of {kt.experts} experts of each layer "
            f"on the GPUs, {_gib(kt.gpu_bytes)} GiB each; {_gib(kt.ram_bytes)} GiB of RAM for the whole model"
        )
    if fit.evener is not None:
        yield f"it fits with `{fit.evener.words} --stages {','.join(map(str, fit.evener.stages))}`"
    if fit.roomier is not None:
        yield f"more sequences: `{fit.roomier.plan}` holds {fit.roomier.max_sequences:,}"


def _copies(fit: Fit, explain: bool) -> Iterator[str]:
    if fit.offload is not None and fit.holds:
        return
    copied = [part for part in fit.surplus if explain or part.bytes >= WORTH_A_WORD]
    if copied:
        words = ", ".join(f"{part.what} {_gib(part.bytes)} GiB {part.why}" for part in copied)
        yield f"beyond one copy of the weights, the ranks together hold {words}"
    if fit.kv_copies > 1:
        yield f"state: every key-value head or latent is on {fit.kv_copies} ranks of a copy of attention"


def _how(option: Option) -> str:
    if option.offload is not None:
        return " ".join(option.offload.flags)
    return f"{option.plan}, uneven" if option.stages else option.plan


def _plan(fit: Fit) -> str:
    """How it is spread, behind a comma; nothing on one device."""
    plan = fit.holding.plan
    if plan.stages and len(fit.fleet.groups) == 1:
        return f", {plan.words} --stages {','.join(map(str, plan.stages))}"
    if plan.stages:
        return f", layers {' + '.join(map(str, plan.stages))}"
    return f", {plan.words}" if plan.devices > 1 else ""


def _bar(name: str, parts: Sequence[tuple[str, str, Number]], capacity: Number, columns: int) -> list[str]:
    """A budget drawn to the scale of what is usable, then its parts (word, mark, bytes) in figures."""
    width = max(10, min(60, columns - 20))
    total = sum(size for _, _, size in parts)
    scale = max(capacity, total)
    drawn, taken = "", 0.0
    for _, mark, size in parts:
        taken += float(size / scale)
        drawn += mark * max(0, round(width * taken) - len(drawn))
    drawn += "·" * (width - len(drawn))
    figures = "   ".join(f"{mark} {word} {_gib(size)}" for word, mark, size in parts if size)
    return [
        f"{name}: {_gib(total)} of {_gib(capacity)} GiB",
        drawn,
        *paragraph(figures, columns, "  "),
    ]


def _name(fit: Fit, rank: Rank) -> str:
    if len(fit.ranks) > 1:
        layers = fit.holding.sharded.stage_layers[rank.stage]
        each = "each of " if fit.holding.plan.stage_devices > 1 else ""
        return f"stage {rank.stage + 1} (layers {layers.start}-{layers.stop - 1}), {each}{fit.stage_device(rank.stage)}"
    return fit.devices.removeprefix("a ") if fit.fleet.count == 1 else f"each of {fit.devices}"


def _parts(rank: Rank) -> list[tuple[str, str, Number]]:
    return [(word, mark, getattr(rank, field)) for field, word, mark in PARTS]


def _groups(fit: Fit, rank: Rank, columns: int, explain: bool) -> list[str]:
    shown = rank.by_group if explain else rank.by_group[:4]
    lines = [f"weights: {_sizes(shown)}"]
    if explain:
        repeated = fit.holding.sharded.repeated_groups(rank.stage, fit.holding.precision)
        if repeated:
            lines.append(f"of which whole on every rank: {_sizes(repeated)}")
    return [dim(line) for text in lines for line in paragraph(f"{text} GiB", columns, "  ")]


def _sizes(groups: Iterable[tuple[str, Number]]) -> str:
    named = [(group, _gib(size)) for group, size in groups]
    small = [group for group, size in named if size == "0.00"]
    said = [f"{group} {size}" for group, size in named if size != "0.00"]
    return ", ".join([*said, f"{', '.join(small)} below 0.01"] if small else said)


def _offload_parts(fit: Fit, found: Offload) -> Iterator[tuple[str, list[tuple[str, str, Number]], Number]]:
    """Every GPU, then the RAM: name, parts, bytes there are."""
    for place, (device, gpu) in enumerate(zip(fit.fleet.devices, found.gpus, strict=True)):
        parts = [
            (_experts_of(gpu), "█", gpu.experts),
            ("other weights", "▒", gpu.rest),
            ("state", "▓", gpu.state),
            ("compute buffer", "▚", found.compute_bytes),
            ("runtime", "░", found.overhead_bytes),
        ]
        yield f"{device_words(device)}, {_layers(gpu)}", parts, fit.offload_capacities[place]
    ram = fit.fleet.host.ram
    parts = [
        (_experts_of(found.ram), "█", found.ram.experts),
        ("other weights", "▒", found.ram.rest),
        ("state", "▓", found.ram.state),
    ]
    yield "RAM", parts, ram.bytes if ram else found.ram.bytes


def _offload_bars(fit: Fit, found: Offload, columns: int) -> list[str]:
    return [
        line
        for name, parts, capacity in _offload_parts(fit, found)
        for line in _bar(name, parts, capacity, columns)
    ]


def _offload_rows(fit: Fit, found: Offload) -> list[list[str]]:
    rows = [["where", "what", "bytes", "GiB"]]
    for name, parts, capacity in _offload_parts(fit, found):
        rows += [[name, word, f"{int(size):,}", _gib(size)] for word, _, size in parts if size]
        rows.append([name, "usable", f"{int(capacity):,}", _gib(capacity)])
    return rows


def _layers(held: Holds) -> str:
    layers = "1 layer" if held.layers == 1 else f"{held.layers} layers"
    return f"{layers} and the head" if held.head else layers


def _experts_of(held: Holds) -> str:
    return "1 layer's experts" if held.expert_layers == 1 else f"{held.expert_layers} layers' experts"


def _moved(found: Offload) -> str:
    if found.gpu_layers < found.layers:
        count = found.layers - found.gpu_layers
        return "1 layer in RAM" if count == 1 else f"{count} layers in RAM"
    if not found.expert_layers:
        return "the token embedding in RAM"
    count = len(found.expert_layers)
    return f"the experts of {count} layer{'s' if count > 1 else ''} in RAM"


def _flags(fit: Fit, found: Offload) -> str:
    """What to type to llama.cpp."""
    case = fit.setting.case
    return " ".join([*found.flags, context_options(case.context, case.sequences)])


def _engine(setting: Setting) -> str:
    return "no engine by name (`--engine`)" if setting.engine.name == "generic" else setting.engine.name


def _sequences(count: int) -> str:
    return "1 sequence" if count == 1 else f"{count:,} sequences"


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count:,} tokens"


def _bound(value: int | None, limit: int) -> str:
    if value is None:
        return "-"
    return "any" if value >= limit else f"{value:,}"


def _gib(size: Number) -> str:
    """GiB to three digits, without the unit, which stands once for several."""
    gib = float(size) / 2**30
    if abs(gib) >= 100:
        return f"{gib:,.0f}"
    return f"{gib:.1f}" if abs(gib) >= 10 else f"{gib:.2f}"
