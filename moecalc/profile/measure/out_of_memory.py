"""A device that runs out of memory although all was computed to fit: one error, that says what to try instead."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from moecalc.errors import InputError
from moecalc.profile.measure.computing import Computed
from moecalc.profile.measure.fitting import needed_bytes
from moecalc.profile.measure.steps import StepPlan
from moecalc.profile.measure.torch_errors import is_out_of_memory
from moecalc.units import format_bytes_binary


@contextmanager
def out_of_memory_as(said: Callable[[], InputError]) -> Iterator[None]:
    """Raise what is to be said in place of an error about memory."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise said() from None


def full_device(where: str, free: int | None, doing: str) -> InputError:
    """For what does not depend on the model."""
    had = "" if free is None else f", of which {format_bytes_binary(free)} were free,"
    return InputError(
        f"the memory of {where}{had} does not suffice {doing}",
        hint="end what else uses it (`nvidia-smi` lists it), or choose another `--gpu`, or `--cpu`",
    )


def ran_out(
    parts: Sequence[Computed],
    steps: Sequence[StepPlan],
    free: int | None,
    where: str,
    doing: str,
    *,
    by_kinds: bool = True,
) -> InputError:
    """For a model, or one layer of each of its kinds: what it was computed to need, and a run of about half of that.

    `by_kinds` says whether the whole can be taken apart into these.
    """
    model, dtype, needed = parts[0].model.name, parts[0].dtype, needed_bytes(parts, steps)
    had = (
        ""
        if free is None
        else f", and {format_bytes_binary(free)} were free: others use it, or kernels take more"
    )
    return InputError(
        f"`{model}` in {dtype} ran out of memory on {where} {doing}: it was computed to need "
        f"{format_bytes_binary(needed)}{had}",
        hint=_less(parts, steps, by_kinds=by_kinds and parts[0].kind is None),
    )


def _less(parts: Sequence[Computed], steps: Sequence[StepPlan], *, by_kinds: bool) -> str:
    """Half the batch, or else half the lengths, with what these are computed to need; `by_kinds` is a way out too."""
    batch = max((step.batch for step in steps if step.phase == "decode"), default=1)
    prompt = max((step.tokens for step in steps if step.phase == "prefill"), default=1)
    context = max((step.tokens for step in steps if step.phase == "decode"), default=1)
    if batch > 1:
        batch, words = batch // 2, f"--batch {batch // 2}"
    elif max(prompt, context) > 1:
        prompt, context = max(1, prompt // 2), max(1, context // 2)
        words = f"--batch 1 --context {context} --prompt {prompt}"
    else:
        others = "a dtype of fewer bytes, or a device with more memory"
        return f"`--layers kinds`, {others}" if by_kinds else others
    less = (StepPlan("prefill", 1, prompt), StepPlan("decode", batch, context))
    needs = f"`{words}` is computed to need {format_bytes_binary(needed_bytes(parts, less))}"
    return f"{needs}; `--layers kinds` holds fewer layers at once" if by_kinds else needs
