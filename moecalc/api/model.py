"""A loaded model: its architecture and ledger, and every figure that follows from them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from moecalc.calc import flops, memory, parameters
from moecalc.calc import lines as public_lines
from moecalc.calc.comparing.demand import LedgerDemand, StatedDemand
from moecalc.calc.stated_lines import outline_lines, stated_lines
from moecalc.errors import InputError
from moecalc.ir.architecture import Architecture
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger, Pool
from moecalc.ir.step import Step
from moecalc.report import ModelReport
from moecalc.sources.spec import ActiveClaim, Pin, Statement, TotalClaim
from moecalc.sources.stated import TwoNumbers
from moecalc.specs.formats import Precision, find_format
from moecalc.specs.kv_formats import kv_format
from moecalc.specs.workload import Workload, check_length, plan_workload
from moecalc.units import format_parameters

if TYPE_CHECKING:
    from moecalc.calc.flop_count import FlopCount
    from moecalc.checks.reconcile import Reconciliation


class Parameters:
    """Parameter counts of a model, exact."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def total(self) -> int:
        """Parameters of the language model, tied tensors once, buffers not counted."""
        return int(parameters.total(self._ledger))

    @property
    def routed(self) -> int:
        """Parameters of all routed experts."""
        return int(parameters.routed(self._ledger))

    @property
    def buffers(self) -> int:
        """Elements of persistent buffers."""
        return int(parameters.buffers(self._ledger))

    @property
    def mtp(self) -> int:
        """Unique weights of multi-token-prediction modules, beside the total."""
        return int(parameters.component_total(self._ledger, Component.MTP))

    @property
    def vision(self) -> int:
        """Parameters of a vision tower and its projector, beside the total."""
        return int(parameters.tower_total(self._ledger, Component.VISION))

    @property
    def audio(self) -> int:
        """Parameters of an audio tower and its projector, beside the total."""
        return int(parameters.tower_total(self._ledger, Component.AUDIO))

    def active(self, convention: parameters.ActiveConvention = "all") -> Number:
        """Expected parameters per token: `all`, `no_input_embedding` or `no_embeddings`."""
        return parameters.active(self._ledger, convention)

    def by_group(self) -> dict[str, tuple[Number, Number]]:
        """(stored, active) parameters by group: embedding, attention, routed, ..."""
        return parameters.by_group(self._ledger)

    def __repr__(self) -> str:
        return f"Parameters(total={self.total:,}, active={float(self.active()):,.0f})"


class Model:
    """A model whose architecture is known."""

    def __init__(
        self,
        *,
        name: str,
        title: str,
        source: str,
        architecture: Architecture,
        precision: Precision | None = None,
        context_length: int | None = None,
        claims: tuple[TotalClaim | ActiveClaim, ...] = (),
        pins: tuple[Pin, ...] = (),
        warnings: tuple[str, ...] = (),
        config: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> None:
        self.name = name
        self.title = title
        self.source = source
        self.config = config
        self.model_type = model_type
        self.architecture = architecture
        self.ledger = architecture.lower_to_ledger()
        self.precision = precision or Precision()
        self.kv_dtype = self.precision.default
        self.context_length = context_length
        self.claims = claims
        self.pins = pins
        self.warnings = warnings

    def adopt(self, model: "Model") -> None:
        """Take over everything that another model knows: for models that know more than it."""
        vars(self).update(vars(model))

    @property
    def reconciliations(self) -> tuple["Reconciliation", ...]:
        """What the header of its checkpoint was held against, and found; empty where no header was read."""
        return ()

    @property
    def params(self) -> Parameters:
        """Parameter counts."""
        return Parameters(self.ledger)

    def weight_bytes(self, dtype: str | None = None, quant: str | None = None) -> Number:
        """Bytes of the stored weights: as released, in one dtype, or as a recipe or a GGUF mixture stores them."""
        return memory.weight_bytes(self.ledger, self.stored_in(dtype, quant))

    def state_bytes(
        self, context: int = 4096, batch: int = 1, kv_dtype: str | None = None, runtime: str | None = None
    ) -> Number:
        """Bytes of KV cache and other state of `batch` sequences of `context` tokens each."""
        check_length("context", context)
        check_length("batch", batch)
        return memory.state_bytes(self.ledger, context, self.kv_name(kv_dtype), batch, runtime)

    def state_bytes_per_token(self, context: int = 4096, kv_dtype: str | None = None) -> Number:
        """Bytes by which one more token grows the state at that context."""
        check_length("context", context)
        return memory.state_bytes_per_token(self.ledger, context, self.kv_name(kv_dtype))

    def decode_flops(self, context: int = 4096, convention: flops.How = "causal") -> Number:
        """FLOPs of one decoded token that sees `context` keys."""
        check_length("context", context)
        return flops.step_flops(self.ledger, Step.decode(context), convention)

    def prefill_flops(self, prompt: int = 4096, convention: flops.How = "causal", past: int = 0) -> Number:
        """FLOPs of a whole prompt, `past` tokens being cached already."""
        check_length("prompt", prompt)
        check_length("past", past, least=0)
        return flops.step_flops(self.ledger, Step(prompt, past), convention)

    def training_flops(self, sequence: int = 4096, convention: flops.How = "useful") -> Number:
        """FLOPs of a forward and a backward pass over one sequence, without recomputation; logits for all tokens."""
        check_length("sequence", sequence)
        return flops.training_flops(self.ledger, sequence, convention)

    def flop_count(self, **chosen: Any) -> "FlopCount":
        """Decode, prefill and training by component, the crossover context, and the rules of thumb.

        `chosen` as in `lines`: prompt, context, past, batch, convention, pairs, logits, form, images, patches, frames.
        """
        from moecalc.calc.flop_count import count_flops  # only if asked for

        return count_flops(self.ledger, self.workload(**chosen))

    def formats(self, dtype: str | None = None, quant: str | None = None) -> tuple[str, ...]:
        """Every format that some weight is stored in, as released or as asked for."""
        return self.stored_in(dtype, quant).formats

    def demand(
        self, dtype: str | None = None, kv_dtype: str | None = None, quant: str | None = None
    ) -> LedgerDemand:
        """What a decode step of this model asks of hardware."""
        return LedgerDemand(self.ledger, self.stored_in(dtype, quant), self.kv_name(kv_dtype))

    def workload(self, **chosen: Any) -> Workload:
        """A workload with this model's defaults for what is not chosen.

        Raises InputError for images or sound that this model cannot read, and for an unknown choice.
        """
        workload = plan_workload(self.context_length, **chosen)
        if workload.images is workload.patches is workload.frames is None:
            return workload
        from moecalc.calc.media import with_media  # only if asked for

        return with_media(workload, self.architecture, self.ledger)

    def report(
        self,
        workload: Workload,
        dtype: str | None = None,
        kv_dtype: str | None = None,
        quant: str | None = None,
    ) -> ModelReport:
        """All public lines under a workload."""
        made = public_lines.lines(self.ledger, self.stored_in(dtype, quant), self.kv_name(kv_dtype), workload)
        return ModelReport(name=self.name, source=self.source, lines=tuple(made))

    def lines(
        self,
        prompt: int | None = None,
        context: int | None = None,
        batch: int = 1,
        convention: str = "causal",
        dtype: str | None = None,
        kv_dtype: str | None = None,
        runtime: str | None = None,
        past: int = 0,
        pairs: str | None = None,
        logits: str | None = None,
        form: str | None = None,
        quant: str | None = None,
        images: int | None = None,
        patches: int | tuple[int, int] | None = None,
        frames: int | None = None,
    ) -> list[dict[str, Any]]:
        """The public lines as dicts, the same as `--json` prints.

        Defaults: context = min(4096, trained length), prompt = context, dtypes as released. `dtype` stores all
        weights in one format, `quant` as a recipe (`awq`) or a GGUF mixture (`q4_k_m`) does. `past` tokens are
        cached when the prompt comes. `convention` is causal, full or useful; `pairs` (causal, full), `logits`
        (last, all) and `form` (naive, absorbed, chunk, step) stand in place of its own choices; `form="counted"` is
        what transformers' fallback executes, where that is something else than the layer needs.

        `images` are the images of a sequence (tiles, where its processor cuts an image), each of `patches`: a number,
        or rows and columns; left out where the tower has one size. `frames` are input frames of sound.
        """
        workload = self.workload(
            prompt=prompt,
            context=context,
            past=past,
            batch=batch,
            convention=convention,
            pairs=pairs,
            logits=logits,
            form=form,
            runtime=runtime,
            images=images,
            patches=patches,
            frames=frames,
        )
        return [line.to_dict() for line in self.report(workload, dtype, kv_dtype, quant).lines]

    def stored_in(self, dtype: str | None = None, quant: str | None = None) -> Precision:
        """How the weights are stored: as released, in one `dtype`, or under a recipe. Raises InputError for both."""
        if dtype is None and quant is None:
            return self.precision
        from moecalc.api.precision import chosen_precision  # only if asked for

        return chosen_precision(self, dtype, quant)

    def weight_bytes_under(self, precision: Precision) -> Number:
        """Bytes of the stored weights under a precision."""
        return memory.weight_bytes(self.ledger, precision)

    def kv_name(self, kv_dtype: str | None = None) -> str:
        """The name of the cache's format: the one asked for, else the model's own. Raises InputError."""
        return find_format(self.kv_dtype).name if kv_dtype is None else kv_format(kv_dtype, self.ledger).name

    def __repr__(self) -> str:
        total = format_parameters(self.params.total)
        active = format_parameters(self.params.active())
        return f"<Model {self.name}: {total} parameters, {active} active per token>"


class StatedModel:
    """A model of which only figures are known: two numbers the user gave, or an outline of the catalogue."""

    def __init__(
        self,
        *,
        name: str,
        title: str,
        source: str,
        numbers: TwoNumbers | None = None,
        outline: tuple[Statement, ...] = (),
        context_length: int | None = None,
    ) -> None:
        self.name = name
        self.title = title
        self.source = source
        self.numbers = numbers
        self.outline = outline
        self.context_length = context_length
        self.warnings: tuple[str, ...] = ()

    def demand(
        self,
        dtype: str | None = None,
        kv_dtype: str | None = None,  # noqa: ARG002 - counts say nothing of a cache
        quant: str | None = None,
    ) -> StatedDemand | None:
        """What follows for a decode step from two numbers; None for an outline."""
        numbers = self.numbers
        if numbers is None:
            return None
        pool = Pool(numbers.experts, numbers.top_k) if numbers.experts and numbers.top_k else None
        if quant is not None:
            raise self._without_shapes(quant)
        return StatedDemand(numbers.total, numbers.active, _one_format(dtype), pool)

    def workload(self, **chosen: Any) -> Workload:
        """A workload with defaults for what is not chosen. Raises InputError for images and sound."""
        workload = plan_workload(self.context_length, **chosen)
        for name in ("images", "patches", "frames"):
            if getattr(workload, name) is not None:
                raise InputError(
                    f"`{name}` needs a tower, and of `{self.name}` no architecture is known",
                    hint=f"leave `{name}` out, or give a config or a catalogue name",
                )
        return workload

    def report(
        self,
        workload: Workload,
        dtype: str | None = None,
        kv_dtype: str | None = None,  # noqa: ARG002
        quant: str | None = None,
    ) -> ModelReport:
        """The public lines: what follows from the figures, None for the rest."""
        public_lines.counting_of(workload)  # refuses a convention that does not exist
        if quant is not None:
            raise self._without_shapes(quant)
        demand = self.demand(dtype)
        made = stated_lines(demand, workload) if demand else outline_lines(self.outline, dtype or "bf16")
        return ModelReport(name=self.name, source=self.source, lines=tuple(made))

    def lines(
        self,
        dtype: str | None = None,
        kv_dtype: str | None = None,
        quant: str | None = None,
        **chosen: Any,
    ) -> list[dict[str, Any]]:
        """The public lines as dicts; `value` is None where nothing is known."""
        report = self.report(self.workload(**chosen), dtype, kv_dtype, quant)
        return [line.to_dict() for line in report.lines]

    def _without_shapes(self, quant: str) -> InputError:
        return InputError(
            f"`{quant}` needs the shapes of matrices, and of `{self.name}` only counts are known",
            hint="`--dtype` takes a plain format (bf16, fp8, int4); or give a config or a catalogue name",
        )

    def __repr__(self) -> str:
        said = {line.id: line for line in self.report(self.workload()).lines}
        total = said["params.total"]
        known = total.value or total.low
        about = f"{format_parameters(known)} parameters stated" if known else "sizes undisclosed"
        return f"<StatedModel {self.name}: {about}, architecture unknown>"


def _one_format(dtype: str | None) -> str:
    if dtype is None:
        return "bf16"
    from moecalc.api.precision import plain_precision  # only if asked for

    return plain_precision(dtype).default


AnyModel = Model | StatedModel
