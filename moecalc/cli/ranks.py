"""The part of `moecalc profile` that runs over several devices, under torchrun."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from moecalc.errors import EXIT_CHECK_FAILED, EXIT_OK, InputError, MoecalcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from moecalc.profile.measure.asked import Asked


def said_once(command: Callable[..., int]) -> Callable[..., int]:
    """The command, of whose errors over several devices the first rank alone tells; all exit with their code.

    What is of one rank alone, that rank tells.
    """

    @wraps(command)
    def run(*args: Any, **options: Any) -> int:
        try:
            return command(*args, **options)
        except MoecalcError as error:
            if is_another_rank() and not _is_its_own(error):
                return error.exit_code
            raise

    return run


def is_another_rank() -> bool:
    """Whether this process is one of several under torchrun, and not the first, which prints and writes."""
    from moecalc.profile.distributed.measuring import rank_of_torchrun

    return bool(rank_of_torchrun())


def _is_its_own(error: MoecalcError) -> bool:
    from moecalc.profile.distributed.measuring import RankError

    return isinstance(error, RankError)


def refuse_many() -> None:
    """Raise InputError where torchrun has started several processes, and no plan says what each of them is for."""
    import os

    from moecalc.profile.distributed.measuring import rank_of_torchrun

    count = os.environ.get("WORLD_SIZE", "1")
    if rank_of_torchrun() is not None and count != "1":
        raise InputError(
            f"{count} processes, and each would run the whole model beside the others",
            hint=f"`--tp {count}` or `--ep {count}`, or no torchrun",
        )


def answer(
    model: Any,
    asked: Asked,
    tensor: int | None,
    expert: int | None,
    *,
    save: str | None = None,
    warnings: tuple[str, ...] = (),
    json: bool = False,
    markdown: bool = False,
) -> int:
    """Measure as one rank; the first prints. Exit 1 where a rank holds or sends something else than computed.

    Expert parallelism alone is over copies of attention, each with sequences of its own; beside a tensor-parallel size
    the experts are dealt out to that group.
    """
    from moecalc.profile.distributed.measuring import AskedOfRanks, measure_ranks
    from moecalc.specs.plan import Plan

    if asked.layers == "kinds" or len(asked.batches) > 1:
        raise InputError(
            "several devices run the whole model at one batch",
            hint="one `--batch`, and no `--layers kinds`",
        )
    of_ranks = AskedOfRanks(
        plan=Plan(
            tensor=1 if tensor is None else tensor,
            expert=1 if expert is None else expert,
            data=1 if tensor is not None or expert is None else expert,
        ),
        cpu=asked.cpu,
        batch=asked.batches[0],
        prompt=asked.prompt,
        context=asked.context,
        dtype=asked.dtype,
        repeats=asked.repeats,
        seed=asked.seed,
        skew=asked.skew,
    )
    run = measure_ranks(model, of_ranks)
    if run is None:
        return EXIT_OK
    from moecalc.cli.output import emit, warn

    if json:
        import msgspec

        from moecalc.render.json import report_json
        from moecalc.report import Report

        emit(
            report_json(Report(command="profile", models=(), extra={"sharded_run": msgspec.to_builtins(run)}))
        )
    else:
        from moecalc.render.layout import width
        from moecalc.render.ranks import ranks_markdown, ranks_text

        emit(ranks_markdown(run) if markdown else ranks_text(run, width()))
    warn(warnings)
    if save is not None:
        from moecalc.specs.saved import write

        write(save, run, run.moecalc)
    held = (run.parameters, run.weight_bytes, run.state_bytes)
    is_as_computed = all(part.equal for part in held) and all(e.equal is not False for e in run.exchanged)
    return EXIT_OK if is_as_computed else EXIT_CHECK_FAILED
