"""Models whose checkpoint header is at hand: beside a config, which it then overrules on bytes, or alone."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec

from moecalc.api.model import AnyModel, Model, StatedModel
from moecalc.calc import lines as public_lines
from moecalc.calc import parameters
from moecalc.calc.comparing.demand import StatedDemand
from moecalc.calc.stated_lines import undisclosed_lines
from moecalc.checks.reconcile import Reconciliation, reconcile
from moecalc.errors import InputError
from moecalc.ir.numeric import Number
from moecalc.ir.rows import Ledger, Pool
from moecalc.report import Line, ModelReport
from moecalc.sources import catalog
from moecalc.sources.headers.tensors import Header
from moecalc.sources.layouts.breakdown import Breakdown, break_down
from moecalc.sources.layouts.bundles import bundle
from moecalc.sources.layouts.lift import lift
from moecalc.sources.layouts.rows import weights_of
from moecalc.sources.stated import TwoNumbers
from moecalc.specs.formats import Precision
from moecalc.specs.workload import Workload

TOP_K_KEYS = ("num_experts_per_tok", "num_experts_per_token", "moe_top_k", "moe_topk", "top_k", "moe_k")
"""What configs call the number of experts a token runs."""


class CheckpointModel(Model):
    """A model with a config and a header: the config's architecture, the header's bytes."""

    def __init__(self, model: Model, header: Header) -> None:
        super().__init__(
            name=model.name,
            title=model.title,
            source=model.source,
            architecture=model.architecture,
            precision=model.precision,
            context_length=model.context_length,
            claims=model.claims,
            pins=model.pins,
            warnings=(*model.warnings, *header.notes),
            config=model.config,
            model_type=model.model_type,
        )
        self.header = header
        self.reconciliation: Reconciliation = reconcile(self.ledger, model.precision, header)
        if not self.reconciliation.agrees:
            said = f"{self.reconciliation.summary}: `moecalc reconcile {header.source}` lists them"
            self.warnings += (said,)
            self.precision = self.reconciliation.stored_precision(model.precision)

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
        made = []
        for line in report.lines:
            if line.id != "weights.bytes" or not (dtype is quant is None) or not self._is_whole:
                made.append(line)
            else:
                made.append(
                    msgspec.structs.replace(
                        line, label="weights as stored", value=self._stored_bytes, formula="sum of the header"
                    )
                )
            if line.id == "weights.bytes":
                config = "metadata" if self.header.format == "gguf" else "the config"
                agrees = f"{config} agrees" if self.reconciliation.agrees else f"{config} disagrees"
                made.append(checkpoint_line(self.header, agrees))
        return msgspec.structs.replace(report, lines=tuple(made))

    @property
    def _stored_bytes(self) -> Number:
        stored: Number = self.reconciliation.breakdown.language_bytes
        return stored if self._is_whole else super().weight_bytes()

    @property
    def _is_whole(self) -> bool:
        """Whether the header holds the whole language model: bytes of a part would be no truth about it."""
        return not any(f.kind in {"missing", "unknown name"} for f in self.reconciliation.findings)


class HeaderDemand(StatedDemand, frozen=True):
    """The demand of a header without a config: two counts, and the bytes that are stored."""

    stored_bytes: int = 0

    @property
    def weight_bytes(self) -> Number:
        """What is stored."""
        return self.stored_bytes

    def weight_bytes_read(self, tokens: int) -> Number:
        """As of two numbers, in the mean bytes per parameter."""
        share = super().weight_bytes_read(tokens) / super().weight_bytes
        read: Number = share * self.stored_bytes
        return read


class HeaderModel(StatedModel):
    """A checkpoint of which only the header is at hand: exact sizes, nothing about attention or state."""

    def __init__(self, header: Header, name: str, top_k: int | None = None, why: str = "") -> None:
        super().__init__(name=name, title=name, source=header.source)
        self.header = header
        self.why = why
        self.warnings = (*([why] if why else []), *header.notes)
        self._lifted = lift(header)
        self._top_k = top_k
        self.ledger = Ledger(weights_of(self._lifted, top_k), (), ())
        if self._lifted.unknown:
            count = sum(part.tensors for part in self._lifted.unknown)
            first = ", ".join(f"`{part.template}`" for part in self._lifted.unknown[:3])
            self.warnings += (
                f"{count:,} tensors have names no layout knows: they count in the totals, in no part: {first}",
            )
        if self._has_experts and top_k is None:
            self.warnings += (
                "active parameters need the experts per token: give `--top-k`, or the config.json",
            )

        if self._knows_active:
            total = int(parameters.total(self.ledger)) + self.breakdown.unknown.elements
            active = int(parameters.active(self.ledger))
            pool = self._pool
            experts, used = (int(pool.experts), int(pool.top_k)) if pool else (None, None)
            self.numbers = TwoNumbers(name, total, active, experts, used)

    @cached_property
    def breakdown(self) -> Breakdown:
        """What the stored elements are."""
        return break_down(bundle(self._lifted.parts))

    @property
    def _bytes(self) -> int:
        """Bytes of the language model, and of whatever has a name that no layout knows."""
        return self.breakdown.language_bytes + self.breakdown.unknown.bytes

    @property
    def _has_experts(self) -> bool:
        return any(weight.pool for weight in self.ledger.weights)

    @property
    def _knows_active(self) -> bool:
        return self._top_k is not None or not self._has_experts

    @property
    def _pool(self) -> Pool | None:
        """The experts, where all layers have the same."""
        pools = {weight.pool for weight in self.ledger.weights if weight.pool}
        return pools.pop() if len(pools) == 1 else None

    def demand(
        self,
        dtype: str | None = None,  # noqa: ARG002 - the header's
        kv_dtype: str | None = None,  # noqa: ARG002
        quant: str | None = None,
    ) -> HeaderDemand | None:
        """What follows for a decode step; None where the active count is not known."""
        if quant is not None:
            raise self._without_shapes(quant)
        if self.numbers is None:
            return None
        return HeaderDemand(self.numbers.total, self.numbers.active, "bf16", self._pool, self._bytes)

    def report(
        self,
        workload: Workload,
        dtype: str | None = None,  # noqa: ARG002 - the base's signature
        kv_dtype: str | None = None,  # noqa: ARG002
        quant: str | None = None,
    ) -> ModelReport:
        """The lines a header gives; the others have no value."""
        if quant is not None:
            raise self._without_shapes(quant)
        public_lines.counting_of(workload)  # refuses a convention that does not exist
        made = {line.id: line for line in undisclosed_lines("not in a header")}
        for line in public_lines.parameter_lines(self.ledger):
            made[line.id] = self._counted(line)
        made["weights.bytes"] = Line(
            id="weights.bytes",
            label="weights as stored",
            value=self._bytes,
            unit="bytes",
            basis="exact",
            formula="sum of the header",
        )
        made["checkpoint.bytes"] = checkpoint_line(self.header, "no config at hand")
        order = [i for i in made if i.startswith("params.")]
        order += ["weights.bytes", "checkpoint.bytes"]
        order += [i for i in made if i not in order]
        return ModelReport(name=self.name, source=self.source, lines=tuple(made[i] for i in order))

    def _counted(self, line: Line) -> Line:
        """A parameter line with what no layout knows: in the total, and in nothing that would need its part."""
        if line.id.startswith("params.active") and not self._knows_active:
            return msgspec.structs.replace(line, value=None, note="top_k unknown")
        unknown = self.breakdown.unknown.elements
        if not unknown:
            return line
        if line.id == "params.total":
            note = f"{unknown:,} of them under names no layout knows"
            return msgspec.structs.replace(line, value=line.value + unknown, note=note)
        if line.id.startswith("params.active"):
            return msgspec.structs.replace(line, note="without the names no layout knows")
        return line

    def __repr__(self) -> str:
        return f"<HeaderModel {self.name}: {len(self.header.tensors):,} tensors>"


def checkpoint_line(header: Header, note: str) -> Line:
    """The checkpoint as a whole, whatever it holds beside the language model."""
    files = len(header.files)
    return Line(
        id="checkpoint.bytes",
        label=f"checkpoint, {files:,} file{'s' if files != 1 else ''}",
        value=header.total_bytes,
        unit="bytes",
        basis="exact",
        formula="sum of all stored tensors",
        note=note,
    )


def top_k_of(config: Mapping[str, Any]) -> int | None:
    """The experts per token that a config of an unknown type declares; None where it names none."""
    sections = [config, *(value for value in config.values() if isinstance(value, Mapping))]
    for section in sections:
        for key in TOP_K_KEYS:
            if isinstance(value := section.get(key), int) and not isinstance(value, bool) and value > 0:
                return value
    return None


def reconciled(model: str) -> CheckpointModel:
    """A model with config and header. Raises InputError where either is not at hand."""
    from moecalc.api.loading import load  # which imports this module where it is needed

    loaded = load(model, headers=True)
    if isinstance(loaded, CheckpointModel):
        return loaded
    why = f": {loaded.why}" if isinstance(loaded, HeaderModel) and loaded.why else ""
    raise InputError(
        f"`{model}` has no config to hold its header against{why}",
        hint="put the config.json beside the weights; `moecalc show` works without",
    )


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
