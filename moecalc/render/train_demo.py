"""`moecalc routing --train-demo`: what each way of balancing did, as mean and range over the seeds."""

from collections.abc import Iterable, Sequence

from moecalc.render.cost_curve import BARS
from moecalc.render.layout import bold, dim, paragraph, table
from moecalc.render.markdown import markdown_table
from moecalc.report import Report
from moecalc.specs.train_demo import COLLAPSED_ABOVE, DEAD_BELOW, WAYS, Demo

LABELS = {
    "none": "no balancing",
    "auxiliary": "auxiliary loss",
    "bias": "bias",
    "too-large": "loss too large",
}


def report_of(demo: Demo) -> Report:
    """The report that JSON carries."""
    return Report(command="routing", models=(), extra={"train_demo": demo.to_dict()})


def demo_text(demo: Demo, columns: int) -> str:
    """The whole answer as text, `columns` wide."""
    lines = [bold(line) for line in paragraph(heading(demo), columns, "  ")]
    rows = way_rows(demo)
    laid = table(rows, "<" + ">" * (len(rows[0]) - 1))
    lines += ["", bold(laid[0]), *laid[1:], ""]
    highest = max(max(demo.curve(way)) for way in WAYS)
    room = max(8, min(len(demo.curve(WAYS[0])), columns - 36))
    curves = [
        [
            LABELS[way],
            _curve(demo.curve(way), highest, room),
            f"{demo.curve(way)[0]:.2f}x to {demo.curve(way)[-1]:.2f}x",
        ]
        for way in WAYS
    ]
    lines += [
        "fullest expert over the mean along the training, from 1x to " + f"{highest:.2f}x",
        *table(curves, "<<>"),
    ]
    lines += ["", *(line for said in findings(demo) for line in paragraph(said, columns, "  ")), ""]
    lines += [dim(line) for said in remarks(demo) for line in paragraph(said, columns, "  ")]
    return "\n".join(lines)


def demo_markdown(demo: Demo) -> str:
    """The same as Markdown, without the curves."""
    return "\n\n".join(
        [f"**{heading(demo)}**", markdown_table(way_rows(demo)), *findings(demo), *remarks(demo)]
    )


def heading(demo: Demo) -> str:
    """What was trained."""
    s = demo.setting
    return (
        f"a small mixture of experts, really trained: {s.layers} layers, top-{s.top_k} of {s.experts} experts, "
        f"{s.steps:,} steps of {s.batch:,} inputs, seeds {', '.join(map(str, demo.seeds))}; {demo.seconds:.0f} s"
    )


def way_rows(demo: Demo) -> list[list[str]]:
    """A header, and a row for each way."""
    rows = [["", "collapsed", "dead experts", "fullest/mean", "task loss"]]
    for way in WAYS:
        runs = demo.of(way)
        rows.append(
            [
                LABELS[way],
                f"{sum(run.collapsed for run in runs)} of {len(runs)}",
                _spread(demo.spread(way, "dead"), 1),
                _spread(demo.spread(way, "max_over_mean"), 2),
                _spread(demo.spread(way, "task_loss"), 3),
            ]
        )
    return rows


def findings(demo: Demo) -> Iterable[str]:
    """What these runs show, as they came out."""
    alone = demo.of("none")
    collapsed = sum(run.collapsed for run in alone)
    if collapsed:
        yield f"left alone, the router collapsed in {collapsed} of {len(alone)} runs"
    else:
        yield (
            f"left alone, the router collapsed in none of {len(alone)} runs of this task: "
            f"{demo.spread('none', 'dead')[0]:.1f} of {demo.setting.experts} experts died on average"
        )
    base, alone_full = demo.spread("none", "task_loss")[0], demo.spread("none", "max_over_mean")[0]
    for way in WAYS[1:]:
        loss, full = demo.spread(way, "task_loss")[0], demo.spread(way, "max_over_mean")[0]
        yield (
            f"{LABELS[way]}: the fullest expert at {full:.2f}x instead of {alone_full:.2f}x the mean, "
            f"task loss {loss / base - 1:+.0%}"
        )


def remarks(demo: Demo) -> Iterable[str]:
    """How it is judged, and with what."""
    s = demo.setting
    yield (
        f"mean (lowest to highest seed); dead: less than {DEAD_BELOW:g} of an even share of {s.evaluated:,} fresh "
        f"inputs; collapsed: more than {COLLAPSED_ABOVE:.0%} of a layer's experts dead; task loss: mean squared error"
    )
    yield (
        f"auxiliary loss x {s.auxiliary_coefficient:g}, too large x {s.too_large_coefficient:g} (Switch "
        f"Transformer's); bias moved by {s.bias_step:g} a step (DeepSeek-V3's); torch {demo.torch} on CPU; measured"
    )


def _spread(values: tuple[float, float, float], digits: int) -> str:
    mean, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{mean} ({low}-{high})"


def _curve(values: Sequence[float], highest: float, room: int) -> str:
    together = -(-len(values) // room)
    cells = [max(values[at : at + together]) for at in range(0, len(values), together)]
    span = max(highest - 1, 1e-9)
    return "".join(BARS[min(7, max(0, int((value - 1) / span * 8)))] for value in cells)
