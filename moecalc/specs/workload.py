"""What a model is asked to do: prompt, context, batch, and the conventions under which that is counted."""

from typing import Any

import msgspec

from moecalc.errors import InputError
from moecalc.ir.step import NO_MEDIA, Media

DEFAULT_CONTEXT = 4096
"""Used where the model was trained for at least as much; the shorter trained length otherwise."""

LONGEST = 2**32
"""Beyond any context a model was built for: a slip of the pen."""


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A step's size and conventions. `defaulted` names what the user did not choose.

    `past` tokens are cached when the prompt comes (a chunk of a longer prompt, or a shared prefix). `pairs`,
    `logits` and `form` stand in place of the convention's own choice. Each sequence has `images` (or tiles of one,
    where the model's processor cuts it) of `patches` each, a number or rows and columns, and sound of `frames`.
    """

    context: int
    prompt: int
    past: int = 0
    batch: int = 1
    convention: str = "causal"
    pairs: str | None = None
    logits: str | None = None
    form: str | None = None
    runtime: str | None = None
    images: int | None = None
    patches: int | tuple[int, int] | None = None
    frames: int | None = None
    media: Media = NO_MEDIA
    """Images and sound as the model's towers see them: what was left out of the three above filled in."""
    defaulted: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def assumed(self) -> dict[str, Any]:
        """The defaults in force, for the report."""
        return {name: getattr(self, name) for name in self.defaulted}


def check_length(name: str, value: Any, least: int = 1) -> None:
    """Raise InputError unless the value is a whole number (of tokens, sequences, images) from `least` to 2^32."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LONGEST:
        raise InputError(f"`{name}` is {value!r}", hint=f"give a whole number from {least} to {LONGEST:,}")


def _checked_patches(patches: Any) -> int | tuple[int, int]:
    if not isinstance(patches, tuple | list):
        check_length("patches", patches)
        return int(patches)
    if len(patches) != 2:
        raise InputError(f"`patches` is {patches!r}", hint="give a number, or rows and columns: (36, 52)")
    for side in patches:
        check_length("patches", side)
    return patches[0], patches[1]


def plan_workload(
    trained: int | None,
    *,
    prompt: int | None = None,
    context: int | None = None,
    past: int = 0,
    batch: int = 1,
    convention: str = "causal",
    pairs: str | None = None,
    logits: str | None = None,
    form: str | None = None,
    runtime: str | None = None,
    images: int | None = None,
    patches: int | tuple[int, int] | None = None,
    frames: int | None = None,
) -> Workload:
    """Fill in what was not chosen: context = min(4096, trained length), prompt = context.

    A context, or a prompt with its past, beyond the trained length is a warning. Raises InputError for lengths
    below 1 and a past below 0.
    """
    defaulted = tuple(name for name, value in (("context", context), ("prompt", prompt)) if value is None)
    if context is None:
        context = min(DEFAULT_CONTEXT, trained) if trained else DEFAULT_CONTEXT
    if prompt is None:
        prompt = context
    for name, value in (("context", context), ("prompt", prompt), ("batch", batch)):
        check_length(name, value)
    check_length("past", past, least=0)
    if images is not None:
        check_length("images", images)
    if frames is not None:
        check_length("frames", frames)
    if patches is not None:
        patches = _checked_patches(patches)
    warnings: tuple[str, ...] = ()
    if trained is not None and max(context, past + prompt) > trained:
        words = f"context {context:,}" if context >= past + prompt else f"prompt {prompt:,}"
        if past and past + prompt > context:
            words = f"past {past:,} + prompt {prompt:,} = {past + prompt:,}"
        warnings = (f"{words} is beyond the trained length of {trained:,}",)
    return Workload(
        context=context,
        prompt=prompt,
        past=past,
        batch=batch,
        convention=convention,
        pairs=pairs,
        logits=logits,
        form=form,
        runtime=runtime,
        images=images,
        patches=patches,
        frames=frames,
        defaulted=defaulted,
        warnings=warnings,
    )
