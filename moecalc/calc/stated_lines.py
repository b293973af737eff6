"""The public lines of a model of which only figures are known: what follows, and None for the rest."""

from collections.abc import Sequence

from moecalc.calc.comparing.demand import StatedDemand
from moecalc.report import Line
from moecalc.specs.formats import find_format
from moecalc.specs.statement import Statement
from moecalc.specs.workload import Workload
from moecalc.units import parse_parameters

UNDISCLOSED = "undisclosed"


_UNKNOWN = (
    ("params.active.no_input_embedding", "active per token (no input embedding)", "parameters"),
    ("params.active.no_embeddings", "active per token (no embeddings)", "parameters"),
    ("params.routed", "routed experts", "parameters"),
    ("params.buffers", "buffers (stored, no parameters)", "parameters"),
    ("params.mtp", "MTP modules, unique weights", "parameters"),
    ("state.bytes_per_token", "state per token", "bytes"),
    ("state.bytes", "state", "bytes"),
    ("state.elements", "state elements", "elements"),
    ("flops.decode_per_token", "FLOPs per token, decode", "FLOPs"),
    ("flops.prefill_per_token", "FLOPs per token, prefill", "FLOPs"),
    ("flops.prefill", "FLOPs, prefill", "FLOPs"),
)


def stated_lines(demand: StatedDemand, workload: Workload) -> list[Line]:
    """What follows from a total and an active count: weights, the matmul FLOPs, with experts the routed share."""
    made = {
        "params.total": _line("params.total", "parameters, total", demand.total, "parameters", "as stated"),
        "params.active.all": _line(
            "params.active.all",
            "active per token",
            demand.active,
            "parameters",
            "as stated; convention unknown",
        ),
        "weights.bytes": _line(
            "weights.bytes",
            f"weights, {demand.dtype}",
            demand.weight_bytes,
            "bytes",
            "total x bytes per parameter",
        ),
    }
    if demand.pool:
        note = "total = shared + E x e, active = shared + k x e"
        made["params.routed"] = _line("params.routed", "routed experts", demand.routed, "parameters", note)
    matmuls = "2 x active: attention unknown, any look-up embedding counted in"
    per_token = demand.decode_flops(workload.context)
    for line_id, label, value in (
        ("flops.decode_per_token", "FLOPs per token, decode", per_token),
        ("flops.prefill_per_token", "FLOPs per token, prefill", per_token),
        ("flops.prefill", "FLOPs, prefill", per_token * workload.prompt),
    ):
        made[line_id] = _line(line_id, label, value, "FLOPs", matmuls)
    for line_id, label, unit in _UNKNOWN:
        made.setdefault(line_id, _undisclosed(line_id, label, unit))
    return list(made.values())


def outline_lines(statements: Sequence[Statement], dtype: str) -> list[Line]:
    """What is said about an undisclosed model, each figure with whose word it is; None for everything else."""
    made: dict[str, Line] = {}
    for line_id, what, label in (
        ("params.total", "total", "parameters, total"),
        ("params.active.all", "active", "active per token"),
    ):
        said = next((statement for statement in statements if statement.what == what), None)
        made[line_id] = _said(line_id, label, said) if said else _undisclosed(line_id, label, "parameters")
    for line_id, label, unit in _UNKNOWN[:2]:
        made[line_id] = _undisclosed(line_id, label, unit)
    made["weights.bytes"] = _weights(made["params.total"], dtype)
    for statement in statements:
        if statement.what not in ("total", "active"):
            line_id = f"stated.{statement.what}"
            made.setdefault(line_id, _said(line_id, statement.what.replace("_", " "), statement))
    for line_id, label, unit in _UNKNOWN[2:]:
        made[line_id] = _undisclosed(line_id, label, unit)
    return list(made.values())


def undisclosed_lines(note: str = UNDISCLOSED) -> list[Line]:
    """Every public line without a value, for what cannot be known."""
    known = (
        ("params.total", "parameters, total", "parameters"),
        ("params.active.all", "active per token (all)", "parameters"),
        ("weights.bytes", "weights", "bytes"),
    )
    return [
        Line(id=line_id, label=label, value=None, unit=unit, basis="estimate", note=note)
        for line_id, label, unit in (*known, *_UNKNOWN)
    ]


def _said(line_id: str, label: str, statement: Statement) -> Line:
    figure, low, high = (
        parse_parameters(text) if text else None for text in (statement.figure, statement.low, statement.high)
    )
    return Line(
        id=line_id,
        label=label,
        value=figure,
        unit="parameters" if line_id.startswith("params.") else "",
        basis="estimate",
        note=f"{statement.provenance}, {statement.source}",
        low=low,
        high=high,
        provenance=statement.provenance,
    )


def _weights(total: Line, dtype: str) -> Line:
    format_ = find_format(dtype)
    value, low, high = (
        None if count is None else format_.bytes_for(count) for count in (total.value, total.low, total.high)
    )
    note = UNDISCLOSED if value is None and low is None and high is None else "total x bytes per parameter"
    return Line(
        id="weights.bytes",
        label=f"weights, {dtype}",
        value=value,
        unit="bytes",
        basis="estimate",
        note=note,
        low=low,
        high=high,
        provenance=total.provenance,
    )


def _line(line_id: str, label: str, value: object, unit: str, note: str) -> Line:
    return Line(id=line_id, label=label, value=value, unit=unit, basis="estimate", note=note)


def _undisclosed(line_id: str, label: str, unit: str) -> Line:
    return Line(id=line_id, label=label, value=None, unit=unit, basis="estimate", note=UNDISCLOSED)
