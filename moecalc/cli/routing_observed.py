"""What `moecalc routing` does with real routing: read it, record it, place experts by it; and the demonstration."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from moecalc.cli.output import emit
from moecalc.cli.progress import Bar
from moecalc.errors import InputError

if TYPE_CHECKING:
    from moecalc.api.observing import Observation
    from moecalc.specs.recordings import Recording


def recorded(model: str | None, prompts: str, to: str | None) -> Recording:
    """Run prompts through a model directory; store the choices where a file is named."""
    if model is None:
        raise InputError("no model to record", hint="`moecalc routing DIRECTORY --record prompts.txt`")
    from moecalc.profile.record_routing import check_target, record, save

    if to is not None:
        check_target(to)
    made = record(model, prompts)
    if to is not None:
        save(made, to)
    return made


def read(file: str, model: str | None, strict: bool) -> Recording:
    """The recording in a file, held against the model where one is named."""
    from moecalc.api.observing import recording_from

    if model is None:
        return recording_from(file)
    from moecalc.api.loading import load

    return recording_from(file, load(model, strict))


def show(
    recording: Recording,
    *,
    ranks: int | None,
    redundant: int | None,
    nodes: int | None,
    groups: int | None,
    export: str | None,
    heatmap: str | None,
    as_json: bool,
    markdown: bool,
) -> None:
    """Print what a recording says, and write the files that were asked for."""
    from moecalc.api.observing import observing

    if export is not None and ranks is None:
        raise InputError(
            "no placement to export", hint="add `--placement 8`: the ranks that share the experts"
        )
    for name, value in {"--nodes": nodes, "--groups": groups}.items():
        if value is not None and ranks is None:
            raise InputError(f"`{name}` without a placement", hint="add `--placement 8`: the ranks")
    if groups is not None and nodes is None:
        raise InputError(
            "`--groups` without nodes", hint="add `--nodes 2`: the machines that a group stays on one of"
        )
    found = observing(recording, ranks, redundant, groups=groups, nodes=1 if nodes is None else nodes)
    if heatmap is not None:
        _write(heatmap, _svg(found, heatmap), "--heatmap")
    if export is not None and found.placements is not None:
        _write(export, json.dumps(found.placements.replicated.exported()) + "\n", "--export-placement")
    if as_json:
        from moecalc.render.json import report_json

        emit(report_json(found.report()))
    elif markdown:
        from moecalc.render.observed import observed_markdown

        emit(observed_markdown(found.observed, found.placements))
    else:
        from moecalc.render.layout import width
        from moecalc.render.observed import observed_text

        emit(observed_text(found.observed, found.placements, width()))


def demonstrate(*, as_json: bool, markdown: bool) -> None:
    """Train, with progress on stderr, and print what came of it."""
    from moecalc.profile.train_demo import train_demo

    if not sys.stderr.isatty():
        print("training 20 small models: about a minute", file=sys.stderr)  # noqa: T201 - talk
    with Bar("runs", 1) as bar:
        demo = train_demo(progress=bar.show)
    if as_json:
        from moecalc.render.json import report_json
        from moecalc.render.train_demo import report_of

        emit(report_json(report_of(demo)))
    elif markdown:
        from moecalc.render.train_demo import demo_markdown

        emit(demo_markdown(demo))
    else:
        from moecalc.render.layout import width
        from moecalc.render.train_demo import demo_text

        emit(demo_text(demo, width()))


def _svg(found: Observation, file: str) -> str:
    from moecalc.render.heatmap import MAX_CELLS, heat_svg
    from moecalc.render.observed import heading

    layers = found.observed.layers
    if not file.endswith(".svg"):
        raise InputError(f"`{file}` is no SVG file", hint="`--heatmap loads.svg`")
    if len(layers) * found.observed.experts > MAX_CELLS:
        raise InputError(
            f"a map of {len(layers) * found.observed.experts:,} cells", hint=f"at most {MAX_CELLS:,}"
        )
    return heat_svg(
        [layer.layer for layer in layers], [layer.counts for layer in layers], heading(found.observed)
    )


def _write(file: str, text: str, option: str) -> None:
    try:
        with Path(file).open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise InputError(f"`{file}` exists already", hint=f"`{option}` writes a new file") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"cannot write `{file}`: {reason}", hint="name a file in a folder that exists"
        ) from None
