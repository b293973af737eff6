"""A checkpoint of which only the header is at hand: exact sizes, nothing about attention or state."""

from functools import cached_property

import msgspec

from moecalc.api.checkpoint_lines import CHECKPOINT, checkpoint_line
from moecalc.api.model import StatedModel
from moecalc.calc import lines as public_lines
from moecalc.calc import parameters
from moecalc.calc.comparing.demand import StatedDemand
from moecalc.calc.stated_lines import undisclosed_lines
from moecalc.ir.numeric import Number
from moecalc.ir.rows import Ledger, Pool
from moecalc.report import NOT_IN_A_HEADER, TOP_K_UNKNOWN, Line, ModelReport
from moecalc.sources.headers.tensors import Header
from moecalc.sources.layouts.breakdown import Breakdown, break_down
from moecalc.sources.layouts.bundles import bundle
from moecalc.sources.layouts.lift import lift
from moecalc.sources.layouts.rows import weights_of
from moecalc.sources.stated import TwoNumbers
from moecalc.specs.workload import Workload

NAMES_SHOWN = 3


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
    """The model of a header alone. `why` says why no config answers, where there is one."""

    def __init__(self, header: Header, name: str, top_k: int | None = None, why: str = "") -> None:
        super().__init__(name=name, title=name, source=header.source)
        self.header = header
        self.why = why
        self.warnings = (*([why] if why else []), *header.notes)
        self._lifted = lift(header)
        self._top_k = top_k
        self.ledger = Ledger(weights_of(self._lifted, top_k), (), ())
        if self._lifted.unknown:
            self.warnings += (self._about_unknown,)
        if self._has_experts and top_k is None:
            self.warnings += (
                "active parameters need the experts per token: give `--top-k`, or the config.json",
            )
        if self._knows_active:
            total, active = int(parameters.total(self.ledger)), int(parameters.active(self.ledger))
            pool = self._pool
            experts, used = (int(pool.experts), int(pool.top_k)) if pool else (None, None)
            self.numbers = TwoNumbers(name, total, active, experts, used)

    @cached_property
    def breakdown(self) -> Breakdown:
        """What the stored elements are."""
        return break_down(bundle(self._lifted.parts))

    @property
    def _about_unknown(self) -> str:
        """What a reader must know of the names no layout knows, one of each kind shown."""
        count = sum(part.tensors for part in self._lifted.unknown)
        names = list(dict.fromkeys(part.template for part in self._lifted.unknown))
        first = ", ".join(f"`{name}`" for name in names[:NAMES_SHOWN])
        more = f" and {len(names) - NAMES_SHOWN:,} more" if len(names) > NAMES_SHOWN else ""
        tensors = "1 tensor has a name" if count == 1 else f"{count:,} tensors have names"
        return (
            f"{tensors} no layout knows ({first}{more}): counted in the total and in no part, so that what is "
            "active, routed or beside the model is not known"
        )

    @property
    def _bytes(self) -> int:
        """Bytes of the language model, and of whatever has a name that no layout knows."""
        return self.breakdown.language_bytes + self.breakdown.unknown.bytes

    @property
    def _has_experts(self) -> bool:
        return any(weight.pool for weight in self.ledger.weights)

    @property
    def _knows_active(self) -> bool:
        """Whether every tensor has a part in the model, and the experts per token are told where there are any."""
        return not self._lifted.unknown and (self._top_k is not None or not self._has_experts)

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
        return HeaderDemand(
            self.numbers.total, self.numbers.active, "bf16", self._pool, stored_bytes=self._bytes
        )

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
        made = {line.id: line for line in undisclosed_lines(NOT_IN_A_HEADER)}
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
        made[CHECKPOINT] = checkpoint_line(self.header, "no config at hand")
        order = [i for i in made if i.startswith("params.")]
        order += ["weights.bytes", CHECKPOINT]
        order += [i for i in made if i not in order]
        return ModelReport(name=self.name, source=self.source, lines=tuple(made[i] for i in order))

    def _counted(self, line: Line) -> Line:
        """A parameter line with what no layout knows: in the total, and between none and all of it in every part."""
        is_active = line.id.startswith("params.active")
        if is_active and self._has_experts and self._top_k is None:
            return msgspec.structs.replace(line, value=None, note=TOP_K_UNKNOWN)
        unknown = self.breakdown.unknown.elements
        if not unknown:
            return line
        if line.id == "params.total":
            note = f"{unknown:,} of them under names no layout knows"
            return msgspec.structs.replace(line, value=line.value + unknown, note=note)
        return msgspec.structs.replace(
            line, value=None, low=line.value, high=line.value + unknown, note="names no layout knows"
        )

    def __repr__(self) -> str:
        return f"<HeaderModel {self.name}: {len(self.header.tensors):,} tensors>"
