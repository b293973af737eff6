"""Experts in RAM, the rest on the GPUs: which layers, and the flags that say so to llama.cpp.

llama.cpp places tensors by layer and by name. `--n-gpu-layers N` counts slots from the end: the head is the last one,
so N puts the head and the last N - 1 layers on the GPUs. `--tensor-split` deals those slots to several GPUs in order.
`--n-cpu-moe N` keeps the routed experts of the first N layers in RAM. The token embedding always stays in RAM; a head
tied to it is a copy of its own. The state of a layer goes where its attention is (`load_tensors` in
src/llama-model.cpp, `--n-cpu-moe` in common/arg.cpp, `LLM_FFN_EXPS_REGEX` in common/common.h of
ggml-org/llama.cpp, 2026).
"""

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from functools import cached_property

import msgspec

from moecalc.calc import memory
from moecalc.calc.deploy.activations import activation_peak
from moecalc.calc.deploy.sharding import layer_count
from moecalc.calc.deploy.shares import copy_bytes
from moecalc.calc.serving.reservation import Cells
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger, State, Weight
from moecalc.specs.formats import Precision
from moecalc.specs.plan import Plan


class LayerBytes(msgspec.Struct, frozen=True):
    """What one layer holds: routed experts, all other weights, and the state of the sequences asked about."""

    experts: Number
    rest: Number
    state: Number


class Holds(msgspec.Struct, frozen=True):
    """What one GPU, or the RAM, is given, in bytes."""

    experts: Number = 0
    rest: Number = 0
    state: Number = 0
    layers: int = 0
    expert_layers: int = 0
    head: bool = False

    @property
    def bytes(self) -> Number:
        """All of it."""
        return self.experts + self.rest + self.state

    @property
    def slots(self) -> int:
        """What `--tensor-split` counts: layers, and the head as one more."""
        return self.layers + self.head

    def add(self, layer: LayerBytes, *, experts: bool = True, rest: bool = True) -> "Holds":
        """With a layer's experts, the rest of it (and its state), or both."""
        return msgspec.structs.replace(
            self,
            experts=self.experts + (layer.experts if experts else 0),
            rest=self.rest + (layer.rest if rest else 0),
            state=self.state + (layer.state if rest else 0),
            layers=self.layers + rest,
            expert_layers=self.expert_layers + (experts and layer.experts > 0),
        )

    def add_head(self, head: LayerBytes) -> "Holds":
        """With what stands behind the last layer."""
        return msgspec.structs.replace(
            self, rest=self.rest + head.rest, state=self.state + head.state, head=True
        )


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """The state that is asked for: `sequences` sequences of `context` tokens each."""

    kv_dtype: str
    context: int
    sequences: int = 1


class Offload(msgspec.Struct, frozen=True, kw_only=True):
    """A placement that fits: where what is, in bytes, and llama.cpp's words for it."""

    gpu_layers: int
    """Layers on the GPUs, the model's last ones."""
    n_cpu_moe: int
    """The first so many layers keep their routed experts in RAM."""
    layers: int
    expert_layers: tuple[int, ...]
    """The layers whose experts stay in RAM although the rest is on a GPU."""
    gpus: tuple[Holds, ...]
    """What each GPU holds, in order."""
    ram: Holds
    overhead_bytes: Number
    """What the runtime takes from each GPU beside that."""
    compute_bytes: Number
    """The compute buffer of each GPU: activations and logits of a chunk."""

    @property
    def flags(self) -> tuple[str, ...]:
        """llama.cpp's options for this placement."""
        everything = all_layers(self.layers)
        said = [f"-ngl {everything if self.gpu_layers == self.layers else self.gpu_layers + 1}"]
        if self.expert_layers:
            said.append(f"--n-cpu-moe {self.n_cpu_moe}")
        if len(self.gpus) > 1:
            said.append(tensor_split(gpu.slots for gpu in self.gpus))
        return tuple(said)

    @property
    def override_tensor(self) -> str | None:
        """The same expert placement as one `-ot` pattern; None where no experts are moved alone."""
        if not self.expert_layers:
            return None
        layers = "|".join(map(str, self.expert_layers))
        return f'-ot "blk\\.({layers})\\.ffn_(up|down|gate|gate_up)_(ch|)exps=CPU"'


class Layers(msgspec.Struct, frozen=True, dict=True, kw_only=True):
    """The language model cut into layers for placement, in one precision."""

    ledger: Ledger
    precision: Precision
    cells: Cells | None = None
    """How llama.cpp sets state aside; None: what the architecture needs."""

    def layers(self, demand: Demand) -> tuple[LayerBytes, ...]:
        """Bytes of every layer of the language model, in order, with the state that is asked for."""
        state = self._state(demand)
        return tuple(
            LayerBytes(experts, rest, state[index])
            for index, (experts, rest) in enumerate(self._weight_bytes)
        )

    @cached_property
    def embedding_bytes(self) -> Number:
        """What llama.cpp keeps in RAM whatever the flags say: look-up tables before the first layer."""
        return sum(
            self.precision.bytes_of(weight)
            for weight in self._weights
            if not weight.indices and weight.role.group == "embedding"
        )

    @cached_property
    def head_bytes(self) -> Number:
        """The head and what stands behind the last layer; a tied head is a second copy of the embedding there."""
        by_role = {weight.role: weight for weight in self._weights if weight.tied_to is None}
        return sum(
            self.precision.bytes_of(weight)
            if weight.tied_to is None
            else copy_bytes(self.precision, weight, weight, by_role)
            for weight in self._weights
            if not weight.indices and weight.role.group != "embedding"
        )

    def compute_bytes(self, chunk: int) -> Number:
        """The compute buffer of one GPU: activations and logits of a chunk of tokens, by `activation_peak`."""
        return activation_peak(self.ledger, Plan(), chunk, chunk).total_bytes

    @property
    def has_experts(self) -> bool:
        """Whether any layer has routed experts."""
        return any(experts for experts, _ in self._weight_bytes)

    def place(
        self,
        demand: Demand,
        capacities: tuple[Number, ...],
        overhead_bytes: Number = 0,
        compute_bytes: Number = 0,
        ram_bytes: Number | None = None,
    ) -> Offload | None:
        """The placement that keeps most on the GPUs; None where not even the head fits or RAM is too small.

        First every layer on the GPUs with as few expert layers in RAM as will do; where all of them are not enough,
        as many whole layers as fit, with their experts in RAM for a mixture.
        """
        layers = self.layers(demand)
        head = LayerBytes(0, self.head_bytes, self._state(demand)[None])
        room = tuple(capacity - overhead_bytes - compute_bytes for capacity in capacities)
        counts = [0, *(index + 1 for index, layer in enumerate(layers) if layer.experts)]
        tries = [(len(layers), moved) for moved in counts]
        tries += [(count, counts[-1]) for count in range(len(layers) - 1, -1, -1)]
        # Each try leaves less on the GPUs than the one before, so the first that fits is found by halving.
        if _fill(layers, head, room, *tries[-1]) is None:
            return None
        low, high = -1, len(tries) - 1
        while high - low > 1:
            middle = (low + high) // 2
            fits = _fill(layers, head, room, *tries[middle]) is not None
            low, high = (low, middle) if fits else (middle, high)
        gpu_layers, moved = tries[high]
        held = _balance(layers, head, room, gpu_layers, moved)
        ram = Holds(rest=self.embedding_bytes)
        first = len(layers) - gpu_layers
        for index, layer in enumerate(layers):
            if index < max(first, moved):
                ram = ram.add(layer, rest=index < first)
        if ram_bytes is not None and ram.bytes > ram_bytes:
            return None
        return Offload(
            gpu_layers=gpu_layers,
            n_cpu_moe=moved,
            layers=len(layers),
            expert_layers=tuple(i for i in range(first, moved) if layers[i].experts),
            gpus=held,
            ram=ram,
            overhead_bytes=overhead_bytes,
            compute_bytes=compute_bytes,
        )

    @cached_property
    def _weights(self) -> list[Weight]:
        return [weight for weight in self.ledger.weights if weight.component is Component.LANGUAGE]

    @cached_property
    def _weight_bytes(self) -> tuple[tuple[Number, Number], ...]:
        experts: dict[int, Number] = defaultdict(int)
        rest: dict[int, Number] = defaultdict(int)
        for weight in self._weights:
            share = experts if weight.pool is not None else rest
            for index, size in self._by_layer(weight):
                share[index] += size
        return tuple((experts[index], rest[index]) for index in range(layer_count(self.ledger)))

    def _by_layer(self, weight: Weight) -> list[tuple[int, Number]]:
        if not weight.indices:
            return []
        if weight.layers != len(weight.indices):
            # Copies that layers share stand with the first that use them.
            each = _each(self.precision.bytes_of(weight), int(weight.layers))
            return [(index, each) for index in weight.indices[: int(weight.layers)]]
        return [
            (index, _each(format_.bytes_of(part), len(part.indices)))
            for part, format_ in self.precision.parts(weight)
            for index in part.indices
        ]

    def _state(self, demand: Demand) -> dict[int | None, Number]:
        """Bytes by layer; those of no layer under None."""
        sizes: dict[int | None, Number] = defaultdict(int)
        for row in self.ledger.states:
            if row.component is Component.LANGUAGE:
                places: tuple[int | None, ...] = row.indices or (None,)
                each = _each(self._state_bytes(row, demand), len(places))
                for index in places:
                    sizes[index] += each
        return sizes

    def _state_bytes(self, row: State, demand: Demand) -> Number:
        if self.cells is not None:
            return self.cells.part(row, demand.context, demand.sequences).bytes
        return demand.sequences * memory.state_row_bytes(row, demand.context, demand.kv_dtype)


def all_layers(layers: int) -> int:
    """What people type for "every layer": any number above the layers and the head will do."""
    return 99 if layers < 99 else 999


def tensor_split(slots: Iterable[int]) -> str:
    """How many slots each GPU gets: the shares that llama.cpp rounds to just these layers."""
    return f"--tensor-split {','.join(map(str, slots))}"


def context_options(context: int, sequences: int) -> str:
    """The sequences and their tokens: `-c` is what all of them have together."""
    several = f" -np {sequences}" if sequences > 1 else ""
    return f"-c {context * sequences}{several}"


def stage_slots(layers: Iterable[int]) -> tuple[int, ...]:
    """Slots of stages with so many layers each: the head is one more on the last."""
    *before, last = layers
    return (*before, last + 1)


def _fill(
    layers: tuple[LayerBytes, ...],
    head: LayerBytes,
    room: tuple[Number, ...],
    gpu_layers: int,
    moved: int,
) -> tuple[Holds, ...] | None:
    """Deal the last `gpu_layers` layers and the head to the GPUs in order; experts of the first `moved` stay in RAM."""
    held = [Holds()] * len(room)
    gpu = 0
    for index in range(len(layers) - gpu_layers, len(layers) + 1):
        while gpu < len(room):
            grown = (
                held[gpu].add_head(head)
                if index == len(layers)
                else held[gpu].add(layers[index], experts=index >= moved)
            )
            if grown.bytes <= room[gpu]:
                held[gpu] = grown
                break
            gpu += 1
        else:
            return None
    return tuple(held)


def _balance(
    layers: tuple[LayerBytes, ...],
    head: LayerBytes,
    room: tuple[Number, ...],
    gpu_layers: int,
    moved: int,
) -> tuple[Holds, ...]:
    """A placement that fits, with the GPUs filled to as equal a share as whole layers allow."""
    held = _fill(layers, head, room, gpu_layers, moved)
    if held is None:
        raise AssertionError("balances what does not fit")
    if len(room) == 1:
        return held
    low, high = 0, 256  # shares of the room in 256ths: finer than a layer is
    while high - low > 1:
        share = (low + high) // 2
        tried = _fill(layers, head, tuple(size * share // 256 for size in room), gpu_layers, moved)
        if tried is None:
            low = share
        else:
            high, held = share, tried
    return held


def _each(total: Number, parts: int) -> Number:
    """An equal part of a number of bytes, exactly."""
    share = Fraction(total) / parts
    return int(share) if share.denominator == 1 else share
