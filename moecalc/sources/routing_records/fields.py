"""Named arrays to a recording: the one place that knows which names and shapes mean what."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from moecalc.errors import InputError
from moecalc.specs.recordings import INSTALL, MAX_CELLS, MAX_EXPERTS, Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNTS = ("counts", "logical_count", "expert_load", "expert_load_window", "global_physical_count")
"""[layers, experts], or [steps, layers, experts], which are added: the second is SGLang's, the fourth vLLM's name."""

CHOICES = ("choices", "routed_experts", "topk_ids")
"""[tokens, layers, top_k]: the second is vLLM's name."""

LOGITS = "logits"
"""[tokens, layers, experts]."""

PHYSICAL = ("physical_to_logical_map", "last_physical_to_logical_map")
"""[layers, slots]: the expert that stands in each slot, where counts or choices are of slots."""

OTHERS = ("experts", "starts", "layers", "best_first", "mean_probability", "z_loss", "notes")

MAX_LOGITS = 2**28
"""Logits that are turned into probabilities in memory: 1 GiB in fp32."""


def numpy() -> Any:
    """The module. Raises InputError with the one line that installs it."""
    try:
        import numpy as np
    except ImportError:
        raise InputError("router choices need numpy, which is not installed", hint=INSTALL) from None
    return np


def recording_of(fields: dict[str, Any], source: str, experts: int | None = None) -> Recording:
    """The recording that the named arrays make.

    `experts` is a layer's number of experts where the model is known. Raises InputError where names, shapes or values
    are none that a recording has.
    """
    counts_name = next((name for name in COUNTS if name in fields), None)
    choices_name = next((name for name in CHOICES if name in fields), None)
    slots = next((fields[name] for name in PHYSICAL if name in fields), None)
    stated = experts if experts is not None else _stated_experts(fields)
    if choices_name is not None:
        return _of_choices(fields, fields[choices_name], slots, stated, source)
    if counts_name is None:
        named = ", ".join(f"`{name}`" for name in list(fields)[:8]) or "nothing"
        raise InputError(
            f"neither counts nor choices: it holds {named}",
            hint=f"name an array of [layer, expert] counts `{COUNTS[0]}`, of [token, layer, k] indices `{CHOICES[0]}`",
        )
    return _of_counts(fields, fields[counts_name], slots, stated, source)


def _stated_experts(fields: dict[str, Any]) -> int | None:
    stated = fields.get("experts")
    if stated is None:
        return None
    try:
        stated = int(stated)
    except (TypeError, ValueError):
        raise InputError(f"`experts` is `{stated}`", hint="it is a layer's number of experts") from None
    if not 1 <= stated <= MAX_EXPERTS:
        raise InputError(f"`experts` is {stated:,}", hint=f"between 1 and {MAX_EXPERTS:,}")
    return stated


def check_cells(cells: int) -> None:
    """Raise InputError for more counts than models have, before they are made."""
    if cells > MAX_CELLS:
        raise InputError(
            f"{cells:,} counts of experts, over all layers",
            hint=f"at most {MAX_CELLS:,} are read: is it a recording of loads or choices?",
        )


def _of_counts(fields: dict[str, Any], counts: Any, slots: Any, stated: int | None, source: str) -> Recording:
    notes = tuple(fields.get("notes", ()))
    if getattr(counts, "ndim", 2) == 3 and counts.dtype.kind in "iu" and counts.size:
        if counts.min() < 0:
            raise InputError(f"a count is {int(counts.min()):,}", hint="counts are not negative")
        notes = (*notes, f"{len(counts):,} steps added up")
        counts = counts.sum(axis=0, dtype="int64")
    check_cells(getattr(counts, "size", 0))
    counts = _lists(counts)
    if _is_deep(counts):
        notes = (*notes, f"{len(counts):,} steps added up")
        counts = _added(counts)
    rows = _matrix(counts)
    if slots is not None:
        rows = _logical(rows, _matrix(_lists(slots)), stated)
    width = len(rows[0])
    if stated is not None and width != stated:
        raise InputError(
            f"the counts are of {width:,} experts, the model has {stated:,}",
            hint="counts have a row for each layer and a column for each expert",
        )
    if not any(map(any, rows)):
        raise InputError("all counts are 0", hint="record while tokens run through the model")
    return Recording(
        source=source,
        experts=width,
        layer_names=_layer_names(fields, len(rows)),
        counts=tuple(map(tuple, rows)),
        notes=notes,
    )


def _of_choices(
    fields: dict[str, Any], choices: Any, slots: Any, stated: int | None, source: str
) -> Recording:
    np = numpy()
    array = _choice_array(choices)
    tokens, layers, top_k = array.shape
    low, high = _extremes(array)
    if low < -1:
        raise InputError(f"an expert's index is {low:,}", hint="indices begin at 0; -1 stands for no choice")
    if high < 0:
        raise InputError("no token has chosen an expert", hint="record while tokens run through the model")
    if slots is not None:
        array = _logical_choices(array, _matrix(_lists(slots)), high)
        low, high = _extremes(array)
    width = stated if stated is not None else high + 1
    if high >= width:
        raise InputError(
            f"expert {high:,} was chosen, of {width:,} that are counted from 0",
            hint="choices are [token, layer, k] indices of experts; is this the recording of another model?",
        )
    if width > MAX_EXPERTS:
        raise InputError(
            f"expert {high:,} was chosen", hint=f"at most {MAX_EXPERTS:,} experts are understood"
        )
    if top_k > width:
        raise InputError(
            f"{top_k:,} choices per token among {width:,} experts",
            hint="choices have the shape [tokens, layers, top_k]; counts are named `counts`",
        )
    check_cells(layers * width)
    notes = tuple(fields.get("notes", ()))
    if stated is None:
        notes = (*notes, f"{width:,} experts: the highest index chosen; name the model where it has more")
    probability, z_loss = _of_logits(fields, (tokens, layers, width))
    starts = fields.get("starts")
    return Recording(
        source=source,
        experts=width,
        layer_names=_layer_names(fields, layers),
        choices=array,
        starts=None if starts is None else _starts(np.asarray(starts), tokens),
        best_first=bool(fields.get("best_first", True)),
        mean_probability=probability,
        z_loss=z_loss,
        notes=notes,
    )


def _choice_array(choices: Any) -> NDArray[Any]:
    np = numpy()
    try:
        array = choices if isinstance(choices, np.ndarray) else np.asarray(choices)
    except ValueError:
        raise InputError(
            "the choices have rows of different lengths", hint="they have the shape [tokens, layers, top_k]"
        ) from None
    if array.dtype.kind not in "iu":
        raise InputError(f"choices of type {array.dtype}", hint="experts are chosen by whole numbers")
    if array.ndim != 3 or 0 in array.shape:
        raise InputError(
            f"choices of shape {list(array.shape)}",
            hint="they have the shape [tokens, layers, top_k], none of them 0",
        )
    made: NDArray[Any] = array
    return made


def _extremes(array: NDArray[Any], tokens_at_once: int = 65_536) -> tuple[int, int]:
    """Lowest and highest index, read once and in pieces."""
    low, high = 0, -1
    for start in range(0, len(array), tokens_at_once):
        piece = array[start : start + tokens_at_once]
        low, high = min(low, int(piece.min())), max(high, int(piece.max()))
    return low, high


def _logical_choices(array: NDArray[Any], slots: list[list[int]], high: int) -> NDArray[Any]:
    """The experts that stand in the chosen slots."""
    np = numpy()
    if len(slots) != array.shape[1] or high >= len(slots[0]):
        raise InputError(
            f"slots of shape {[len(slots), len(slots[0])]} for choices of {array.shape[1]} layers up to slot {high}",
            hint="the physical-to-logical map has a row for each layer and a column for each slot",
        )
    table = np.asarray(slots)
    chosen = table[np.arange(array.shape[1])[None, :, None], np.maximum(array, 0)]
    made: NDArray[Any] = np.where(array < 0, -1, chosen)
    return made


def _of_logits(
    fields: dict[str, Any], shape: tuple[int, int, int]
) -> tuple[tuple[tuple[float, ...], ...] | None, tuple[float, ...] | None]:
    """Mean probability of each expert (softmax) and ST-MoE's z-loss per layer, from logits or as recorded."""
    np = numpy()
    logits = fields.get(LOGITS)
    if logits is None:
        probability, z_loss = fields.get("mean_probability"), fields.get("z_loss")
        if probability is not None and np.shape(probability) != shape[1:]:
            raise InputError(
                f"`mean_probability` of shape {list(np.shape(probability))}",
                hint=f"it is {list(shape[1:])} here",
            )
        if z_loss is not None and np.shape(z_loss) != shape[1:2]:
            raise InputError(f"`z_loss` of shape {list(np.shape(z_loss))}", hint="it has one value per layer")
        return (
            None if probability is None else tuple(tuple(map(float, row)) for row in probability),
            None if z_loss is None else tuple(map(float, z_loss)),
        )
    if np.shape(logits) != shape:
        raise InputError(
            f"logits of shape {list(np.shape(logits))}", hint=f"with these choices it is {list(shape)}"
        )
    if logits.size > MAX_LOGITS:
        raise InputError(
            f"{logits.size:,} logits are more than are read",
            hint="store `mean_probability` and `z_loss` instead",
        )
    wide = np.asarray(logits, dtype=np.float64)
    if not np.isfinite(wide).all():
        raise InputError("a logit is no finite number", hint="record logits before experts are masked")
    peak = wide.max(axis=-1, keepdims=True)
    powers = np.exp(wide - peak)
    sums = powers.sum(axis=-1, keepdims=True)
    mean = (powers / sums).mean(axis=0)
    log_sums = (np.log(sums) + peak)[..., 0]
    return tuple(map(tuple, mean.tolist())), tuple((log_sums**2).mean(axis=0).tolist())


def _starts(starts: Any, tokens: int) -> tuple[int, ...]:
    try:
        listed = [int(start) for start in starts.ravel()]
    except (TypeError, ValueError):
        listed = []
    if listed[:1] != [0] or any(b <= a for a, b in pairwise(listed)) or listed[-1] >= tokens:
        raise InputError(
            "`starts` are not rising from 0 to a token of the recording",
            hint="they are the first tokens of the sequences, in order",
        )
    return tuple(listed)


def _layer_names(fields: dict[str, Any], layers: int) -> tuple[int, ...]:
    named = fields.get("layers")
    if named is None:
        return tuple(range(layers))
    try:
        names = tuple(int(name) for name in named)
    except (TypeError, ValueError):
        raise InputError("`layers` are no whole numbers", hint="it has one index for each row") from None
    if len(names) != layers or len(set(names)) != layers:
        raise InputError(
            f"{len(names)} names for {layers} layers", hint="`layers` has one index for each row"
        )
    return names


def _is_deep(rows: Any) -> bool:
    """Whether lists stand three deep."""
    for _ in range(2):
        if not isinstance(rows, list) or not rows:
            return False
        rows = rows[0]
    return isinstance(rows, list)


def _lists(values: Any) -> Any:
    return values.tolist() if hasattr(values, "tolist") else values


def _matrix(rows: Any) -> list[list[int]]:
    """[layers][experts] of whole numbers from 0 on. Raises InputError for anything else."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) and row for row in rows):
        raise InputError("the counts are no table", hint="counts have the shape [layers, experts]")
    width = len(rows[0])
    check_cells(len(rows) * width)
    for number, row in enumerate(rows):
        if len(row) != width:
            raise InputError(
                f"layer {number} has {len(row):,} counts, layer 0 has {width:,}",
                hint="counts have a row for each layer and a column for each expert",
            )
        for value in row:
            if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
                raise InputError(f"a count is `{value}`", hint="counts are whole numbers of tokens")
            if value < 0:
                raise InputError(f"a count is {value:,}", hint="counts are not negative")
    if width > MAX_EXPERTS:
        raise InputError(f"{width:,} experts in a layer", hint=f"at most {MAX_EXPERTS:,} are understood")
    return [[int(value) for value in row] for row in rows]


def _added(steps: list[Any]) -> list[list[int]]:
    tables = [_matrix(step) for step in steps]
    first = tables[0]
    if any(len(table) != len(first) or len(table[0]) != len(first[0]) for table in tables):
        raise InputError(
            "steps of different shapes", hint="counts of steps have the shape [steps, layers, experts]"
        )
    return [[sum(values) for values in zip(*rows, strict=True)] for rows in zip(*tables, strict=True)]


def _logical(rows: list[list[int]], slots: list[list[int]], stated: int | None) -> list[list[int]]:
    """Counts of slots added up to counts of the experts that stand in them."""
    if len(slots) != len(rows) or len(slots[0]) != len(rows[0]):
        raise InputError(
            f"counts of {len(rows)} layers and {len(rows[0])} slots, a map of {len(slots)} and {len(slots[0])}",
            hint="the physical-to-logical map has the shape of the counts",
        )
    width = stated if stated is not None else max(map(max, slots)) + 1
    if max(map(max, slots)) >= width:
        raise InputError(
            f"the map names expert {max(map(max, slots))} of {width}", hint="experts count from 0"
        )
    made = [[0] * width for _ in rows]
    for layer, (counts, experts) in enumerate(zip(rows, slots, strict=True)):
        for count, expert in zip(counts, experts, strict=True):
            made[layer][expert] += count
    return made
