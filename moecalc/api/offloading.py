"""What goes into a host's RAM beside GPUs, by llama.cpp's means and by ktransformers'."""

from functools import cached_property

from moecalc.api.fit_setting import Asked, shares_memory
from moecalc.api.model import Model
from moecalc.calc.deploy.budget import MOST_SEQUENCES, most
from moecalc.calc.deploy.fitted import Setting
from moecalc.calc.deploy.ktransformers import KtOffload, kt_offload, method_of
from moecalc.calc.deploy.offload import Demand, Layers, Offload
from moecalc.calc.deploy.sharding import allowed_tensor_sizes
from moecalc.calc.deploy.shares import loaded_bytes
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.specs.engines import find_engine
from moecalc.specs.fleet import Fleet
from moecalc.specs.formats import Precision
from moecalc.specs.plan import Plan
from moecalc.specs.workload import LONGEST

_GGML_READS = frozenset({"fp32", "bf16", "fp16", "mxfp4"})
"""Formats beside its own that llama.cpp takes over as they are when it converts a checkpoint."""


class Host:
    """A model beside a host's RAM, under llama.cpp's rules."""

    def __init__(self, model: Model, fleet: Fleet, setting: Setting, precision: Precision) -> None:
        self.model, self.fleet, self.setting = model, fleet, setting
        self.layers = Layers(ledger=model.ledger, precision=precision)

    @cached_property
    def is_read(self) -> bool:
        """Whether llama.cpp has every format, and the devices have memory beside the host's."""
        apart = not any(shares_memory(device) for device in self.fleet.devices)
        return apart and llama_cpp_reads(self.model.ledger, self.layers.precision)

    @property
    def capacities(self) -> tuple[Number, ...]:
        """Bytes that each device may be filled with."""
        return self.setting.room(self.fleet).capacities

    def place(
        self, context: int | None = None, sequences: int | None = None, *, unlimited: bool = False
    ) -> Offload | None:
        """The placement that keeps most on the GPUs, for that many sequences of that many tokens."""
        case = self.setting.case
        room = self.setting.room(self.fleet)
        ram = self.fleet.host.ram
        return self.layers.place(
            Demand(
                kv_dtype=case.kv_dtype, context=context or case.context, sequences=sequences or case.sequences
            ),
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


def llama_cpp_reads(ledger: Ledger, precision: Precision) -> bool:
    """Whether llama.cpp has every format that the language model's weights are stored in."""
    rows = (weight for weight in ledger.weights if weight.component is Component.LANGUAGE)
    names = {format_.name for weight in rows for _, format_ in precision.parts(weight)}
    return all(name in _GGML_READS or name.startswith("ggml-") for name in names)


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
