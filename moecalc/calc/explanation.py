"""The working behind a figure: each row as a product with its numbers put in."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.calc import memory
from moecalc.calc.flops import How, choices_for, counted_rows
from moecalc.calc.parameters import active_share, parameter_rows
from moecalc.ir.dims import Axis, Dim
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Kind, Ledger, Op, SlotsKind, State, Weight
from moecalc.ir.step import Choices, Domain, KeysKind, Step
from moecalc.report import plain
from moecalc.specs.formats import Precision
from moecalc.specs.kv_formats import state_format


class Working(msgspec.Struct, frozen=True):
    """One row: what it is for, its product in words and numbers, its value, and a remark."""

    role: str
    product: str
    value: Number
    remark: str = ""


class Section(msgspec.Struct, frozen=True):
    """Rows that add up to a figure."""

    heading: str
    rows: list[Working]
    total: Number
    remark: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The section as JSON has it."""
        rows = [
            {"role": row.role, "product": row.product, "value": plain(row.value), "remark": row.remark}
            for row in self.rows
        ]
        return {"heading": self.heading, "rows": rows, "total": plain(self.total), "remark": self.remark}


def parameters_working(ledger: Ledger, component: Component = Component.LANGUAGE) -> list[Working]:
    """Every parameter row of a component: layers x named dims = parameters, and the active share."""
    return [
        Working(weight.role.value, _weight_product(weight), weight.elements, _weight_remark(weight))
        for weight in parameter_rows(ledger, component)
    ]


def active_working(ledger: Ledger) -> list[Working]:
    """Every parameter row times the share of it that one token uses."""
    rows = []
    for weight in parameter_rows(ledger):
        share = active_share(weight)
        product = _weight_product(weight)
        if weight.pool:
            product += f" x {weight.pool.top_k}/{weight.pool.experts + weight.pool.null_experts}"
        rows.append(Working(weight.role.value, product, weight.elements * share))
    return rows


def buffers_working(ledger: Ledger) -> list[Working]:
    """Every stored tensor that is no parameter."""
    buffers = [w for w in ledger.weights if w.kind is Kind.BUFFER and w.component is Component.LANGUAGE]
    return [Working(w.role.value, _weight_product(w), w.elements, f"buffer, {w.stored_as}") for w in buffers]


def weights_working(ledger: Ledger, precision: Precision) -> list[Working]:
    """Stored bytes by group of roles and format, scales included."""
    sizes: dict[tuple[str, str], list[Number]] = {}
    for weight in ledger.weights:
        if weight.component is Component.LANGUAGE and not weight.tied_to:
            for part, format_ in precision.parts(weight):
                entry = sizes.setdefault((weight.role.group, format_.name), [0, 0, 0])
                entry[0] += part.elements
                entry[1] += format_.scales_of(part)
                entry[2] += format_.bytes_of(part)
    return [
        Working(group, f"{elements:,} elements in {name}{_scales(scales)}", size)
        for (group, name), (elements, scales, size) in sizes.items()
    ]


def state_working(ledger: Ledger, context: int, kv_dtype: str) -> list[Working]:
    """Every state row at the context: layers x dims x slots = elements, in which format."""
    return [
        Working(
            state.role.value,
            _state_product(state, context),
            memory.state_row_bytes(state, context, kv_dtype),
            state_format(state, kv_dtype).name,
        )
        for state in ledger.states
        if state.component is Component.LANGUAGE and state.slots.kind is not SlotsKind.SOURCE
    ]


def flops_working(ledger: Ledger, step: Step, how: How) -> list[Working]:
    """Every operation of the step: 2 x layers x dims x how often it runs = FLOPs."""
    choices = choices_for(ledger, step, how)
    return [
        Working(op.role.value, _op_product(op, step, choices), op.flops(step, choices))
        for op in counted_rows(ledger, how)
        if op.counts_under(choices) and not (op.reads_source and not step.media.source)
    ]


def dims_words(dims: Iterable[Dim]) -> str:
    """`128 heads x 192 qk_head_dim`."""
    return " x ".join(f"{dim.size:,} {dim.name}" for dim in dims)


def _axis_words(axis: Axis) -> str:
    if axis.parts:
        return "(" + " + ".join(_axis_words(part) for part in axis.parts) + ")"
    return dims_words(axis.dims)


def _weight_product(weight: Weight) -> str:
    axes = " x ".join(filter(None, map(_axis_words, weight.shape)))
    return _layers(weight.layers, 1) + axes


def _weight_remark(weight: Weight) -> str:
    if weight.tied_to:
        return f"tied to {weight.tied_to.value}"
    if weight.pool:
        return f"active {weight.pool.top_k}/{weight.pool.experts + weight.pool.null_experts}"
    return ""


def _layers(layers: Number, applications: Number) -> str:
    words = "" if layers == 1 else f"{layers:,} layers x "
    return words + ("" if applications == 1 else f"{applications:,} applications x ")


def _state_product(state: State, context: int) -> str:
    slots = state.slots.count(context)
    kind = state.slots.kind.value
    held = "" if kind == "constant" else f" x {slots:,} {_SLOT_WORDS.get(kind, 'slots')}"
    return _layers(state.layers, state.applications) + dims_words(state.dims) + held


_SLOT_WORDS = {
    "full": "tokens",
    "window": "tokens in the window",
    "chunk": "tokens in the chunk",
    "blocks": "closed blocks",
    "conv": "columns",
}


_DOMAIN_WORDS = {Domain.LOGITS: "logit positions", Domain.KEYS: "keys", Domain.SEQUENCES: "sequences"}


def _op_product(op: Op, step: Step, choices: Choices) -> str:
    count = op.extent.count(step, choices)
    unit = _DOMAIN_WORDS.get(op.extent.domain, "query-key pairs")
    if op.extent.keys.kind is KeysKind.NONE and op.extent.domain is Domain.TOKENS:
        unit = "tokens"
    calls = f" x {_fraction(op.pool.calls)} experts" if op.pool else ""
    return (
        f"{op.coefficient} x {_layers(op.layers, op.applications)}{dims_words(op.dims)}{calls}"
        f" x {count:,} {unit}"
    )


def _fraction(value: Number) -> str:
    exact = Fraction(value)
    return f"{exact.numerator:,}" if exact.denominator == 1 else f"{float(exact):.3f}"


def _scales(scales: Number) -> str:
    return f" + {scales:,} block scales" if scales else ""
