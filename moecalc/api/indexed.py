"""A model whose config is at hand and whose weights are not: of these only the index that names them."""

from collections.abc import Iterator

import msgspec

from moecalc.api.checkpoint_lines import behind_weights, stored_line
from moecalc.api.model import Model
from moecalc.calc import memory
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.report import Line, ModelReport
from moecalc.sources.headers.checkpoint import INDEX, Index
from moecalc.sources.headers.tensors import Header, StoredTensor
from moecalc.sources.layouts.lift import lift
from moecalc.specs.workload import Workload
from moecalc.units import format_counted


def _against(ledger: Ledger, index: Index) -> Iterator[str]:
    """What the names alone contradict: names that no layout knows, and another number of layers."""
    nameless = [StoredTensor(name, "", (), 0, file) for name, file in index.weight_map.items()]
    lifted = lift(Header(source=INDEX, format="safetensors", tensors=tuple(nameless)))
    if lifted.unknown:
        count = sum(part.tensors for part in lifted.unknown)
        have = "has a name" if count == 1 else "have names"
        tensors = format_counted(count, "tensor")
        yield f"{tensors} of the index {have} no layout knows: `{lifted.unknown[0].template}`"
    named = {part.layer for part in lifted.parts if part.component is Component.LANGUAGE} - {None}
    layers = {
        layer
        for weight in ledger.weights
        for layer in weight.indices
        if weight.component is Component.LANGUAGE
    }
    if len(named) != len(layers):
        yield f"the index names tensors of {len(named):,} layers, the config has {len(layers):,}"


class IndexedModel(Model):
    """The config's model, with what the index says of the checkpoint."""

    def __init__(self, model: Model, index: Index) -> None:
        self.adopt(model)
        self.index = index
        files = len(set(index.weight_map.values()))
        are = "is" if files == 1 else "are"
        said = (
            f"the {format_counted(files, 'file')} that {INDEX} names {are} not here: the config answers alone"
        )
        self.warnings += (said, *_against(model.ledger, index))

    def report(
        self,
        workload: Workload,
        dtype: str | None = None,
        kv_dtype: str | None = None,
        quant: str | None = None,
    ) -> ModelReport:
        """All public lines, and the checkpoint's bytes by the index's word."""
        report = super().report(workload, dtype, kv_dtype, quant)
        return msgspec.structs.replace(report, lines=behind_weights(report.lines, self._checkpoint))

    @property
    def _checkpoint(self) -> Line:
        by_config = sum(int(memory.weight_bytes(self.ledger, self.precision, part)) for part in Component)
        total = self.index.total_size
        agrees = "as the config gives" if total == by_config else f"{by_config:,} by the config"
        return stored_line(
            f"checkpoint, {format_counted(len(self.index.weight_map), 'tensor')}, by its index",
            total,
            "estimate",
            f"total_size of {INDEX}",
            agrees if total is not None else "the index does not say",
        )
