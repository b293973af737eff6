"""`moecalc train`: what the run takes, how its time goes, and what the ranks of each stage hold."""

from collections.abc import Sequence
from decimal import Decimal

from moecalc.calc.training.training import Training
from moecalc.calc.training.training_flops import CHINCHILLA_TOKENS_PER_PARAMETER
from moecalc.calc.training.training_memory import StageMemory
from moecalc.calc.training.training_time import DATA, StepPrediction
from moecalc.ir.numeric import Number
from moecalc.render.amounts import significant
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.units import (
    format_bytes_binary,
    format_bytes_decimal,
    format_counted,
    format_flops,
    format_parameters,
    format_percent,
)

Rows = list[list[str]]

SHOWN_STAGES = 6
"""More stages than this are told by the first, the second, the fullest and the last two."""

REMARK_COLUMNS = 40
"""A remark narrower than this goes below its figure."""

NOTE_COLUMNS = 24
"""The same of the shorter notes on the parts of a step."""

HELD_AGAINST = (
    "Held against nine published runs on H100s and H800s, it is 0.8 to 1.3 times as fast as seven, and 2.4 and 4.8 "
    "times as fast as the two with the fewest active parameters"
)
"""How far predictions were off; tests/api/test_training_published.py computes the figures."""

KWH_SHOWN = 10_000
"""More kWh than this are told in MWh."""

NONE = "-"


def training_text(run: Training, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(run.name) + (f"  {run.title}" if run.title != run.name else ""), dim(run.source), ""]
    lines += [*paragraph(run_words(run), columns, "  "), ""]
    lines += _summary(run, columns)
    if run.prediction is not None:
        rows = time_rows(run.prediction)
        laid = _remarked(
            table([row[:3] for row in rows], "<>>"), [row[3] for row in rows], columns, NOTE_COLUMNS
        )
        laid[0] = bold(laid[0])
        lines += ["", *laid]
    laid = _laid(memory_rows(run))
    if max(map(len, laid)) > columns:
        laid = _laid(_turned(memory_rows(run)))
    if max(map(len, laid)) > columns:
        laid = _laid(_turned(memory_rows(run, few=True)))
    laid[0] = bold(laid[0])
    lines += ["", *laid, "", *paragraph(fullest_words(run), columns, "  ")]
    laid = table(layer_rows(run), "<>>>>")
    laid[0] = bold(laid[0])
    lines += ["", *laid, ""]
    for remark in remarks(run):
        lines += paragraph(remark, columns, "  ")
    lines += [dim(line) for line in paragraph(_next(run), columns)]
    return "\n".join(lines)


def training_markdown(run: Training) -> str:
    """The same as Markdown tables."""
    rows = [["", run.name, ""], *summary_rows(run)]
    parts = [run_words(run), markdown_table(rows)]
    if run.prediction is not None:
        parts.append(markdown_table(time_rows(run.prediction)))
    parts += [markdown_table(memory_rows(run)), fullest_words(run), markdown_table(layer_rows(run))]
    return "\n\n".join([*parts, *remarks(run)])


def run_words(run: Training) -> str:
    """What is trained, on what, and in which steps."""
    memory, saving = run.memory, run.memory.saving
    what = "trained on" if saving.lora is None else f"adapters ({saving.lora.words}) trained on"
    base = f", frozen weights {run.quant}" if run.quant else ""
    plan = memory.plan
    return (
        f"{what} {_count(run.tokens)} token{'' if run.tokens == 1 else 's'} on {run.fleet} ({plan.words}, "
        f"{format_counted(plan.copies, 'data rank')}), {run.precision}, {run.optimizer}{base}: "
        f"{format_counted(run.steps, 'step')} of {format_counted(run.global_batch, 'sequence')} of "
        f"{run.sequence:,} ({run.batch_tokens:,} tokens), {memory.microbatches:,} "
        f"microbatch{'' if memory.microbatches == 1 else 'es'} of "
        f"{memory.micro_batch:,} for each data rank"
    )


def summary_rows(run: Training) -> Rows:
    """Label, figure, remark."""
    usd, energy = run.usd, run.energy_kwh
    chinchilla = run.tokens / run.chinchilla_tokens
    rows = [
        ["training FLOPs", _power(run.flops), "useful: causal pairs, all logits, nothing twice"],
        ["  by 6 N D", _power(run.rule_flops), _rule_words(run)],
        ["MFU", _mfu(run), run.mfu_words],
        [
            "GPU-hours",
            f"{significant(run.gpu_hours)}",
            f"{format_flops(run.peak)}/s dense {run.peak_format} each",
        ],
        ["days", significant(run.days), "without interruptions"],
        ["rent", NONE if usd is None else f"${significant(usd)}", run.price_words],
        [
            "energy",
            NONE if energy is None else _energy(energy),
            f"{run.draw_words}; PUE {run.pue:f}",
        ],
    ]
    if run.memory.saving.lora is not None:
        share = run.memory.trainable / run.total_parameters
        trained = f"{share:.2%} of {format_parameters(run.total_parameters)}"
        rows.append(["trained parameters", f"{run.memory.trainable:,}", trained])
    else:
        rows += [
            ["tokens per parameter", significant(float(run.tokens_per_parameter)), "of all parameters"],
            [
                "  per active parameter",
                significant(float(run.tokens_per_active)),
                f"{significant(chinchilla)}x Chinchilla's {CHINCHILLA_TOKENS_PER_PARAMETER} (arXiv 2203.15556)",
            ],
        ]
    rows.append(
        [
            "checkpoint",
            format_bytes_decimal(run.memory.checkpoint_bytes),
            "weights, master weights and moments",
        ]
    )
    return rows


def time_rows(prediction: StepPrediction) -> Rows:
    """A header and the parts of a step's time."""
    rows = [["a step, predicted", "seconds", "share", ""]]
    for item in prediction.items:
        share, label = f"{item.seconds / prediction.seconds:.1%}", item.label
        if item.id == DATA:
            binds = prediction.is_bound_by_data
            label, share = f"{label} ({'binds' if binds else 'hidden'})", share if binds else ""
        rows.append([label, f"{item.seconds:,.3f}", share, item.words])
    rows.append(["the step", f"{prediction.seconds:,.3f}", "", f"MFU {prediction.mfu:.1%}"])
    return rows


def memory_rows(run: Training, few: bool = False) -> Rows:
    """A header and the fullest rank of each stage, by what holds the bytes; `few`: of three stages at most."""
    head = [
        "GiB per rank",
        "layers",
        "weights",
        "gradients",
        "master",
        "optimizer",
        "activations",
        "beside",
        "total",
    ]
    return [head, *[_stage(stage, run) for stage in _shown(run, few)]]


def layer_rows(run: Training) -> Rows:
    """A header and what one layer of each kind keeps for a microbatch, by policy."""
    rows = [["activations of a layer", "layers", "none", run.memory.saving.recompute.name, "full"]]
    for kind in run.memory.layer_kinds:
        sizes = [format_bytes_binary(size) for size in (kind.none_bytes, kind.kept_bytes, kind.full_bytes)]
        rows.append([kind.words, f"{len(kind.indices)}", *sizes])
    if run.memory.saving.recompute.name in {"none", "full"}:
        rows = [[*row[:3], row[4]] for row in rows]
        rows[0] = ["activations of a layer", "layers", "no recomputation", "full"]
    return rows


def fullest_words(run: Training) -> str:
    """Which rank is the fullest, and whether a device holds it."""
    stage, stages = run.memory.fullest, len(run.memory.stages)
    where = "each rank" if stages == 1 else f"the fullest rank is on stage {stage.stage + 1} of {stages}"
    flight = f"{float(stage.in_flight):g} microbatch" + ("es" if stage.in_flight != 1 else "")
    words = f"{where}: {_gib(stage.total)} GiB, {flight} under way"
    if stages > 1:
        words += f"; {run.stage_imbalance:.2f}x the mean of the stages"
    if run.usable is not None:
        spare = run.usable.bytes - stage.total
        fits = "fits" if spare >= 0 else "does not fit"
        words += (
            f"; {fits}: {_gib(abs(spare))} GiB {'to spare' if spare >= 0 else 'too much'} ({run.usable.note})"
        )
    return f"{words}. Not counted: communication buffers, workspaces, fragmentation."


def remarks(run: Training) -> list[str]:
    """Warnings, conventions and what was assumed."""
    saving = run.memory.saving
    said = [f"warning: {warning}" for warning in run.warnings]
    beside = "beside: the larger of the logits' peak and a layer computed again, and gathered weights"
    said.append(
        f"memory: {saving.attention} attention, {saving.kernels} kernels, recompute {saving.recompute.name}; {beside}"
    )
    if run.prediction is not None:
        said.append(
            f"MFU {run.prediction.mfu_low:.1%} where no communication hides behind arithmetic, "
            f"{run.prediction.mfu_high:.1%} where all of it does; an estimate that no published runs were fitted to, "
            "without latencies, stragglers, slower matmuls and the sorting of tokens by expert. "
            f"{HELD_AGAINST}"
        )
    assumed = [
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
        for name, value in run.defaults.items()
    ]
    if any(weight.pool is not None for weight in run.memory.rows.weights):
        said.append(f"experts: {float(saving.imbalance):g}x the mean of tokens on the fullest rank")
    if assumed:
        said.append(f"assumed: {', '.join(assumed)}")
    return said


def _summary(run: Training, columns: int) -> list[str]:
    """Label, figure, and its remark."""
    rows = summary_rows(run)
    figures = table([row[:2] for row in rows], "<>")
    return _remarked(figures, [row[2] for row in rows], columns, REMARK_COLUMNS)


def _remarked(figures: Sequence[str], remarks: Sequence[str], columns: int, least: int) -> list[str]:
    """Each line of figures with its remark beside it; below it where fewer columns than `least` are left beside."""
    indent = max(map(len, figures)) + 2
    beside = columns - indent >= least
    lines = []
    for first, words in zip(figures, remarks, strict=True):
        if not beside:
            lines += [first, *paragraph(f"    {words}", columns, "    ")]
            continue
        wrapped = paragraph(words, columns - indent) or [""]
        lines.append(f"{first:<{indent}}{wrapped[0]}".rstrip())
        lines += [" " * indent + more for more in wrapped[1:]]
    return lines


def _stage(stage: StageMemory, run: Training) -> list[str]:
    states = stage.states
    sizes = [
        states.weights,
        states.gradients,
        states.master,
        states.moments,
        stage.activation_bytes,
        stage.peak_bytes + stage.gathered_bytes,
        stage.total,
    ]
    mark = " *" if stage.stage == run.memory.fullest.stage and len(run.memory.stages) > 1 else ""
    return [
        f"stage {stage.stage + 1}{mark}",
        f"{len(stage.layers)}",
        *[_gib(size) if size else NONE for size in sizes],
    ]


def _shown(run: Training, few: bool) -> list[StageMemory]:
    stages = run.memory.stages
    if len(stages) <= SHOWN_STAGES and not few:
        return list(stages)
    places = {0, run.memory.fullest.stage, len(stages) - 1}
    if not few:
        places |= {1, len(stages) - 2}
    return [stages[place] for place in sorted(places)]


def _laid(rows: Rows) -> list[str]:
    return table(rows, "<" + ">" * (len(rows[0]) - 1))


def _turned(rows: Sequence[Sequence[str]]) -> Rows:
    return [list(column) for column in zip(*rows, strict=True)]


def _mfu(run: Training) -> str:
    return format_percent(run.mfu)


def _rule_words(run: Training) -> str:
    if run.memory.saving.lora is not None:
        return "what training every parameter would take"
    return f"{float(run.rule_flops / run.flops) - 1:+.1%}; N: active, both embeddings"


def _gib(size: int) -> str:
    return f"{size / 2**30:,.2f}"


def _energy(kwh: Decimal) -> str:
    return f"{significant(kwh / 1000)} MWh" if kwh >= KWH_SHOWN else f"{significant(kwh)} kWh"


def _power(flops: Number) -> str:
    """As papers state a run: 3.79e25."""
    mantissa, _, exponent = f"{float(flops):.2e}".partition("e+")
    return f"{mantissa}e{int(exponent)}"


def _count(tokens: int) -> str:
    """As typed: 14.8 T."""
    number, _, unit = format_parameters(tokens).partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}".strip()


def _next(run: Training) -> str:
    if run.prediction is None:
        return "`--mfu predict` itemises a step; `--json` has every stage and layer"
    return f"`moecalc flops {run.name} --convention useful` shows the FLOPs by component"
