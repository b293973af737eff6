"""Budgets of `fit` drawn as bars: of a rank, and of GPUs and RAM beside each other."""

from collections.abc import Iterable, Iterator, Sequence

from moecalc.calc.deploy.budget import Rank
from moecalc.calc.deploy.fitted import Fit, device_words
from moecalc.calc.deploy.offload import Holds, Offload
from moecalc.ir.numeric import Number
from moecalc.render.fit_words import gib
from moecalc.render.layout import dim, paragraph

PARTS = (
    ("weight_bytes", "weights", "█"),
    ("state_bytes", "state", "▓"),
    ("activation_bytes", "activations", "▒"),
    ("overhead_bytes", "runtime", "░"),
)
"""Field of a rank, its word, and how the bar draws it."""


def bar(name: str, parts: Sequence[tuple[str, str, Number]], capacity: Number, columns: int) -> list[str]:
    """A budget drawn to the scale of what is usable, then its parts (word, mark, bytes) in figures."""
    width = max(10, min(60, columns - 20))
    total = sum(size for _, _, size in parts)
    scale = max(capacity, total)
    drawn, taken = "", 0.0
    for _, mark, size in parts:
        taken += float(size / scale)
        drawn += mark * max(0, round(width * taken) - len(drawn))
    drawn += "·" * (width - len(drawn))
    figures = "   ".join(f"{mark} {word} {gib(size)}" for word, mark, size in parts if size)
    return [
        f"{name}: {gib(total)} of {gib(capacity)} GiB",
        drawn,
        *paragraph(figures, columns, "  "),
    ]


def rank_name(fit: Fit, rank: Rank) -> str:
    """Whose budget it is: a stage, its layers and its devices."""
    if len(fit.ranks) > 1:
        layers = fit.holding.sharded.stage_layers[rank.stage]
        each = "each of " if fit.holding.plan.stage_devices > 1 else ""
        return f"stage {rank.stage + 1} (layers {layers.start}-{layers.stop - 1}), {each}{fit.stage_device(rank.stage)}"
    return fit.devices.removeprefix("a ") if fit.fleet.count == 1 else f"each of {fit.devices}"


def rank_parts(rank: Rank) -> list[tuple[str, str, Number]]:
    """Word, mark and bytes of each part of a rank."""
    return [(word, mark, getattr(rank, field)) for field, word, mark in PARTS]


def group_lines(fit: Fit, rank: Rank, columns: int, explain: bool) -> list[str]:
    """The weights of a rank by group of roles, dimmed; with `explain` all of them, and those that every rank has."""
    shown = rank.by_group if explain else rank.by_group[:4]
    lines = [f"weights: {_sizes(shown)}"]
    if explain:
        repeated = fit.holding.sharded.repeated_groups(rank.stage, fit.holding.precision)
        if repeated:
            lines.append(f"of which whole on every rank: {_sizes(repeated)}")
    return [dim(line) for text in lines for line in paragraph(f"{text} GiB", columns, "  ")]


def _sizes(groups: Iterable[tuple[str, Number]]) -> str:
    named = [(group, gib(size)) for group, size in groups]
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


def offload_bars(fit: Fit, found: Offload, columns: int) -> list[str]:
    """A bar for every GPU, and one for the RAM."""
    return [
        line
        for name, parts, capacity in _offload_parts(fit, found)
        for line in bar(name, parts, capacity, columns)
    ]


def offload_rows(fit: Fit, found: Offload) -> list[list[str]]:
    """The same as rows: a header, then each part of every GPU and of the RAM."""
    rows = [["where", "what", "bytes", "GiB"]]
    for name, parts, capacity in _offload_parts(fit, found):
        rows += [[name, word, f"{int(size):,}", gib(size)] for word, _, size in parts if size]
        rows.append([name, "usable", f"{int(capacity):,}", gib(capacity)])
    return rows


def _layers(held: Holds) -> str:
    layers = "1 layer" if held.layers == 1 else f"{held.layers} layers"
    return f"{layers} and the head" if held.head else layers


def _experts_of(held: Holds) -> str:
    return "1 layer's experts" if held.expert_layers == 1 else f"{held.expert_layers} layers' experts"
