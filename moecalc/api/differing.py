"""`diff`: two models held beside each other, and what each difference between them does to the public lines."""

from collections.abc import Iterator
from fractions import Fraction

from moecalc.api.effects import Differences
from moecalc.api.loading import load
from moecalc.api.model import AnyModel, Model
from moecalc.api.revisions import PREFIX, load_at
from moecalc.checks.difference import (
    Consequence,
    Difference,
    LineDifference,
    RowDifference,
    Side,
    known,
    line_differences,
    row_differences,
)
from moecalc.errors import MoecalcError
from moecalc.report import Line
from moecalc.specs.workload import DEFAULT_CONTEXT, Workload

Move = tuple[str, str, Fraction]


def diff(
    old: str | AnyModel,
    new: str | AnyModel,
    *,
    context: int | None = None,
    prompt: int | None = None,
    batch: int = 1,
    quant: str | None = None,
    kv_dtype: str | None = None,
    convention: str = "causal",
) -> Difference:
    """What differs between two models: MODEL arguments, or `git:REV:path`.

    Both are counted at one context: min(4096, the longest either was trained for) unless given. Raises InputError for
    what is no model, UndeterminedError where hub or git are away.
    """
    pair = _loaded(old), _loaded(new)
    length = context or _context(pair)
    asking = _Asking(length, prompt, batch, quant, kv_dtype, convention)
    lines = list(line_differences(asking.lines(pair[0]), asking.lines(pair[1])))
    changed = tuple(line for line in lines if line is not None)
    consequences = tuple(_consequences(Differences(*pair), asking))
    rows = _rows(pair, length, kv_dtype)
    warnings = dict.fromkeys((*pair[0].warnings, *pair[1].warnings, *asking.warnings))
    return Difference(
        old=Side(name=pair[0].name, source=pair[0].source),
        new=Side(name=pair[1].name, source=pair[1].source),
        consequences=consequences,
        rows=tuple(rows),
        lines=changed,
        same_lines=len(lines) - len(changed),
        together=tuple(_together(changed, consequences)),
        defaults={"context": length} if context is None else {},
        warnings=tuple(warnings),
    )


class _Asking:
    """The settings under which lines are counted."""

    def __init__(
        self,
        context: int,
        prompt: int | None,
        batch: int,
        quant: str | None,
        kv_dtype: str | None,
        convention: str,
    ) -> None:
        self._context, self._prompt, self._batch = context, prompt, batch
        self._quant, self._kv_dtype, self._convention = quant, kv_dtype, convention
        self.warnings: dict[str, None] = {}

    def lines(self, model: AnyModel) -> tuple[Line, ...]:
        """The public lines of a model."""
        workload: Workload = model.workload(
            context=self._context, prompt=self._prompt, batch=self._batch, convention=self._convention
        )
        self.warnings |= dict.fromkeys(f"{model.name}: {warning}" for warning in workload.warnings)
        return model.report(workload, None, self._kv_dtype, self._quant).lines


def _loaded(model: str | AnyModel) -> AnyModel:
    if not isinstance(model, str):
        return model
    return load_at(model) if model.startswith(PREFIX) else load(model)


def _context(pair: tuple[AnyModel, AnyModel]) -> int:
    trained = [model.context_length for model in pair if model.context_length]
    return min(DEFAULT_CONTEXT, max(trained)) if trained else DEFAULT_CONTEXT


def _rows(pair: tuple[AnyModel, AnyModel], context: int, kv_dtype: str | None) -> list[RowDifference]:
    old, new = pair
    if not isinstance(old, Model) or not isinstance(new, Model):
        return []
    return [*row_differences(old.ledger, new.ledger, context, (old.kv_name(kv_dtype), new.kv_name(kv_dtype)))]


def _consequences(differences: Differences, asking: _Asking) -> Iterator[Consequence]:
    start = _values(differences.start, asking)
    for change, model in differences.alone:
        values = _values(model, asking)
        if start is None or values is None:
            yield Consequence(change=change.words, moves=(), is_known=False)
            continue
        moves = [
            (id_, unit, value - start[id_][1] if id_ in start else value)
            for id_, (unit, value) in values.items()
        ]
        moves += [(id_, unit, -value) for id_, (unit, value) in start.items() if id_ not in values]
        yield Consequence(change=change.words, moves=tuple(move for move in moves if move[2]))


def _values(model: AnyModel | None, asking: _Asking) -> dict[str, tuple[str, Fraction]] | None:
    if model is None:
        return None
    try:
        lines = asking.lines(model)
    except MoecalcError:
        return None
    return {line.id: (line.unit, value) for line in lines if (value := known(line.value)) is not None}


def _together(lines: tuple[LineDifference, ...], consequences: tuple[Consequence, ...]) -> Iterator[Move]:
    """What is left of each line's change."""
    alone: dict[str, Fraction] = {}
    for one in consequences:
        for id_, _, amount in one.moves:
            alone[id_] = alone.get(id_, Fraction()) + amount
    for line in lines:
        change = line.change
        rest = None if change is None else change - alone.get(line.id, Fraction())
        if rest and consequences:
            yield line.id, line.unit, rest
