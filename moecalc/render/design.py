"""`moecalc design`: the designs that none beats, one a row; then what was tried, and what kept the others out."""

import csv
import io
from collections.abc import Sequence

from moecalc.calc.design.found import Designed
from moecalc.calc.design.search import Design
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.render.rates import dollars, rate
from moecalc.report import Report
from moecalc.specs.design_axes import KINDS
from moecalc.units import (
    format_bytes_binary,
    format_bytes_decimal,
    format_parameters,
    format_percent,
    format_ratio,
)

TITLES = {
    "kv_heads": "kv heads",
    "head_dim": "head dim",
    "top_k": "top-k",
    "expert_width": "expert width",
    "dense_width": "dense width",
}
"""What columns of sizes are called where it is not their name."""

DISPENSABLE = ("weights", "cost", "gpus")
"""Columns that go first where the reader's window is narrow."""

_SELDOM = frozenset({"head_dim", "shared"})
"""Sizes that nobody varies first to get into a budget."""

FIGURE_WORDS = {"vram": "weights and state"}


def report_of(designed: Designed) -> Report:
    """The report that JSON carries."""
    return Report(
        command="design",
        models=(),
        defaults=designed.defaults,
        warnings=designed.warnings,
        extra={"design": designed.to_dict()},
    )


def design_text(designed: Designed, top: int, columns: int) -> str:
    """The whole answer as text, `columns` wide; `top` rows of the frontier, 0 for all."""
    lines = [bold(line) for line in paragraph(heading(designed), columns, "  ")]
    lines.append("")
    if designed.rows:
        lines += [*_laid(designed, top, columns), ""]
    for remark in remarks(designed, top):
        lines += paragraph(remark, columns, "  ")
    lines += ["", *[dim(line) for line in paragraph(assumed(designed), columns, "  ")]]
    if designed.rows:
        lines += [dim(line) for line in paragraph(_next(), columns, "  ")]
    for warning in designed.warnings:
        lines += paragraph(f"warning: {warning}", columns, "  ")
    return "\n".join(lines)


def design_markdown(designed: Designed, top: int) -> str:
    """The same as Markdown."""
    parts = [f"**{heading(designed)}**"]
    if designed.rows:
        parts.append(markdown_table([[title for _, title in _columns(designed)], *_rows(designed, top)]))
    parts += [*remarks(designed, top), assumed(designed)]
    return "\n\n".join([*parts, *(f"warning: {warning}" for warning in designed.warnings)])


def design_csv(designed: Designed) -> str:
    """The whole frontier with every figure in its base unit; ids as in JSON."""
    rows = [designed.row_dict(at) for at in range(len(designed.rows))]
    out = io.StringIO()
    writer = csv.DictWriter(out, designed.row_names(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().rstrip("\n")


def heading(designed: Designed) -> str:
    """How many were tried, how many keep the budgets, and how many of those none beats."""
    found = designed.found
    tried = "1 combination" if found.tried == 1 else f"{found.tried:,} combinations"
    if not found.within:
        what = "keeps the rules" if found.nearest is None else "is within the budgets"
        return f"designs like {designed.like}: none of {tried} {what}"
    kept = f"{found.within:,} within the budgets" if designed.budgets else f"{found.within:,} possible"
    return f"designs like {designed.like}: {len(designed.rows):,} that none beats, of {kept}, of {tried}"


def remarks(designed: Designed, top: int) -> list[str]:
    """What the frontier is of, what is the same in all its designs, and what kept the others out."""
    found = designed.found
    said = []
    if designed.rows:
        shown = _shown(designed, top)
        if shown < len(designed.rows):
            said.append(
                f"{shown:,} of {len(designed.rows):,} rows: `--top 0` shows all, `--csv` with every figure."
            )
        better = ", ".join(objective.words for objective in designed.objectives)
        said.append(f"Better is: {better}. No other design is as good in all of these and better in one.")
        same = [
            f"{TITLES.get(name, name)} {values.copy().pop():,}"
            for name, values in _sizes(designed).items()
            if len(values) == 1
        ]
        devices = _devices(designed)
        if len(devices) == 1:
            same.append(f"{devices.copy().pop():,}x {designed.device}")
        if designed.device is None:
            said.append("Decode speed and cost are of devices: `--gpu h100` adds them.")
        if same:
            said.append(f"The same in all of them: {', '.join(same)}.")
    else:
        said += _nearest(designed)
    if found.outside:
        parts = [
            f"{FIGURE_WORDS.get(f, f)} {words}: {found.outside[key]:,}"
            for key, f, words in _outside(designed)
        ]
        said.append(f"Outside of the budgets, each counted at the first it misses: {'; '.join(parts)}.")
    if found.broken:
        parts = [f"{words}: {count:,}" for words, count in found.broken.items()]
        said.append(f"Combinations that break a rule: {'; '.join(parts)}.")
    kept = ", ".join(f"{TITLES.get(name, name)} {size:,}" for name, size in designed.kept.items())
    varied = "; ".join(f"{TITLES.get(axis.name, axis.name)} {axis.words}" for axis in designed.axes)
    said.append(f"Varied: {varied}." + (f" As in {designed.like}: {kept}." if kept else ""))
    return said


def assumed(designed: Designed) -> str:
    """The conventions in force, and what was chosen by nobody."""
    case = designed.case
    sequences = "1 sequence" if case.batch == 1 else f"{case.batch:,} sequences"
    parts = [
        "active per token counts both embeddings (`all`)",
        f"weights {case.precision.label}",
        f"kv: state of one sequence of {case.context:,} tokens in {case.kv_dtype}",
    ]
    if any(budget.figure == "vram" for budget in designed.budgets):
        parts.append(f"vram: weights and the state of {sequences}, no activations, no runtime")
    widths = f"widths are multiples of {designed.multiple}, head dimensions of 8"
    parts.append(f"{widths} where they vary")
    if designed.left_out:
        parts.append(f"left out: {', '.join(designed.left_out)}")
    if designed.device is not None and case.hardware is not None:
        parts += [
            f"tok/s: ceiling of decoding {sequences}, experts chosen uniformly",
            f"{designed.device} pooled without loss, no communication, utilization 100%",
        ]
        if designed.capacity_note:
            parts.append(designed.capacity_note)
        if not any(case.hardware.machine.peaks.values()):
            parts.append("no dense peak is published, so bandwidth alone bounds the speed")
        parts.append(f"$ per M output tokens: {designed.price}" if designed.price else "no price known")
    return "assumed: " + "; ".join(parts)


def _next() -> str:
    return "`--export N my-model.yaml` writes the design of row N as a spec: `moecalc show my-model.yaml`"


def _nearest(designed: Designed) -> list[str]:
    nearest, sizes = designed.found.nearest, designed.nearest_sizes
    if nearest is None or sizes is None:
        return []
    words = ", ".join(f"{TITLES.get(name, name)} {size:,}" for name, size in sizes.items())
    misses = []
    for budget, miss in nearest.missed:
        value = nearest.figures[budget.figure]
        low = budget.low is not None and value < budget.low
        shown = format_bytes_decimal(value) if budget.figure == "vram" else format_parameters(value)
        far = (
            f"{format_percent(miss)} {'below' if low else 'over'}"
            if miss < 1
            else f"{format_ratio(1 + miss)}"
        )
        misses.append(f"{FIGURE_WORDS.get(budget.figure, budget.figure)} {shown}, {far} {budget.text}")
    others = [KINDS[name].option for name in designed.kept if name not in _SELDOM]
    more = [f"Other sizes can vary too: {', '.join(f'`{option}`' for option in others)}."] if others else []
    return [f"Nearest: {words}: {'; '.join(misses)}.", *more]


def _outside(designed: Designed) -> list[tuple[str, str, str]]:
    keys = {f"{budget.figure} {budget.text}": budget for budget in designed.budgets}
    return [(key, keys[key].figure, keys[key].text) for key in designed.found.outside]


def _shown(designed: Designed, top: int) -> int:
    return min(top or len(designed.rows), len(designed.rows))


def _devices(designed: Designed) -> set[int]:
    """The numbers of devices that designs run on; none where no kind was named."""
    return {row.devices for row in designed.rows if row.devices is not None}


def _sizes(designed: Designed) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {name: set() for name in KINDS}
    for sizes in designed.sizes:
        for name, size in sizes.items():
            found[name].add(size)
    return {name: values for name, values in found.items() if values}


def _columns(designed: Designed) -> list[tuple[str, str]]:
    """The key and the title of each column: sizes that differ, then figures."""
    varied = [name for name, values in _sizes(designed).items() if len(values) > 1]
    columns = [("number", "#"), *((name, TITLES.get(name, name)) for name in varied)]
    columns += [
        ("active", "active"),
        ("total", "total"),
        ("weights", "weights"),
        ("kv", f"kv at {designed.case.context:,}"),
    ]
    if designed.device is not None:
        columns += [("gpus", "gpus")] * (len(_devices(designed)) > 1) + [("speed", "tok/s")]
        if designed.price is not None:
            columns.append(("cost", "$/M"))
    return columns


def _rows(designed: Designed, top: int, keys: Sequence[str] | None = None) -> list[list[str]]:
    wanted = keys or [key for key, _ in _columns(designed)]
    rows = []
    for at in range(_shown(designed, top)):
        cells = _cells(designed.rows[at]) | {name: f"{size:,}" for name, size in designed.sizes[at].items()}
        rows.append([f"{at + 1:,}" if key == "number" else cells[key] for key in wanted])
    return rows


def _cells(design: Design) -> dict[str, str]:
    cells = {
        "active": format_parameters(design.active),
        "total": format_parameters(design.total),
        "weights": format_bytes_decimal(design.weight_bytes),
        "kv": format_bytes_binary(design.state_bytes),
        "gpus": "" if design.devices is None else f"{design.devices:,}",
        "speed": "" if design.tokens_per_second is None else rate(design.tokens_per_second),
    }
    return cells | {"cost": "" if design.usd_per_million is None else dollars(design.usd_per_million)}


def _laid(designed: Designed, top: int, columns: int) -> list[str]:
    """The table, without its dispensable columns where it would be wider than the window."""
    chosen = _columns(designed)
    for key, gap in (*((key, 2) for key in ("", *DISPENSABLE)), ("", 1)):
        chosen = [column for column in chosen if column[0] != key]
        rows = _rows(designed, top, [column[0] for column in chosen])
        heads = _heads([title for _, title in chosen])
        laid = table([*heads, *rows], ">" * len(chosen), gap)
        if max(map(len, laid)) <= columns:
            break
    return [*map(bold, laid[: len(heads)]), *laid[len(heads) :]]


def _heads(titles: Sequence[str]) -> list[list[str]]:
    """The titles on two lines where any of them has two words: a size's column is no wider than its numbers."""
    words = [title.rpartition(" ") for title in titles]
    below = [last for _, _, last in words]
    above = [first for first, _, _ in words]
    return [above, below] if any(above) else [below]
