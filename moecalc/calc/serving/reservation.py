"""State as a serving engine reserves it: blocks of tokens (vLLM), cells of whole contexts (llama.cpp).

Three figures for the same cache: what the architecture needs (logical, `memory.state_bytes`), what the engine sets
aside (here), and what calculators print that know neither grouped heads nor latents nor windows (naive, here too).

Everything works on the states of one rank (`sharding.rank_ledger`), so replicated heads are counted as they are kept.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Iterable
from fractions import Fraction
from typing import Literal

import msgspec

from moecalc.errors import UndeterminedError
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Ledger, SlotsKind, State
from moecalc.specs.kv_formats import state_format

Kind = Literal["full", "window", "chunk", "recurrent"]

_KINDS: dict[SlotsKind, Kind] = {
    SlotsKind.FULL: "full",
    SlotsKind.WINDOW: "window",
    SlotsKind.CHUNK: "chunk",
    SlotsKind.CONV: "recurrent",
    SlotsKind.CONSTANT: "recurrent",
}

_BESIDE = 1_000_000
"""The number of the first layer that stands in no stack's count: shared blocks and prediction modules come last."""

SPARSE_LATENT_SCALE = 128
"""Elements of a latent that share a float32 scale in vLLM's FP8 cache of sparse attention."""


class LayerCache(msgspec.Struct, frozen=True):
    """What one layer keeps for a sequence, as engines tell layers apart."""

    kind: Kind
    size: int
    """Tokens of the window or chunk; 1 otherwise."""
    bytes: Number
    """Of one token; of the whole state where it is recurrent."""
    ranks: int = 1
    """Ranks over which the tokens are dealt out (decode-context parallel)."""


def layer_caches(
    ledger: Ledger, kv_dtype: str, components: Iterable[Component] = (Component.LANGUAGE,)
) -> tuple[tuple[int, LayerCache], ...]:
    """Every layer's cache with the layer's number, in order; one layer may have two (attention beside a recurrence).

    Raises UndeterminedError where a state is of a kind whose layout no log has shown (compressed blocks).
    """
    wanted = frozenset(components)
    sizes: dict[tuple[int, Kind, int, int], Number] = defaultdict(int)
    beside = _BESIDE
    for state in ledger.states:
        if state.component not in wanted:
            continue
        kind = _KINDS.get(state.slots.kind)
        if kind is None:
            raise UndeterminedError(
                f"how an engine lays out `{state.role.value}` (one slot per {state.slots.kind.value}) is not known "
                "from its logs",
                hint="`--engine generic` counts what the architecture needs",
            )
        size = 1 if kind in {"full", "recurrent"} else int(state.slots.size)
        each = _slot_bytes(state, kv_dtype) * (_slots(state) if kind == "recurrent" else 1)
        indices = state.indices or tuple(range(beside, beside + int(state.layers)))
        copies = state.layers * state.applications / Fraction(len(indices))
        for index in indices:
            sizes[index, kind, size, state.slots.ranks] += each * copies
    ordered = sorted(sizes.items(), key=lambda entry: entry[0][0])
    return tuple(
        (index, LayerCache(kind, size, _whole(each), ranks)) for (index, kind, size, ranks), each in ordered
    )


def _slots(state: State) -> Number:
    return state.slots.size - 1 if state.slots.kind is SlotsKind.CONV else 1


def _slot_bytes(state: State, kv_dtype: str) -> Number:
    """Bytes of one slot of one layer. FP8 caches of sparse attention keep scales, and the rope part at 16 bits.

    vllm-project/vllm@001cabc1be16 vllm/v1/kv_cache_interface.py: 656 bytes for a latent of 512 and 64 rope elements.
    """
    size = state.elements_per_slot
    if kv_dtype == "fp8" and state.read is not None and state.role is Role.ATTENTION_LATENT_STATE:
        return size + 4 * size // SPARSE_LATENT_SCALE
    if kv_dtype == "fp8" and state.read is not None and state.role is Role.ATTENTION_ROPE_KEY_STATE:
        return 2 * size
    return state_format(state, kv_dtype).bytes_for(size)


class Group(msgspec.Struct, frozen=True):
    """Layers of one kind that share block numbers: one page per layer and block."""

    cache: LayerCache
    layers: tuple[int, ...]
    block_tokens: int
    """Longer than other groups' where a token takes less, so that all pages are equal."""


class Pool(msgspec.Struct, frozen=True):
    """How one rank's memory for state is cut into numbered blocks.

    vllm-project/vllm@001cabc1be16 vllm/v1/core/kv_cache_utils.py: where kinds differ, each group has as many layers
    as the rarest kind (as the commonest where that is less than 1.5 times as many), and all have pages of one size.
    """

    groups: tuple[Group, ...]
    block_tokens: int
    block_bytes: Number
    """One block number, over the layers that share it."""
    grown: bool = False
    """Whether the block is larger than asked for, so that its page holds a recurrent state."""
    recurrent_blocks: int = 2

    def blocks(self, available_bytes: Number) -> int:
        """Whole blocks that fit."""
        return max(0, int(available_bytes // self.block_bytes))

    def request_blocks(self, context: int, in_flight: int) -> int:
        """Blocks that one sequence of `context` tokens takes at most while `in_flight` tokens are being computed.

        A window keeps its size less one, the tokens in flight, and one block more where it starts inside a block.
        """
        return sum(self._group_blocks(group, context, in_flight) for group in self.groups)

    def reserved_bytes(self, context: int, in_flight: int) -> Number:
        """What one sequence of `context` tokens takes of the pool at most."""
        return self.request_blocks(context, in_flight) * self.block_bytes

    def concurrency(self, blocks: int, context: int, in_flight: int) -> Fraction:
        """Sequences of `context` tokens that the blocks hold at once."""
        return Fraction(blocks, self.request_blocks(context, in_flight))

    def tokens(self, blocks: int, context: int, in_flight: int) -> int:
        """Tokens of cache, as vLLM has said since 0.21: what sequences of `context` tokens come to."""
        return int(self.concurrency(blocks, context, in_flight) * context)

    def longest_context(self, blocks: int, in_flight: int, most: int) -> int:
        """The longest context of which one sequence fits, at most `most`; 0 where none does."""
        lengths = range(1, most + 1)
        return bisect_left(lengths, True, key=lambda length: self.request_blocks(length, in_flight) > blocks)

    def _group_blocks(self, group: Group, context: int, in_flight: int) -> int:
        cache, block = group.cache, group.block_tokens
        if cache.kind == "recurrent":
            return self.recurrent_blocks
        if cache.kind == "full":
            return _ceil(_ceil(context, cache.ranks), block)
        if cache.kind == "chunk":
            return _ceil(min(cache.size + in_flight, context), block)
        return _ceil(min(cache.size - 1 + in_flight, context), block) + 1


def pool(
    caches: tuple[tuple[int, LayerCache], ...],
    block_tokens: int,
    *,
    alignment: int = 16,
    recurrent_blocks: int = 2,
    hybrid: bool = True,
    here: Container[int] | None = None,
) -> Pool:
    """The blocks of one rank for the caches of the whole model; `here` are the layers that the rank holds.

    Without `hybrid`, windows and chunks keep every token (vLLM's --disable-hybrid-kv-cache-manager). Raises
    UndeterminedError where pages of different sizes cannot be made equal.
    """
    if not hybrid and any(cache.kind == "full" for _, cache in caches):
        caches = tuple(
            (
                index,
                msgspec.structs.replace(cache, kind="full", size=1) if cache.kind != "recurrent" else cache,
            )
            for index, cache in caches
        )
    kinds = {(cache.kind, cache.size) for _, cache in caches}
    if len(kinds) <= 1:
        return _uniform(caches, block_tokens, recurrent_blocks, here)
    grown = block_tokens
    recurrent = max((cache.bytes for _, cache in caches if cache.kind == "recurrent"), default=0)
    if recurrent:
        token = max((cache.bytes for _, cache in caches if cache.kind == "full"), default=0) or max(
            cache.bytes for _, cache in caches if cache.kind != "recurrent"
        )
        grown = max(block_tokens, alignment * _ceil(recurrent, alignment * token))
    buckets: dict[LayerCache, list[int]] = defaultdict(list)
    for index, cache in caches:
        buckets[cache].append(index)
    page = grown * max(cache.bytes for cache in buckets if cache.kind != "recurrent")
    size = min(map(len, buckets.values()))
    largest = max(map(len, buckets.values()))
    if 2 * largest < 3 * size:
        size = largest
    groups = []
    for cache, layers in buckets.items():
        count = _ceil(len(layers), size)
        block = grown if cache.kind == "recurrent" else _longer_block(cache, page)
        groups += [Group(cache, tuple(layers[place::count]), block) for place in range(count)]
    held = max(len([index for index in group.layers if here is None or index in here]) for group in groups)
    return Pool(tuple(groups), grown, max(1, held) * page, grown > block_tokens, recurrent_blocks)


def _uniform(
    caches: tuple[tuple[int, LayerCache], ...],
    block_tokens: int,
    recurrent_blocks: int,
    here: Container[int] | None,
) -> Pool:
    """One kind of layer: one group, whatever the sizes of its pages."""
    if not caches:
        raise UndeterminedError(
            "this model keeps no state between tokens", hint="`--engine generic` counts it"
        )
    layers = tuple(index for index, _ in caches)
    own = [cache for index, cache in caches if here is None or index in here]
    per_token = 1 if caches[0][1].kind == "recurrent" else block_tokens
    size = sum(cache.bytes for cache in own) * per_token
    blocks = 1 if caches[0][1].kind == "recurrent" else recurrent_blocks
    return Pool((Group(caches[0][1], layers, block_tokens),), block_tokens, size, recurrent_blocks=blocks)


def _longer_block(cache: LayerCache, page: Number) -> int:
    """Tokens of a layer's block that fill the common page (unify_kv_cache_spec_page_size)."""
    tokens, rest = divmod(page, cache.bytes)
    if rest:
        raise UndeterminedError(
            f"pages of {page:,} bytes are no whole number of tokens of {cache.bytes:,} bytes: how vLLM pads them is "
            "not backed by a log here",
            hint="`--engine generic` counts what the architecture needs",
        )
    return int(tokens)


class Buffer(msgspec.Struct, frozen=True):
    """One of llama.cpp's cache buffers on a device, for all sequences."""

    what: Literal["KV", "SWA", "RS"]
    """Full-context layers, windowed layers, recurrent states."""
    cells: int
    """Of one stream; 1 for recurrent states."""
    layers: int
    key_bytes: Number
    value_bytes: Number

    @property
    def bytes(self) -> Number:
        """Keys and values together."""
        return self.key_bytes + self.value_bytes


class CellPart(msgspec.Struct, frozen=True):
    """What one row of state takes of llama.cpp's buffers."""

    what: Literal["KV", "SWA", "RS"]
    cells: int
    is_value: bool
    bytes: Number
    layers: Number


class Cells(msgspec.Struct, frozen=True, kw_only=True):
    """llama.cpp's rule: cells for the whole context of every sequence.

    `unified` (--kv-unified) shares one buffer of `context` cells among the sequences. Recurrent states are kept in
    float32 whatever the cache's dtype (src/llama-memory-recurrent.cpp), a latent once, without values
    (ggml-org/llama.cpp#19067).
    """

    key_dtype: str
    value_dtype: str | None = None
    ubatch: int = 512
    padding: int = 256
    unified: bool = False
    swa_full: bool = False

    def part(self, state: State, context: int, sequences: int) -> CellPart:
        """What `sequences` sequences of `context` tokens take. Raises UndeterminedError for states of another kind."""
        kind = _KINDS.get(state.slots.kind)
        if kind is None:
            raise UndeterminedError(
                f"how llama.cpp lays out `{state.role.value}` (one slot per {state.slots.kind.value}) is not known "
                "from its logs",
                hint="`--engine generic` counts what the architecture needs",
            )
        layers = state.layers * state.applications
        size = state.elements_per_slot
        if kind == "recurrent":
            taken = 4 * size * _slots(state) * layers * sequences
            return CellPart("RS", 1, state.slots.kind is not SlotsKind.CONV, taken, layers)
        cells = _ceil(context, self.padding) * self.padding
        if kind != "full" and not self.swa_full:
            tokens = int(state.slots.size) * (sequences if self.unified else 1) + self.ubatch
            cells = _ceil(min(cells, tokens), self.padding) * self.padding
        is_value = state.role is Role.ATTENTION_VALUE_STATE
        dtype = (self.value_dtype or self.key_dtype) if is_value else self.key_dtype
        streams = 1 if self.unified else sequences
        taken = state_format(state, dtype, served=False).bytes_for(size) * cells * layers * streams
        return CellPart("KV" if kind == "full" else "SWA", cells, is_value, taken, layers)


def cell_buffers(
    ledger: Ledger,
    context: int,
    sequences: int = 1,
    *,
    rule: Cells,
    components: Iterable[Component] = (Component.LANGUAGE,),
) -> tuple[Buffer, ...]:
    """llama.cpp's buffers for `sequences` sequences of `context` tokens each. Raises as `Cells.part` does."""
    wanted = frozenset(components)
    parts: dict[tuple[str, int], list[Number]] = defaultdict(lambda: [0, 0, 0])
    for state in ledger.states:
        if state.component not in wanted:
            continue
        own = rule.part(state, context, sequences)
        part = parts[own.what, own.cells]
        part[own.is_value] += own.bytes
        if own.what == "RS":
            part[2] = max(part[2], own.layers)
        elif state.role in {Role.ATTENTION_KEY_STATE, Role.ATTENTION_LATENT_STATE}:
            part[2] += own.layers
    return tuple(
        Buffer(what, own, int(layers), _whole(keys), _whole(values))  # type: ignore[arg-type]
        for (what, own), (keys, values, layers) in parts.items()
    )


def logical_bytes(
    ledger: Ledger, context: Number, kv_dtype: str, components: Iterable[Component] = (Component.LANGUAGE,)
) -> Number:
    """What the architecture needs for one sequence: every slot that is ever read again, none besides."""
    wanted = frozenset(components)
    rows = (state for state in ledger.states if state.component in wanted)
    return _whole(sum(state_format(state, kv_dtype).bytes_for(state.elements(context)) for state in rows))


def naive_bytes(ledger: Ledger, context: Number, element_bytes: Number) -> Number | None:
    """The figure of calculators that know one formula: 2 x hidden size x layers x context, every head cached.

    None where the model has no token embedding to read the hidden size from.
    """
    hidden = next(
        (
            w.shape[-1].size
            for w in ledger.weights
            if w.role is Role.EMBEDDING_TOKENS and w.access is Access.LOOKUP
        ),
        None,
    )
    language = (w for w in ledger.weights if w.component is Component.LANGUAGE)
    layers = 1 + max((index for w in language for index in w.indices), default=-1)
    if hidden is None or not layers:
        return None
    return 2 * hidden * layers * context * element_bytes


def _ceil(value: Number, step: Number) -> int:
    return int(-(-value // step))


def _whole(value: Number) -> Number:
    return int(value) if isinstance(value, Fraction) and value.denominator == 1 else value
