"""What goes into a host's RAM beside GPUs, by llama.cpp's means and by ktransformers'."""

from functools import cached_property

from moecalc.api.engine_rules import llama_cpp_reads, shares_memory
from moecalc.api.fit_setting import Asked
from moecalc.api.model import Model
from moecalc.calc.deploy.budget import MOST_SEQUENCES, most
from moecalc.calc.deploy.fitted import Setting
from moecalc.calc.deploy.ktransformers import KtOffload, kt_offload, method_of
from moecalc.calc.deploy.offload import Demand, Layers, Offload
from moecalc.calc.deploy.sharding import allowed_tensor_sizes
from moecalc.calc.deploy.shares import loaded_bytes
from moecalc.calc.serving.serving_state import cell_rule
from moecalc.ir.numeric import Number
from moecalc.specs.engines import find_engine
from moecalc.specs.fleet import Fleet
from moecalc.specs.formats import Precision
from moecalc.specs.plan import Plan
from moecalc.specs.workload import LONGEST


class Host:
    """A model beside a host's RAM, under llama.cpp's rules."""

    def __init__(self, model: Model, fleet: Fleet, setting: Setting, precision: Precision) -> None:
        self.model, self.fleet, self.setting = model, fleet, setting
        case = setting.case
        cells = None if case.rules is None else cell_rule(setting.engine, case.prefill_chunk, case.kv_dtype)
        self.layers = Layers(ledger=model.ledger, precision=precision, cells=cells)

    @cached_property
    def is_read(self) -> bool:
        """Whether llama.cpp has every format, and the devices have memory beside the host's."""
        apart = not any(shares_memory(device) for device in self.fleet.devices)
        return apart and llama_cpp_reads(self.model.ledger, self.layers.precision)

    @property
    def capacities(self) -> tuple[Number, ...]:
        """Bytes that each device may be filled with."""
        return self.setting.room(self.fleet).capacities

    def demand(self, context: int | None = None, sequences: int | None = None) -> Demand:
        """The state that is asked for, or that of other numbers."""
        case = self.setting.case
        return Demand(
            kv_dtype=case.kv_dtype, context=context or case.context, sequences=sequences or case.sequences
        )

    def place(
        self, context: int | None = None, sequences: int | None = None, *, unlimited: bool = False
    ) -> Offload | None:
        """The placement that keeps most on the GPUs, for that many sequences of that many tokens."""
        room = self.setting.room(self.fleet)
        ram = self.fleet.host.ram
        return self.layers.place(
            self.demand(context, sequences),
            room.capacities,
            room.overhead_bytes,
            self._compute_bytes,
            None if ram is None or unlimited else ram.bytes,
        )

    def longest_context(self) -> int | None:
        """Most tokens of each sequence that some placement holds; of a mixture, with every layer on the GPUs."""
        return most(LONGEST, lambda context: self._holds(self.place(context=context)))

    def most_sequences(self) -> int | None:
        """Most sequences of the context asked about."""
        return most(MOST_SEQUENCES, lambda count: self._holds(self.place(sequences=count)))

    def _holds(self, placed: Offload | None) -> bool:
        if placed is None:
            return False
        return placed.gpu_layers == placed.layers or not self.layers.has_experts

    @cached_property
    def _compute_bytes(self) -> Number:
        return self.layers.compute_bytes(self.setting.case.prefill_chunk)


def ktransformers(asked: Asked, fleet: Fleet, quant: str) -> KtOffload | None:
    """Experts in RAM by ktransformers, where RAM was named and it reads the quantization; else None."""
    ledger, precision, ram = asked.model.ledger, asked.precision(quant), fleet.host.ram
    unfit = not fleet.is_uniform or any(shares_memory(device) for device in fleet.devices)
    if ram is None or unfit or method_of(ledger, precision) is None:
        return None
    if fleet.count not in allowed_tensor_sizes(ledger, fleet.count):
        return None
    setting = asked.setting(quant, fleet.devices, find_engine("generic"))
    shards = asked.shards(setting)
    holding = setting.case.holding(shards.sharded(Plan(tensor=fleet.count)), precision)
    rank = setting.case.ranks(holding, setting.room(fleet))[0]
    whole = loaded_bytes(ledger, precision, shards.components)
    return kt_offload(ledger, precision, rank, fleet.count, whole, ram.bytes)
