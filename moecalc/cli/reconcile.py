"""`moecalc reconcile MODEL`."""

from typing import Annotated

import typer

from moecalc.api.reconciling import reconciled
from moecalc.cli import options
from moecalc.cli.output import emit
from moecalc.errors import CheckFailed

EXAMPLES = (
    "moecalc reconcile path/to/checkpoint/",
    "moecalc reconcile path/to/model.safetensors --json",
    "moecalc reconcile org/repo",
)


def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A checkpoint with its config: a directory, a file in it or a hub id."
        ),
    ],
    json: options.JsonOption = False,
) -> None:
    """A config against its checkpoint, tensor by tensor.

    Missing and unexpected tensors, other shapes and dtypes; copies and buffers explained; what every stored
    element is. Exit code 1 where they disagree.
    """
    loaded = reconciled(model)
    held = loaded.reconciliations
    disagreeing = [each for each in held if not each.agrees]
    if json:
        from moecalc.render.reconcile import reconcile_json

        emit(reconcile_json(loaded.name, loaded.config_source, (*disagreeing, held[-1])[0]))
    else:
        from moecalc.render.layout import width
        from moecalc.render.reconcile import reconcile_text

        texts = [reconcile_text(loaded.name, loaded.config_source, each, width()) for each in held]
        emit("\n\n".join(texts))
    if disagreeing:
        raise CheckFailed("; ".join(each.summary for each in disagreeing))
