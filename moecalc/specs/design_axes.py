"""What `moecalc design` varies: the sizes of a family by their names, and the values that were typed for each.

`64,96,128` are these; `32..512` doubles from 32 and ends at 512 where a size counts things (experts, heads), and goes
in steps of `--multiple` where it is a width; `32..96/16` goes in steps of 16 in either case.

Widths are multiples of 128 unless said otherwise. That fills whole rows of 128 bytes, for which tensor cores are most
efficient (A100 and later: 64 elements of 16 bits, 128 of 8; NVIDIA, Matrix Multiplication Background User's Guide,
table 1), and whole blocks of FP8 weights scaled 128 x 128 (DeepSeek-V3, arXiv 2412.19437, section 3.3.2). Head
dimensions are multiples of 8 and at most 256, which FlashAttention's kernels take (Dao-AILab/flash-attention, README).
"""

import re
from typing import Literal

import msgspec

from moecalc.errors import InputError

MULTIPLE = 128
HEAD_MULTIPLE = 8
LARGEST_HEAD = 256

LARGEST = 2**24
"""Beyond any size of a layer: a slip of the pen."""

MOST_VALUES = 10_000
"""Values of one axis beyond which the range is a slip of the pen."""

Steps = Literal["double", "multiple", "one"]

GRANULARITY = "granularity"
SHARED = "shared"
LAYERS = "layers"


class AxisKind(msgspec.Struct, frozen=True):
    """One size that can vary: its option, what it is, and how a range of it goes on."""

    name: str
    words: str
    steps: Steps
    least: int = 1

    @property
    def option(self) -> str:
        """How it is typed."""
        return f"--{self.name.replace('_', '-')}"


KINDS: dict[str, AxisKind] = {
    kind.name: kind
    for kind in (
        AxisKind("hidden", "hidden size", "multiple"),
        AxisKind(LAYERS, "layers", "one"),
        AxisKind("heads", "query heads", "double"),
        AxisKind("kv_heads", "key-value heads", "double"),
        AxisKind("head_dim", "head dimension", "double"),
        AxisKind("experts", "routed experts", "double"),
        AxisKind("top_k", "experts per token", "double"),
        AxisKind("expert_width", "width of one expert", "multiple"),
        AxisKind(GRANULARITY, "4 x hidden size over the width of one expert", "double"),
        AxisKind(SHARED, "shared experts, each as wide as a routed one", "one", least=0),
        AxisKind("dense_width", "width of the dense feed-forward", "multiple"),
    )
}
"""Every axis, in the order in which a table shows them.

Granularity is d_ff / d_expert with d_ff = 4 x hidden size (Krajewski et al. 2024, arXiv 2402.07871): a way
to say the width of an expert, so the two exclude each other.
"""

WIDTHS = frozenset(name for name, kind in KINDS.items() if kind.steps == "multiple")


class Axis(msgspec.Struct, frozen=True):
    """One size and the values to try, ascending."""

    name: str
    values: tuple[int, ...]

    @property
    def kind(self) -> AxisKind:
        """What is varied."""
        return KINDS[self.name]

    @property
    def words(self) -> str:
        """The values in few words: `32, 64, 128`, `2,048..4,096 (17 values)`."""
        if len(self.values) <= 6:
            return ", ".join(f"{value:,}" for value in self.values)
        return f"{self.values[0]:,}..{self.values[-1]:,} ({len(self.values)} values)"


_PART = re.compile(r"(0|[1-9]\d{0,8})(?:\s*\.\.\s*(0|[1-9]\d{0,8})(?:\s*/\s*([1-9]\d{0,8}))?)?", re.ASCII)
"""No zero in front: `1,024` is no list of 1 and 24."""


def parse_axis(name: str, text: str, multiple: int = MULTIPLE) -> Axis:
    """The values of one axis as typed. Raises InputError for what is none, and for sizes that kernels refuse."""
    kind = KINDS[name]
    values: set[int] = set()
    for part in text.split(","):
        values.update(_values(kind, part.strip(), text, multiple))
        if len(values) > MOST_VALUES:
            raise _bad(kind, text, f"is more than {MOST_VALUES:,} values")
    for value in sorted(values):
        _check(kind, value, multiple)
    return Axis(name, tuple(sorted(values)))


def check_multiple(multiple: int) -> None:
    """Raise InputError unless widths can be multiples of that."""
    if not 1 <= multiple <= 4096:
        raise InputError(
            f"`--multiple` is {multiple}",
            hint="widths are multiples of it: 64 or 128 fill a tensor core's rows, 1 allows any width",
        )


def _values(kind: AxisKind, part: str, text: str, multiple: int) -> list[int]:
    match = _PART.fullmatch(part)
    if match is None:
        raise _bad(kind, text, f"has `{part[:40]}`, which is no size")
    ends = [int(end) for end in match.groups()[:2] if end is not None]
    if any(end > LARGEST for end in ends):
        raise _bad(kind, text, f"is beyond {LARGEST:,}")
    if len(ends) == 1:
        return ends
    low, high = ends
    if low > high:
        raise InputError(
            f"`{kind.option} {text}` ends before it begins", hint=f"type `{kind.option} {high}..{low}`"
        )
    step = int(match[3]) if match[3] else {"one": 1, "multiple": multiple, "double": 0}[kind.steps]
    if step and (high - low) // step > MOST_VALUES:
        raise _bad(kind, text, f"is more than {MOST_VALUES:,} values")
    if step:
        return list(range(low, high + 1, step))
    if low == 0:
        raise _bad(kind, text, "doubles from 0")
    doubled = [low]
    while 2 * doubled[-1] < high:
        doubled.append(2 * doubled[-1])
    return list(dict.fromkeys([*doubled, high]))


def _check(kind: AxisKind, value: int, multiple: int) -> None:
    if value < kind.least:
        raise InputError(
            f"`{kind.option} {value}`: {kind.words} cannot be {value}",
            hint=f"a whole number from {kind.least}",
        )
    if kind.steps == "multiple" and value % multiple:
        near = max(multiple, round(value / multiple) * multiple)
        raise InputError(
            f"`{kind.option} {value}` is no multiple of {multiple}, which kernels are made for",
            hint=f"`{kind.option} {near}`, or allow it with `--multiple {_power_of_two_in(value)}`",
        )
    if kind.name == "head_dim" and (value % HEAD_MULTIPLE or value > LARGEST_HEAD):
        raise InputError(
            f"`--head-dim {value}`: attention kernels take multiples of {HEAD_MULTIPLE} up to {LARGEST_HEAD}",
            hint="`--head-dim 64,128` are usual",
        )


def _power_of_two_in(value: int) -> int:
    return min(64, value & -value)


def _bad(kind: AxisKind, text: str, what: str) -> InputError:
    shown = text if len(text) <= 60 else f"{text[:60]}..."
    examples = {"double": "64, 32..512 (doubling), 32..96/16", "one": "2, 0,1, 24..48, 24..48/4"}
    example = examples.get(kind.steps, "2048, 2048,4096, 2048..4096, 2048..4096/512")
    return InputError(f"`{kind.option} {shown}` {what}", hint=f"values, lists and ranges: {example}")
