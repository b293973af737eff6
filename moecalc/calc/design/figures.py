"""What a search weighs designs by, from a ledger of numbers or of formulas: the same functions serve both."""

from collections.abc import Iterator, Sequence

import msgspec

from moecalc.calc import memory, parameters
from moecalc.calc.comparing.demand import LedgerDemand
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.speed.machine import Machine
from moecalc.calc.speed.reads import UNIFORM, Reads, Routed
from moecalc.calc.speed.reads import Table as Lookup
from moecalc.calc.speed.roofline import Roofline, Work
from moecalc.ir.numeric import Number, maximum, minimum
from moecalc.ir.rows import Ledger, Pool
from moecalc.ir.step import Form, Step
from moecalc.ir.symbolic import Table
from moecalc.specs.formats import Precision
from moecalc.specs.plan import Plan

LATENT = (Form.ABSORBED, Form.NAIVE)


class FormFlops(msgspec.Struct, frozen=True):
    """FLOPs of one decoded token on operands of one format."""

    format: str
    always: tuple[Number, ...]
    """Of what every token passes, for each form of latent attention."""
    routed: Number
    """Of the experts that a token chooses."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One design, or the formulas of many, at one context and in one precision."""

    total: Number
    active: Number
    weight_bytes: Number
    state_bytes: Number
    """Of one sequence at the context."""
    state_bytes_read: Number
    """Of one sequence, by one decode step."""
    reads: Reads
    flops: tuple[FormFlops, ...]

    def need_bytes(self, batch: int) -> Number:
        """Bytes of weights and the state of that many sequences."""
        return self.weight_bytes + batch * self.state_bytes

    def step_seconds(self, machine: Machine, batch: int) -> float:
        """Of a decode step of `batch` sequences at the ceiling, on one device or a pool that is like one.

        The longer of bytes over bandwidth and FLOPs over dense peaks, experts chosen uniformly: what
        `speed.roofline.Roofline` gives on a single device, to the last bit.
        """
        weights = self.reads.weight_bytes(batch, batch, UNIFORM)
        memory_seconds = (weights + batch * self.state_bytes_read) / machine.bandwidth
        return float(maximum(memory_seconds, self._compute_seconds(machine, batch)))

    def _compute_seconds(self, machine: Machine, batch: int) -> Number:
        forms = [
            sum(machine.seconds(part.always[index], part.format) for part in self.flops)
            for index in range(len(self.flops[0].always))
        ]
        always = forms[0] if len(forms) == 1 else minimum(*forms)
        routed = sum(machine.seconds(part.routed, part.format) for part in self.flops)
        return batch * always + batch * routed


def figures_of(ledger: Ledger, precision: Precision, kv_dtype: str, context: int) -> Figures:
    """The figures of a ledger, whose sizes may be formulas."""
    return Figures(
        total=parameters.total(ledger),
        active=parameters.active(ledger),
        weight_bytes=memory.weight_bytes(ledger, precision),
        state_bytes=memory.state_bytes(ledger, context, kv_dtype),
        state_bytes_read=memory.state_bytes_read(ledger, context, kv_dtype),
        reads=LedgerDemand(ledger, precision, kv_dtype).reads,
        flops=_flops(ledger, precision, kv_dtype, context),
    )


def _flops(ledger: Ledger, precision: Precision, kv_dtype: str, context: int) -> tuple[FormFlops, ...]:
    """By the format whose peak bounds them, as the roofline groups them."""
    roofline = Roofline(
        sharded=Sharded(ledger=ledger, plan=Plan()), precision=precision, kv_dtype=kv_dtype, machines=()
    )
    work = Work(Step.decode(context))
    forms = LATENT if any(op.forms & set(LATENT) for op in ledger.ops) else (Form.NAIVE,)

    def flops(format_: str, form: Form, *, routed: bool) -> Number:
        choices = work.choices(form)
        ops = roofline.ops[format_]
        return sum(op.flops(work.step, choices) for op in ops if (op.pool is not None) is routed)

    return tuple(
        FormFlops(
            format_,
            tuple(flops(format_, form, routed=False) for form in forms),
            flops(format_, Form.NAIVE, routed=True),
        )
        for format_ in roofline.ops
    )


def evaluated(formulas: Figures, table: Table) -> Iterator[Figures]:
    """The figures of every candidate of a table, each of them whole numbers again."""
    reads = formulas.reads
    columns: list[Sequence[Number]] = [
        table.values(value)
        for value in (
            formulas.total,
            formulas.active,
            formulas.weight_bytes,
            formulas.state_bytes,
            formulas.state_bytes_read,
            reads.always,
            *(value for part in reads.routed for value in (*_pool(part.pool), part.stored, part.read)),
            *(value for lookup in reads.tables for value in (lookup.stored, lookup.per_token)),
            *(value for part in formulas.flops for value in (*part.always, part.routed)),
        )
    ]
    formats = [part.format for part in formulas.flops]
    forms = len(formulas.flops[0].always)
    routed_end = 6 + 4 * len(reads.routed)
    tables_end = routed_end + 2 * len(reads.tables)
    pools = [part.pool for part in reads.routed]
    for row in zip(*columns, strict=True):
        total, active, weights, state, state_read, always = row[:6]
        routed = tuple(
            Routed(
                msgspec.structs.replace(pool, experts=row[at], top_k=row[at + 1]), row[at + 2], row[at + 3]
            )
            for pool, at in zip(pools, range(6, routed_end, 4), strict=True)
        )
        tables = tuple(Lookup(row[at], row[at + 1]) for at in range(routed_end, tables_end, 2))
        flops = tuple(
            FormFlops(name, row[at : at + forms], row[at + forms])
            for name, at in zip(formats, range(tables_end, len(row), forms + 1), strict=True)
        )
        yield Figures(
            total=total,
            active=active,
            weight_bytes=weights,
            state_bytes=state,
            state_bytes_read=state_read,
            reads=Reads(always=always, routed=routed, tables=tables),
            flops=flops,
        )


def _pool(pool: Pool) -> tuple[Number, Number]:
    return pool.experts, pool.top_k


def pooled(machine: Machine, devices: int) -> Machine:
    """So many devices taken for one: nothing is lost between them."""
    if devices == 1:
        return machine
    return Machine(
        name=machine.name,
        bandwidth=machine.bandwidth * devices,
        peaks={name: peak and peak * devices for name, peak in machine.peaks.items()},
        link=machine.link,
    )
