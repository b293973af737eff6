"""Images and sound of a workload: how many patches and frames the towers read, and what that costs.

A tower runs whole: all of its layers, its pooling head and its projectors, whatever the language model reads of them,
as the reference implementation runs it. The patches of an image all attend to each other, or within the squares that
the architecture has; nothing is masked, so causal and full pairs are one count. The embeddings that come out are
tokens of the prompt, and cost what the prompt costs.
"""

from math import isqrt

import msgspec

from moecalc.calc.flops import How, choices_for
from moecalc.errors import InputError
from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.towers import VisionTransformer
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Ledger, Op
from moecalc.ir.step import Domain, KeysKind, Media, Step
from moecalc.specs.kv_formats import state_format
from moecalc.specs.workload import Workload

GRID_HINT = "give rows and columns of patches: `--patches 36x52`, patches=(36, 52)"


def with_media(workload: Workload, architecture: Architecture, ledger: Ledger) -> Workload:
    """The workload with the patches of an image filled in where the tower has one size, and held against its shapes.

    Raises InputError for images or sound that no tower reads, for a number of patches that has to be given, and for
    one that the tower cannot cut or merge.
    """
    images, patches, frames = workload.images, workload.patches, workload.frames
    if frames is not None and not _ops(ledger, Component.AUDIO):
        raise InputError("`frames` are given, and no audio tower is modelled", hint="leave `frames` out")
    if images is None and patches is None:
        media = Media(frames=frames or 0)
        return workload if frames is None else msgspec.structs.replace(workload, media=media)
    rows = _ops(ledger, Component.VISION)
    if not rows:
        raise InputError("images are given, and no vision tower is modelled", hint="leave `images` out")
    number, grid = _patches(patches, architecture)
    _check_cut(rows, number, grid)
    assumed = tuple(name for name, value in (("images", images), ("patches", patches)) if value is None)
    workload = msgspec.structs.replace(
        workload,
        images=1 if images is None else images,
        patches=number if patches is None else patches,
        defaulted=(*workload.defaulted, *assumed),
    )
    media = Media(images=workload.images or 0, patches=number, grid=grid, frames=frames or 0)
    if any(op.extent.keys.kind is KeysKind.CROSS for op in ledger.ops):
        media = msgspec.structs.replace(media, source=embeddings(ledger, media))
    return msgspec.structs.replace(workload, media=media)


def tower_flops(ledger: Ledger, component: Component, media: Media, how: How) -> dict[Role, Number]:
    """FLOPs of a tower with its projectors over the images, or the sound, of one sequence, by role."""
    step = Step(1, media=media)
    choices = choices_for(ledger, step, how)
    found: dict[Role, Number] = {}
    for op in _ops(ledger, component):
        found[op.role] = found.get(op.role, 0) + op.flops(step, choices)
    return found


def embeddings(ledger: Ledger, media: Media) -> Number:
    """Vectors that the images of a sequence become: runs of the last projector."""
    projectors = [op for op in _ops(ledger, Component.VISION) if op.role is Role.TOWER_PROJECTOR]
    step = Step(1, media=media)
    return projectors[-1].extent.count(step, choices_for(ledger, step, "full"))


def source_bytes(ledger: Ledger, media: Media, kv_dtype: str) -> Number:
    """Bytes of the keys and values that one sequence holds of its images for cross-attention."""
    held: Number = 0
    for state in ledger.part(Component.LANGUAGE).states:
        held += state_format(state, kv_dtype).bytes_for(state.source_elements(media.source))
    return held


def _ops(ledger: Ledger, component: Component) -> tuple[Op, ...]:
    return tuple(op for op in ledger.ops if op.component is component)


def _patches(
    given: int | tuple[int, int] | None, architecture: Architecture
) -> tuple[int, tuple[int, int] | None]:
    """The patches of an image, and their rows and columns where those are known."""
    if isinstance(given, tuple):
        return given[0] * given[1], given
    if given is not None:
        return given, None
    parts = (part for tower in architecture.towers for part in tower.parts)
    transformer = next((part for part in parts if isinstance(part, VisionTransformer)), None)
    number = transformer.patches_per_image if transformer else None
    if transformer is None or number is None:
        raise InputError(
            "`images` are given without `patches`, and this tower reads images of any size",
            hint="give the patches of each image: `--patches 1024` or, as rows and columns, `--patches 36x52`",
        )
    return number, None if transformer.tiles else transformer.grid


def _check_cut(rows: tuple[Op, ...], patches: int, grid: tuple[int, int] | None) -> None:
    if grid is None and any(op.extent.keys.kind is KeysKind.SQUARES for op in rows):
        raise InputError(
            f"`patches` is {patches:,}, and this tower cuts an image into squares that attend by themselves",
            hint=GRID_HINT,
        )
    for joined in {int(op.extent.joined) for op in rows if op.extent.domain is Domain.PATCHES}:
        side = isqrt(joined)
        fits = patches % joined == 0
        if fits and grid is not None and side**2 == joined:
            fits = grid[0] % side == grid[1] % side == 0
        if not fits:
            words = f"{patches:,}" if grid is None else f"{grid[0]:,} x {grid[1]:,}"
            raise InputError(
                f"`patches` is {words}, and this tower joins every {joined:,} of an image to one",
                hint=f"give a multiple of {joined:,}"
                + (f", rows and columns multiples of {side:,}" if side**2 == joined else ""),
            )
