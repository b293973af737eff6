"""One rank's share of a ledger, by the named dim that splits. Nothing here knows a block, an engine or a device.

Heads, intermediate sizes and the vocabulary split over tensor-parallel ranks, experts over expert-parallel ones,
layers over pipeline stages, cached tokens over decode-context ranks. What has no such dim is whole on every rank:
norms, routers, latents and the projections that make them, indexers. A size that does not divide is an error where
engines refuse it (heads) and rounded up where they pad or deal unevenly (vocabulary, intermediate sizes, experts).

Key-value heads under tensor parallelism: kv_heads / TP per rank where that is whole; one per rank, stored
TP / kv_heads times, where kv_heads divides TP instead (Megatron-LM, vLLM).
"""

from collections.abc import Callable, Iterator

import msgspec

from moecalc.errors import InputError
from moecalc.ir.dims import Axis, Dim
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Ledger, Slots, SlotsKind, State, Weight
from moecalc.specs.plan import Plan, divisors

MUST_DIVIDE = frozenset({"heads", "value_heads", "key_heads", "linear_heads", "ssm_heads", "ssm_channels"})
"""Heads of which every rank has the same whole number, and the channels of a recurrence without heads (vLLM's
MambaMixer, vllm/model_executor/layers/mamba/mamba_mixer.py)."""

SHARED_HEADS = frozenset({"kv_heads", "groups", "o_groups"})
"""Fewer than the ranks may be: then each rank has one, and it is stored several times."""

ATTENTION = (
    MUST_DIVIDE
    | SHARED_HEADS
    | {"conv_channels", "attention_hidden_size", "blocks", "width", "linear_hidden_size"}
)
"""Dims that the ranks of one copy of attention (or of a recurrence) split."""

FEED_FORWARD = frozenset({"intermediate_size", "shared_intermediate_size", "vocab_size"})
"""Dims that the whole tensor-parallel group splits."""

WHOLE = frozenset({Role.ATTENTION_QK_NORM, Role.ROUTER_TABLE, Role.ROUTER_OTHER, Role.ROUTER})
"""Roles that stay whole although a dim of theirs would split: a norm over all heads needs all of them."""

_TOKENS_SLOTS = frozenset({SlotsKind.FULL})
_TOWERS = frozenset({Component.VISION, Component.AUDIO})


def rank_ledger(ledger: Ledger, plan: Plan, stage: int = 0) -> Ledger:
    """The rows that the fullest rank of a pipeline stage holds: a ledger like any other.

    Bytes and elements of it are the rank's; its state is that of one sequence of the rank's copy of attention.
    Raises InputError where the plan cannot be laid over these rows, saying what divides.
    """
    return stage_ledger(split_ledger(ledger, plan), plan, stage)


def split_ledger(ledger: Ledger, plan: Plan) -> Ledger:
    """What a rank holds of every row, whatever the stages: its own heads, experts and share of the vocabulary.

    Raises InputError where the plan cannot be laid over these rows, saying what divides.
    """
    check_plan(ledger, plan)
    return Ledger(
        tuple(_shard_weight(weight, plan) for weight in ledger.weights),
        ledger.ops,
        tuple(_shard_state(state, plan) for state in ledger.states),
    )


def stage_ledger(split: Ledger, plan: Plan, stage: int) -> Ledger:
    """The rows of a split ledger that stand on one pipeline stage."""
    place = _Place(plan, plan.layers_of_stages(layer_count(split))[stage], stage)
    return Ledger(
        tuple(weight for row in split.weights for weight in place.weights(row)),
        split.ops,
        tuple(state for row in split.states for state in place.states(row)),
    )


def stage_weights(whole: Ledger, split: Ledger, plan: Plan, stage: int) -> Iterator[tuple[Weight, Weight]]:
    """Each row that a pipeline stage stores, whole, beside what the fullest rank of the stage holds of it."""
    place = _Place(plan, plan.layers_of_stages(layer_count(whole))[stage], stage)
    for row, share in zip(whole.weights, split.weights, strict=True):
        for here in place.weights(row):
            yield here, here if share is row else msgspec.structs.replace(here, shape=share.shape)


def check_plan(ledger: Ledger, plan: Plan) -> None:
    """Raises InputError where the plan cannot be laid over these rows, saying what divides."""
    refusals = _refusals(ledger, plan)
    if refusals:
        raise refusals[0]
    plan.layers_of_stages(layer_count(ledger))


def layer_count(ledger: Ledger) -> int:
    """Layers of the language model that a pipeline can cut between."""
    rows = (weight for weight in ledger.weights if weight.component is Component.LANGUAGE)
    return 1 + max((index for weight in rows for index in weight.indices), default=0)


def is_looped(ledger: Ledger) -> bool:
    """Whether a step runs all layers several times over: then no pipeline can cut between them."""
    return any(
        w.applications > 1
        and w.layers > 1
        and w.component is Component.LANGUAGE
        and len(w.indices) == w.layers
        for w in ledger.weights
    )


def allowed_tensor_sizes(ledger: Ledger, most: int = 64) -> list[int]:
    """Tensor-parallel sizes up to `most` that the model's heads allow."""
    heads = tuple(_head_sizes(ledger))
    return [size for size in range(1, most + 1) if all(_dealt_to(head, size) for head in heads)]


class _Place:
    """Which rows, and how many of their layers, stand on one pipeline stage."""

    def __init__(self, plan: Plan, layers: range, stage: int) -> None:
        self.first, self.last = stage == 0, stage == plan.pipeline - 1
        self.layers = layers

    def weights(self, row: Weight) -> Iterator[Weight]:
        """The row as this stage stores it, if at all."""
        if row.component in _TOWERS:  # what turns images into embeddings stands before the first layer
            here = self.first
        elif row.component is Component.MTP:
            here = self.last
        elif row.indices:
            indices = tuple(index for index in row.indices if index in self.layers)
            if indices:
                # Copies that layers share are used in turn, so the stage has as many as it has uses for.
                layers = min(len(indices), row.layers)
                yield msgspec.structs.replace(row, layers=layers, indices=indices)
            return
        elif row.role.group == "embedding":
            here = self.first
        else:
            here = self.last
        if here:
            # A tied head has the embedding's tensor, which stands on the first stage: elsewhere it needs its own copy.
            alone = row.tied_to is not None and not self.first
            yield msgspec.structs.replace(row, tied_to=None) if alone else row

    def states(self, row: State) -> Iterator[State]:
        """The row for this stage's layers."""
        if not row.indices:
            if self.last:
                yield row
            return
        if row.indices[0] in self.layers and row.indices[-1] in self.layers:
            yield row
            return
        indices = tuple(index for index in row.indices if index in self.layers)
        if not indices:
            return
        if row.layers == len(row.indices):
            yield msgspec.structs.replace(row, layers=len(indices), indices=indices)
        else:  # copies that several layers run: a state for each of the layers
            runs = row.layers * row.applications // len(row.indices)
            yield msgspec.structs.replace(row, layers=1, applications=len(indices) * runs, indices=indices)


def _shard_weight(weight: Weight, plan: Plan) -> Weight:
    if weight.role in WHOLE or weight.role.group == "indexer":
        return weight
    shape = tuple(_shard_axis(axis, _splitter(weight, plan)) for axis in weight.shape)
    return weight if shape == weight.shape else msgspec.structs.replace(weight, shape=shape)


def _shard_state(state: State, plan: Plan) -> State:
    dims = tuple(_shard_dim(dim, plan.attention_ranks) for dim in state.dims)
    reserved = tuple(_shard_dim(dim, plan.attention_ranks) for dim in state.reserved_dims)
    slots = state.slots
    if plan.decode_context > 1 and slots.kind in _TOKENS_SLOTS:
        slots = msgspec.structs.replace(slots, ranks=plan.decode_context)
    return msgspec.structs.replace(
        state, dims=_dealt(dims, state.dims, plan, slots), reserved_dims=reserved, slots=slots
    )


def _dealt(dims: tuple[Dim, ...], whole: tuple[Dim, ...], plan: Plan, slots: Slots) -> tuple[Dim, ...]:
    """Key-value heads where decode-context ranks deal out tokens: they share the heads they would have copied."""
    if slots.ranks == 1:
        return dims
    sizes = {dim.name: dim.size for dim in whole}
    heads = sizes.get("kv_heads")
    if heads is None:
        return dims
    copies = max(1, plan.attention_ranks // heads)
    if copies % plan.decode_context:
        raise InputError(
            f"`--dcp {plan.decode_context}` deals out tokens among ranks that hold the same key-value heads: "
            f"{heads} heads on {plan.attention_ranks} ranks leave {copies} with the same",
            hint=f"sizes that divide {copies}: {', '.join(map(str, divisors(copies)))}",
        )
    return dims


def _splitter(weight: Weight, plan: Plan) -> Callable[[Dim], Dim]:
    if weight.component in _TOWERS:

        def whole_or_even(dim: Dim) -> Dim:
            splits = dim.name in ATTENTION or dim.name in FEED_FORWARD
            return Dim(dim.name, dim.size // plan.tensor) if splits and dim.size % plan.tensor == 0 else dim

        return whole_or_even

    def split(dim: Dim) -> Dim:
        if dim.name == "experts" and weight.pool is not None:
            return Dim(dim.name, _ceil(dim.size + plan.redundant_experts, plan.expert))
        if dim.name == "moe_intermediate_size":
            return Dim(dim.name, _ceil(dim.size, plan.expert_tensor))
        if dim.name == "vocab_size" and weight.access is not Access.ELEMENTWISE:
            padded = _ceil(dim.size, plan.vocabulary_multiple) * plan.vocabulary_multiple
            return Dim(dim.name, _ceil(padded, plan.tensor))
        if dim.name in FEED_FORWARD:
            return Dim(dim.name, _ceil(dim.size, plan.tensor))
        return _shard_dim(dim, plan.attention_ranks)

    return split


def _shard_dim(dim: Dim, ranks: int) -> Dim:
    """A dim of attention or of a recurrence on one of `ranks` ranks."""
    if dim.name not in ATTENTION:
        return dim
    return Dim(dim.name, _ceil(dim.size, ranks))


def _shard_axis(axis: Axis, split: Callable[[Dim], Dim]) -> Axis:
    if axis.parts:
        return Axis(parts=tuple(_shard_axis(part, split) for part in axis.parts))
    return Axis(tuple(split(dim) for dim in axis.dims))


def _ceil(size: Number, ranks: int) -> Number:
    return -(-size // ranks)


def _refusals(ledger: Ledger, plan: Plan) -> list[InputError]:
    """What keeps this plan from these rows, if anything does."""
    found = []
    for name, size in _head_sizes(ledger):
        ranks = plan.attention_ranks
        if not _dealt_to((name, size), ranks):
            fits = ", ".join(map(str, allowed_tensor_sizes(ledger)))
            found.append(
                InputError(
                    f"`--tp {plan.tensor}`: {size} {name} cannot be dealt to {ranks} ranks",
                    hint=f"tensor-parallel sizes up to 64 that the model's heads allow: {fits}",
                )
            )
    pools = [int(w.pool.experts) for w in ledger.weights if w.pool is not None]
    if plan.expert > 1 and not pools:
        found.append(
            InputError(f"`--ep {plan.expert}`: this model has no routed experts", hint="leave `--ep` out")
        )
    elif pools and plan.expert > min(pools) + plan.redundant_experts:
        found.append(
            InputError(
                f"`--ep {plan.expert}` is more ranks than {min(pools)} experts", hint="at most one each"
            )
        )
    if plan.redundant_experts:
        found += _redundancy_refusals(min(pools, default=0), plan)
    if plan.pipeline > 1 and is_looped(ledger):
        found.append(
            InputError(
                f"`--pp {plan.pipeline}`: this model runs its layers several times over",
                hint="tensor parallelism splits it: `--tp`",
            )
        )
    return found


def _redundancy_refusals(experts: int, plan: Plan) -> Iterator[InputError]:
    """What keeps copies of busy experts from these ranks.

    vLLM: "EPLB currently only supports even distribution of experts across ranks" (FusedMoE in
    vllm/model_executor/layers/fused_moe/layer.py), and experts are dealt out whole.
    """
    option, ranks, total = f"`--redundant-experts {plan.redundant_experts}`", plan.expert, experts
    total += plan.redundant_experts
    if not experts:
        yield InputError(
            f"{option}: this model has no routed experts", hint="leave `--redundant-experts` out"
        )
    elif ranks == 1:
        sizes = f"`--ep {plan.stage_devices}`" if plan.stage_devices > 1 else "`--tp 8 --ep 8`"
        yield InputError(
            f"{option} copies experts that are dealt out whole, and they are not", hint=f"add {sizes}"
        )
    elif total > experts * ranks:
        most = experts * (ranks - 1)
        yield InputError(
            f"{option}: with {most:,} each of {ranks} ranks has all {experts} experts",
            hint=f"at most {most:,}",
        )
    elif total % ranks:
        near = [
            size - experts for size in (total // ranks * ranks, _ceil(total, ranks) * ranks) if size > experts
        ]
        yield InputError(
            f"{option} makes {total} experts of {experts}, and {ranks} ranks cannot have equally many",
            hint=" or ".join(f"`--redundant-experts {size}`" for size in near),
        )


def _dealt_to(head: tuple[str, int], ranks: int) -> bool:
    """Whether heads of that name and number can be dealt to the ranks, equally or one each."""
    name, size = head
    return size % ranks == 0 or (name in SHARED_HEADS and ranks % size == 0)


def _head_sizes(ledger: Ledger) -> Iterator[tuple[str, int]]:
    """Every dim of heads that the language model or its state has, once."""
    language = (Component.LANGUAGE, Component.MTP)
    seen = set()
    for weight in ledger.weights:
        if weight.component in language:
            seen |= {dim for axis in weight.shape for dim in _dims(axis)}
    for state in ledger.states:
        if state.component in language:
            seen |= set(state.dims)
    for dim in sorted(seen, key=lambda dim: (dim.name, dim.size)):
        if dim.name in MUST_DIVIDE or dim.name in SHARED_HEADS:
            yield dim.name, dim.size


def _dims(axis: Axis) -> Iterator[Dim]:
    yield from axis.dims
    for part in axis.parts:
        yield from _dims(part)
