"""What is asked of devices, and what they can give."""

import msgspec

from moecalc.calc.deploy.budget import Holding, Rank, Rules
from moecalc.calc.deploy.ranks import Sharded
from moecalc.ir.numeric import Number
from moecalc.specs.formats import Precision
from moecalc.specs.plan import Plan


class Room(msgspec.Struct, frozen=True):
    """What devices can give: bytes for each, and what a runtime takes from each before weights and state."""

    capacities: tuple[Number, ...]
    """One per device, in the order of the ranks."""
    overhead_bytes: Number

    @property
    def devices(self) -> int:
        """How many there are."""
        return len(self.capacities)

    @property
    def is_uniform(self) -> bool:
        """Whether all give the same."""
        return len(set(self.capacities)) == 1

    def of_stages(self, plan: Plan) -> tuple[Number, ...]:
        """The least that a device of each pipeline stage gives."""
        size = plan.stage_devices
        return tuple(min(self.capacities[i : i + size]) for i in range(0, len(self.capacities), size))


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of whatever devices: how much state, in which format, and how a runtime steps."""

    kv_dtype: str
    context: int
    sequences: int
    prefill_chunk: int
    logits_of_chunk: bool = False
    layers_only: bool = False
    """Whether several devices can only be given whole layers each (llama.cpp's layer split)."""
    lookups_in_ram: bool = False
    """Whether look-up tables stay in the host's memory (llama.cpp beside GPUs)."""
    rules: Rules | None = None
    """How the engine reserves memory; None: what the architecture needs."""

    def holding(self, sharded: Sharded, precision: Precision) -> Holding:
        """The sharded model in one precision."""
        return Holding(
            sharded=sharded,
            precision=precision,
            kv_dtype=self.kv_dtype,
            prefill_chunk=self.prefill_chunk,
            logits_of_chunk=self.logits_of_chunk,
            lookups_in_ram=self.lookups_in_ram,
            rules=self.rules,
        )

    def ranks(self, holding: Holding, room: Room) -> tuple[Rank, ...]:
        """What the fullest rank of each stage holds in that room."""
        stages = room.of_stages(holding.plan)
        return holding.ranks(stages, room.overhead_bytes, self.context, self.sequences)
