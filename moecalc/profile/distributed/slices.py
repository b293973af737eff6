"""The part of a whole tensor that a rank holds, by the named dims of its row: the same table that sizes a plan.

`calc.deploy.sharding` says how large each dim is on a rank; here follows which of it. Ranks have consecutive parts.
Key-value heads of which there are fewer than ranks are held by several ranks each; a part that is rounded up ends in
zeros on the last rank, which change no result: they meet zeros on the other side.
"""

from typing import Any

from moecalc.ir.dims import Axis
from moecalc.ir.rows import Weight


def slice_of(tensor: Any, whole: Weight, share: Weight, rank: int, ranks: int) -> Any:
    """What `rank` of `ranks` holds of one layer's tensor. Its shape is that of `share`, a rank's part of the row.

    Raises ValueError where the tensor has not the shape of the row.
    """
    expected = tuple(int(axis.size) for axis in whole.shape)
    if tuple(tensor.shape) != expected:
        raise ValueError(f"{whole.role.value}: shape {tuple(tensor.shape)}, and the row says {expected}")
    for place, (axis, part) in enumerate(zip(whole.shape, share.shape, strict=True)):
        if axis != part:
            tensor = _along(tensor, place, axis, part, rank, ranks)
    return tensor.contiguous()


def start_of(whole: int, share: int, rank: int, ranks: int) -> int:
    """The first of `share` things out of `whole` that a rank holds."""
    if whole < ranks:  # each is held by several
        return rank * whole // ranks
    return rank * share


def _along(tensor: Any, place: int, axis: Axis, part: Axis, rank: int, ranks: int) -> Any:
    """The rank's part along one axis, whose dims (or whose parts' dims) lie in it like those of a reshaped tensor."""
    import torch

    if axis.parts:
        sizes = [int(piece.size) for piece in axis.parts]
        pieces = torch.split(tensor, sizes, dim=place)
        kept = [
            piece if own == mine else _along(piece, place, own, mine, rank, ranks)
            for piece, own, mine in zip(pieces, axis.parts, part.parts, strict=True)
        ]
        return torch.cat(kept, dim=place)
    before, after = tensor.shape[:place], tensor.shape[place + 1 :]
    view = tensor.reshape(*before, *(int(dim.size) for dim in axis.dims), *after)
    for offset, (dim, mine) in enumerate(zip(axis.dims, part.dims, strict=True)):
        if dim != mine:
            view = _narrow(view, place + offset, int(dim.size), int(mine.size), rank, ranks)
    return view.reshape(*before, int(part.size), *after)


def _narrow(view: Any, place: int, whole: int, share: int, rank: int, ranks: int) -> Any:
    start = min(start_of(whole, share, rank, ranks), whole)
    kept = view.narrow(place, start, min(share, whole - start))
    missing = share - kept.shape[place]
    if not missing:
        return kept
    import torch

    shape = list(kept.shape)
    shape[place] = missing
    return torch.cat([kept, kept.new_zeros(shape)], dim=place)
