"""`moecalc routing --observed`: balance by layer, reuse, caches, balancing losses, placements."""

from collections.abc import Iterable

from moecalc.calc.routing.balance import Balance
from moecalc.calc.routing.observed import Observed
from moecalc.calc.routing.placements import Placements, slots_per_rank
from moecalc.errors import printable
from moecalc.render.heatmap import heat_rows
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.units import format_counted

SHOWN = 8
"""Layers with rows of their own, the least even first; JSON and the heat map have all."""


def observed_text(observed: Observed, placements: Placements | None, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(line) for line in paragraph(heading(observed), columns, "  ")]
    rows = layer_rows(observed)
    laid = table(rows, ">" * len(rows[0]))
    lines += ["", bold(laid[0]), *laid[1:], ""]
    for said in answers(observed):
        lines += paragraph(said, columns, "  ")
    lines += ["", *_wrapped_scale(observed, columns)]
    if placements is not None:
        rows = placement_rows(placements)
        laid = table(rows, "<" + ">" * (len(rows[0]) - 1))
        lines += ["", bold(laid[0]), *laid[1:]]
        for said in placement_words(placements):
            lines += paragraph(said, columns, "  ")
    lines.append("")
    for note in (*observed.losses.missing, *observed.notes):
        lines += [dim(line) for line in paragraph(f"note: {printable(note)}", columns, "  ")]
    return "\n".join(lines).rstrip()


def observed_markdown(observed: Observed, placements: Placements | None) -> str:
    """The same as Markdown, without the map."""
    parts = [f"**{heading(observed)}**", markdown_table(layer_rows(observed)), *answers(observed)]
    if placements is not None:
        parts += [markdown_table(placement_rows(placements)), *placement_words(placements)]
    notes = (*observed.losses.missing, *observed.notes)
    return "\n\n".join([*parts, *(f"note: {printable(note)}" for note in notes)])


def heading(observed: Observed) -> str:
    """What was recorded."""
    layers = format_counted(len(observed.layers), "layer")
    said = f"{printable(observed.source)}: {layers} of {format_counted(observed.experts, 'expert')}"
    if observed.tokens is not None:
        said += f", {observed.top_k} chosen for each of {format_counted(observed.tokens, 'token')}"
    if observed.sequences is not None:
        said += f" in {format_counted(observed.sequences, 'sequence')}"
    if observed.left_out:
        said += f"; {format_counted(len(observed.left_out), 'layer')} without any choice left out"
    return said


def layer_rows(observed: Observed) -> list[list[str]]:
    """A header, the mean of all layers, and the layers whose fullest expert is furthest above the mean."""
    rows = [["layer", "fullest/mean", "entropy", "of even", "as many even", "Gini", "dead"]]
    chance = observed.layers[0].dead_by_chance
    if chance is not None:
        rows[0].append("dead if even")
    if len(observed.layers) > 1:
        mean = observed.mean
        rows.append(
            [
                "mean",
                f"{mean('max_over_mean'):.2f}x",
                f"{mean('entropy_bits'):.2f} bit",
                f"{mean('entropy_share'):.1%}",
                f"{mean('effective_experts'):.1f}",
                f"{mean('gini'):.3f}",
                f"{sum(len(layer.dead) for layer in observed.layers) / len(observed.layers):.1f}",
            ]
        )
    worst = sorted(observed.layers, key=lambda layer: -layer.max_over_mean)[:SHOWN]
    rows += [_layer(layer) for layer in worst]
    return rows


def answers(observed: Observed) -> Iterable[str]:
    """Reuse, caches and losses, a sentence each."""
    if len(observed.layers) > SHOWN:
        yield f"the {SHOWN} least even of {len(observed.layers):,} layers are shown; `--json` has all"
    seen = observed.consecutive
    if seen is not None and seen.asked:
        even = f"; chosen evenly {(observed.top_k or 0) / observed.experts:.1%}"
        yield f"from token to token {seen.kept / seen.asked:.1%} of a layer's choices stay the same{even}"
    for cache in observed.caches:
        if cache.asked:
            part = "" if cache.tokens == observed.tokens else f", over the first {cache.tokens:,} tokens"
            yield (
                f"a cache of {format_counted(cache.held, 'expert')} per layer ({100 * cache.share:.3g}%), the least "
                f"recently used leaving first, hits {cache.hits / cache.asked:.1%}{part}"
            )
    losses = observed.losses
    stand_in = " if probabilities lay as the loads do" if losses.switch_is_of_loads else ""
    parts = [f"Switch {losses.switch:.4g}{stand_in} (1 where even)"]
    if losses.gshard is not None:
        parts.append(f"GShard {losses.gshard:.4g} ({1 / observed.experts**2:.4g} where even)")
    if losses.z_loss is not None:
        parts.append(f"z-loss {losses.z_loss:.4g}")
    yield f"balancing losses before coefficients, mean over layers: {', '.join(parts)}"


def placement_rows(placements: Placements) -> list[list[str]]:
    """A header and the placements: slots on each rank, the fullest rank over the mean, what that saves."""
    rows = [[f"over {placements.ranks} ranks", "slots each", "fullest/mean", "experts' time"]]
    base = None if placements.order is None else float(placements.order.max_over_mean)
    for label, placement in (
        ("in order", placements.order),
        ("dealt by load", placements.dealt),
        (f"with {_copies(placements)}", placements.replicated),
    ):
        if placement is None:
            continue
        ratio = float(placement.max_over_mean)
        saved = "" if base is None or base == 0 else f"{ratio / base - 1:+.1%}"
        rows.append([label, f"{slots_per_rank(placement)}", f"{ratio:.3f}x", saved])
    return rows


def placement_words(placements: Placements) -> Iterable[str]:
    """How low any placement goes, and what holds on tokens that the placement was not made for."""
    if placements.nodes > 1:
        yield (
            f"each of {placements.groups} groups of experts stays on one of {placements.nodes} nodes, with its copies"
        )
    yield (
        f"with {_copies(placements)} no placement is below {placements.floor:.3f}x; copies share their "
        "expert's load evenly, layers run one after the other, and the fullest rank is waited for"
    )
    if placements.held_out is not None:
        beside = "" if placements.held_out_order is None else f", in order {placements.held_out_order:.3f}x"
        yield f"made from the first half of the tokens and met by the second: {placements.held_out:.3f}x{beside}"


def _copies(placements: Placements) -> str:
    return "1 copy" if placements.redundant == 1 else f"{placements.redundant:,} copies"


def _layer(layer: Balance) -> list[str]:
    row = [
        f"{layer.layer}",
        f"{float(layer.max_over_mean):.2f}x",
        f"{layer.entropy_bits:.2f} bit",
        f"{layer.entropy_share:.1%}",
        f"{layer.effective_experts:.1f}",
        f"{float(layer.gini):.3f}",
        f"{len(layer.dead):,}",
    ]
    return row if layer.dead_by_chance is None else [*row, f"{layer.dead_by_chance:.1f}"]


def _wrapped_scale(observed: Observed, columns: int) -> list[str]:
    *rows, scale = heat_rows(
        [layer.layer for layer in observed.layers], [layer.counts for layer in observed.layers], columns
    )
    return [*rows, *(dim(line) for line in paragraph(scale, columns, "  "))]
