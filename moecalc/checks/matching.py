"""The rows of one layer met with what a checkpoint stores for it: by name and shape, whole or in pieces."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product

import msgspec

from moecalc.checks.comparing import compare
from moecalc.checks.expected import Row, format_at
from moecalc.checks.findings import Findings, sides
from moecalc.checks.shapes import Shape, fits, is_cut, joined, without_ones
from moecalc.ir.roles import Role
from moecalc.sources.layouts.bundles import Bundle, stored_shape
from moecalc.sources.layouts.layout import Reading
from moecalc.sources.layouts.lift import Part
from moecalc.sources.layouts.packing import logical_shape
from moecalc.specs.formats import Precision

MOST_PIECES = 4
"""That one row is stored in, each under its own name."""


class Original(msgspec.Struct, frozen=True):
    """What a second copy of a tensor must be like."""

    shape: Shape
    dtypes: frozenset[str] = frozenset()
    """Those that the original is stored in; empty where it is not stored, or a copy may have another."""


class Names(msgspec.Struct, frozen=True):
    """What the names of one unit tell."""

    spell: Callable[[Row, set[str]], str]
    """The name that a row would have which is not stored, none of those taken."""
    strays: frozenset[str] = frozenset()
    """Names of another code than the checkpoint's: what has them is none of the rows."""


class Matcher:
    """The rows and the bundles of one layer, or of what stands outside the layers.

    `originals` are what a second copy of a role's tensor must be like, `tied` the roles whose own tensor is one.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        bundles: Sequence[Bundle],
        precision: Precision,
        found: Findings,
        names: Names,
        originals: Mapping[Role, Original],
        tied: set[Role],
    ) -> None:
        self._rows = list(rows)
        self._all = tuple(rows)
        self._strays = [each for each in bundles if not each.values or each.template in names.strays]
        self._bundles = [each for each in bundles if each.values and each.template not in names.strays]
        self._precision = precision
        self._found = found
        self._names = names
        self._originals = originals
        self._tied = tied
        self._packed = {
            each.template for each in bundles if any(part.companion == "qweight" for part in each.values)
        }

    def match(self) -> None:
        """Match whole tensors, then pieces, then each of a list by itself; what is left is found."""
        self._bundles = [each for each in self._bundles if not self._match_whole(each)]
        for row in tuple(self._rows):
            self._match_pieces(row)
        self._bundles = [each for each in self._bundles if not self._match_list(each)]
        self._report()

    def _match_whole(self, each: Bundle) -> bool:
        for reading in each.entry.readings if each.entry else ():
            for rows in product(*(self._candidates(reading))):
                if len({id(row) for row in rows}) < len(rows):
                    continue
                right = [part for part in each.values if self._fits(each, part, rows, reading)]
                if right:
                    self._take(rows, each, right)
                    return True
        return False

    def _candidates(self, reading: Reading) -> list[list[Row]]:
        """For each row that the reading wants those it may be: where the name tells a dimension, the rows with it."""
        found = []
        for wanted in reading.rows:
            own = [row for row in self._all if row.weight.role is wanted.role]
            told = [row for row in own if wanted.dim in row.first_dims] if wanted.dim else []
            among = told or own
            found.append([row for row in self._rows if any(row is other for other in among)])
        return found

    def _fits(self, each: Bundle, part: Part, rows: Sequence[Row], reading: Reading) -> bool:
        bits = self._bits(each, rows)
        shape = logical_shape(part, each.companions, bits)
        if shape is None:  # laid out in one line, or in words of unknown width
            return each.elements(bits) == sum(row.elements for row in rows)
        pool = rows[0].weight.pool
        tensors = sum(other.tensors for other in each.values)
        if each.numbers:
            if pool is None and each.numbers != tuple(range(tensors)):
                return False
            shape = (int(pool.experts) if pool else tensors, *shape)
        elif tensors > 1:
            shape = (tensors, *shape)
        return fits(shape, rows, reading)

    def _take(self, rows: Sequence[Row], each: Bundle, right: Sequence[Part]) -> None:
        """The rows are stored there: what is wrong with single experts is found, then the formats are compared."""
        self._rows = [row for row in self._rows if not any(row is taken for taken in rows)]
        wrong = [part for part in each.values if part not in right]
        for part in wrong:
            self._found.add_part("other shape", part, sides(joined(rows)[1:]), sides(part.shape))
        pool = rows[0].weight.pool
        if each.numbers and pool is not None:
            self._count_experts(each, int(pool.experts))
        if not wrong:
            compare(rows, [each], self._precision, self._found, self._bits(each, rows))

    def _count_experts(self, each: Bundle, experts: int) -> None:
        """Experts that are numbered as none is, and numbers that none has."""
        stored = set(each.numbers)
        expected = set(range(experts))
        one = each.values[0]
        self._found.miss_experts(one.template, each.layer, expected - stored, one.shape)
        self._found.add_experts("unexpected", one, stored - expected)
        for name in dict.fromkeys(part.template for part in each.companions):
            parts = [part for part in each.companions if part.template == name]
            beside = {number for part in parts for number in part.numbers}
            if beside:
                self._found.miss_experts(name, each.layer, stored - beside, parts[0].shape)
                self._found.add_experts("unexpected", parts[0], beside - stored)

    def _bits(self, each: Bundle, rows: Sequence[Row]) -> int | None:
        """Bits per value that the config says, where integers are packed."""
        formats = {format_at(self._precision, row).bits for row in rows}
        if each.companions and len(formats) == 1:
            self._found.bits[each.template] = min(formats)
            return min(formats)
        return None

    def _match_pieces(self, row: Row) -> None:
        """A row that is stored under several names, or as a numbered list, end to end."""
        layers: dict[int | None, list[tuple[Bundle, Reading]]] = {}
        for each in self._bundles:
            reading = self._alone(each, row)
            if reading is not None and each.shape_of_one(self._bits(each, [row])) is not None:
                layers.setdefault(each.layer, []).append((each, reading))
        for pieces in layers.values():
            for count in range(2, min(MOST_PIECES, len(pieces)) + 1):
                for chosen in combinations(pieces, count):
                    shapes = [each.shape(self._bits(each, [row])) or () for each, _ in chosen]
                    if is_cut(shapes, row, [reading.turned for _, reading in chosen]):
                        self._take_pieces(row, [each for each, _ in chosen])
                        return
        for each in self._bundles:
            if self._alone(each, row) is not None and each.numbers == tuple(range(each.values[0].tensors)):
                part = each.values[0]
                if len(each.values) == 1 and is_cut([part.shape] * part.tensors, row, [False] * part.tensors):
                    self._take_pieces(row, [each])
                    return

    def _take_pieces(self, row: Row, bundles: Sequence[Bundle]) -> None:
        self._rows = [other for other in self._rows if other is not row]
        self._bundles = [each for each in self._bundles if each not in bundles]
        compare([row], bundles, self._precision, self._found, self._bits(bundles[0], [row]))

    def _alone(self, each: Bundle, row: Row) -> Reading | None:
        """The reading by which a bundle may be the row, or a piece of it."""
        for reading in each.entry.readings if each.entry else ():
            if len(reading.rows) == 1 and any(row is other for other in self._candidates(reading)[0]):
                return reading
        return None

    def _match_list(self, each: Bundle) -> bool:
        """A list whose numbers are no layers: each of its tensors is a row by itself."""
        if each.companions or any(row.weight.pool for row in self._rows if self._alone(each, row)):
            return False
        rows: list[Row] = []
        for part in (one for several in each.values for one in [several] * several.tensors):
            row = self._of_list(each, part, rows)
            if row is None:
                return False
            rows.append(row)
        self._rows = [row for row in self._rows if not any(row is other for other in rows)]
        compare(rows, [each], self._precision, self._found, None)
        return True

    def _of_list(self, each: Bundle, part: Part, taken: Sequence[Row]) -> Row | None:
        """The row that one tensor of a list is."""
        for row in self._rows:
            reading = self._alone(each, row)
            if reading and not any(row is other for other in taken) and fits(part.shape, [row], reading):
                return row
        return None

    def _report(self) -> None:
        """What is left: tensors of another shape than their row's, tensors of no row, and rows of no tensor."""
        expected: dict[Role, str] = {}
        for each in self._bundles:
            entry = each.entry
            if entry is None:
                self._found.add("unknown name", each, each.elements())
            elif entry.is_buffer:
                self._found.add("buffer", each, each.elements())
            elif entry.copy_of is not None or self._is_tied(each):
                self._report_copy(each, entry.copy_of or entry.roles[0])
            elif rows := self._likeliest(each):
                self._rows = [row for row in self._rows if not any(row is taken for taken in rows)]
                said = sides(joined(rows)) if joined(rows) else " + ".join(sides(row.shape) for row in rows)
                expected |= dict.fromkeys(entry.roles, said)
                self._found.add("other shape", each, each.elements(), said, stored_shape(each.values))
            elif entry.roles[0] in expected:  # pieces of one row that do not make it up
                said = expected[entry.roles[0]]
                self._found.add("other shape", each, each.elements(), said, stored_shape(each.values))
            elif f"{each.template.removesuffix('.bias')}.weight" in self._packed:
                # AutoGPTQ before 2024 stores zeros for the bias of a linear layer that has none
                self._found.idle.add(each.template)
                self._found.add("buffer", each, each.elements())
            else:
                self._found.add("unexpected", each, each.elements())
        for each in self._strays:
            without = "" if each.values else "beside no values: "
            self._found.add("unexpected", each, each.elements(), stored=without + each.said)
        named: set[str] = set()
        for row in self._rows:
            name = self._names.spell(row, named)
            named.add(name)
            self._found.miss(row, name)

    def _is_tied(self, each: Bundle) -> bool:
        roles = set(each.entry.roles) if each.entry else set()
        return bool(roles & self._tied) and not any(row.weight.role in roles for row in self._rows)

    def _likeliest(self, each: Bundle) -> Sequence[Row]:
        """The rows that a tensor of a wrong shape should be: those of the first reading that are all left."""
        partly: list[Row] = []
        for reading in each.entry.readings if each.entry else ():
            rows: list[Row] = []
            for candidates in self._candidates(reading):
                rows += [row for row in candidates if not any(row is other for other in rows)][:1]
            if len(rows) == len(reading.rows):
                return rows
            partly = partly or rows
        return partly

    def _report_copy(self, each: Bundle, role: Role) -> None:
        """A second copy of a tensor, which must be as the original is."""
        original = self._originals.get(role)
        shape = each.shape()
        dtypes = {part.dtype for part in each.values}
        if original and shape is not None and without_ones(shape) != without_ones(original.shape):
            said = sides(original.shape)
            self._found.add("other shape", each, each.elements(), said, stored_shape(each.values))
        elif original and original.dtypes and dtypes != original.dtypes:
            said = f"as the original, {'/'.join(sorted(original.dtypes))}"
            self._found.add("other dtype", each, each.elements(), said, each.dtypes)
        else:
            self._found.add("copy", each, each.elements())
