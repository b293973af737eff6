"""Models whose checkpoint header is at hand beside a config, which it then overrules on bytes."""

from collections.abc import Mapping
from typing import Any

import msgspec

from moecalc.api.checkpoint_lines import behind_weights, checkpoint_line
from moecalc.api.header_alone import HeaderModel
from moecalc.api.model import AnyModel, Model
from moecalc.checks.reconcile import Reconciliation, reconcile
from moecalc.errors import InputError
from moecalc.ir.numeric import Number
from moecalc.report import Line, ModelReport
from moecalc.sources import catalog
from moecalc.sources.headers.tensors import Header
from moecalc.sources.layouts.codes import norms_of_type
from moecalc.specs.formats import Precision
from moecalc.specs.workload import Workload

TOP_K_KEYS = ("num_experts_per_tok", "num_experts_per_token", "moe_top_k", "moe_topk", "top_k", "moe_k")
"""What configs call the number of experts a token runs."""


class CheckpointModel(Model):
    """A model with a config and a header: the config's architecture, the header's bytes.

    `against` is what the header is held against: the config, or a GGUF's metadata. `release` is the config.json
    beside a GGUF, held against the same header; None where there is none.
    """

    def __init__(
        self, model: Model, header: Header, against: str = "config", release: Reconciliation | None = None
    ) -> None:
        self.adopt(model)
        self.header = header
        self.config_source = model.source
        if not model.source.startswith("hub: "):
            self.source = header.source  # what was given, and can be typed again
        self.warnings += header.notes
        self.release = release
        self.reconciliation: Reconciliation = reconcile(
            self.ledger, model.precision, header, against, norms_of_type(model.model_type)
        )
        for each in self.reconciliations:
            if not each.agrees:
                said = f"{each.summary}: `moecalc reconcile {header.source}` lists them"
                self.warnings += (said,)
        if not self.reconciliation.agrees:
            self.precision = self.reconciliation.stored_precision(model.precision)
            self.ledger = self.reconciliation.stored_ledger(model.ledger)

    @property
    def reconciliations(self) -> tuple[Reconciliation, ...]:
        """All that the header is held against."""
        return (self.reconciliation,) if self.release is None else (self.reconciliation, self.release)

    def weight_bytes(self, dtype: str | None = None, quant: str | None = None) -> Number:
        """Bytes of the language model as the header has them, or as asked for."""
        return self._stored_bytes if dtype is quant is None else super().weight_bytes(dtype, quant)

    def weight_bytes_under(self, precision: Precision) -> Number:
        """Bytes under a precision; as released, the header's."""
        return self._stored_bytes if precision is self.precision else super().weight_bytes_under(precision)

    def report(
        self,
        workload: Workload,
        dtype: str | None = None,
        kv_dtype: str | None = None,
        quant: str | None = None,
    ) -> ModelReport:
        """All public lines; the bytes are the header's, unless a dtype or a recipe is asked for."""
        report = super().report(workload, dtype, kv_dtype, quant)
        as_released = dtype is quant is None
        lines = [self._as_stored(line) if as_released else line for line in report.lines]
        config = "metadata" if self.header.format == "gguf" else "the config"
        agrees = f"{config} agrees" if self.reconciliation.agrees else f"{config} disagrees"
        made = behind_weights(lines, checkpoint_line(self.header, agrees))
        return msgspec.structs.replace(report, lines=made)

    def _as_stored(self, line: Line) -> Line:
        """The line of the weights with the header's bytes in it; another line as it is."""
        if line.id != "weights.bytes" or not self._is_whole:
            return line
        return msgspec.structs.replace(
            line, label="weights as stored", value=self._stored_bytes, formula="sum of the header"
        )

    @property
    def _stored_bytes(self) -> Number:
        stored: Number = self.reconciliation.breakdown.language_bytes
        return stored if self._is_whole else super().weight_bytes()

    @property
    def _is_whole(self) -> bool:
        """Whether the header holds the whole language model: bytes of a part would be no truth about it."""
        return not any(f.kind in {"missing", "unknown name"} for f in self.reconciliation.findings)


def top_k_of(config: Mapping[str, Any]) -> int | None:
    """The experts per token that a config of an unknown type declares; None where it names none."""
    sections = [config, *(value for value in config.values() if isinstance(value, Mapping))]
    for section in sections:
        for key in TOP_K_KEYS:
            if isinstance(value := section.get(key), int) and not isinstance(value, bool) and value > 0:
                return value
    return None


def require_header(loaded: AnyModel, model: str) -> None:
    """Raise InputError for a model that was loaded without a header."""
    if not isinstance(loaded, CheckpointModel | HeaderModel):
        known = catalog.find(model)
        hub = catalog.load(known).hub if known is not None else ()
        example = f": `{hub[0]}`" if hub else ""
        raise InputError(
            f"`{model}` has no checkpoint header to hold its config against",
            hint=f"give a directory with the config and the safetensors files, or a hub id{example}",
        )
