"""Storage formats by name, and which weight is stored in which.

Exact, never bits per weight alone.
"""

from functools import cache

import msgspec

from moecalc.errors import InputError, suggestion
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Access, Weight
from moecalc.specs.quantized import PARAMETRISED, parse
from moecalc.specs.storage import Format, Packed, Tensor

_NVFP4 = (
    Tensor("weight_packed", 8, value_bits=4),
    Tensor("weight_scale", 8, (1, 16)),
    Tensor("weight_global_scale", 32, (None, None)),
)
_ALL = (
    Format("fp64", 64),
    Format("fp32", 32),
    Format("bf16", 16),
    Format("fp16", 16),
    Format("fp8", 8),
    Format("int8", 8),
    Format("int4", 4),
    Format("int64", 64),
    Format(
        "fp8-block128",
        8,
        (128, 128),
        32,
        "DeepSeek-V3 README_WEIGHTS.md: E4M3 with one float32 scale per 128x128 block (deepseek-ai/DeepSeek-V3)",
        computes_in="fp8",
    ),
    Format(
        "mxfp4",
        4,
        (1, 32),
        8,
        "OCP Microscaling Formats v1.0 (2023-09): E2M1 with one E8M0 scale per 32 elements",
    ),
    Format(
        "mxfp8",
        8,
        (1, 32),
        8,
        "OCP Microscaling Formats v1.0 (2023-09): E4M3 with one E8M0 scale per 32 elements",
        computes_in="fp8",
    ),
    Format(
        "nvfp4",
        4,
        (1, 16),
        8,
        "NVIDIA NVFP4: E2M1 with one E4M3 scale per 16 elements; the per-tensor float32 scale is not counted here",
    ),
    Format(
        "nvfp4-w4a4",
        4,
        source="NVFP4 as modelopt and compressed-tensors 0.20 store it: beside the E4M3 scales one float32 scale "
        "of the weights and one of the inputs for each matrix",
        tensors=(*_NVFP4, Tensor("input_global_scale", 32, (None, None))),
        computes_in="nvfp4",
    ),
    Format(
        "nvfp4-w4a16",
        4,
        source="NVFP4 weights for 16-bit activations: as nvfp4-w4a4, without the scale of the inputs",
        tensors=_NVFP4,
        computes_in="bf16",
    ),
)
FORMATS = {format_.name: format_ for format_ in _ALL}

ALIASES = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "float32": "fp32",
    "float": "fp32",
    "f32": "fp32",
    "f16": "fp16",
    "float8": "fp8",
}


def find_format(name: str) -> Format:
    """The format of that name. Raises InputError with the nearest names."""
    key = name.strip().lower().removeprefix("torch.")
    format_ = _find(ALIASES.get(key, key))
    if format_ is None:
        known = format_names()
        raise InputError(
            f"unknown format `{name}`", hint=suggestion(name, known) or f"formats: {', '.join(known)}"
        )
    return format_


def is_format(name: str) -> bool:
    """Whether a format has exactly that name."""
    return _find(name) is not None


def format_names() -> list[str]:
    """Every format, those whose names carry parameters by one example each."""
    return [*FORMATS, *(example for example, _, _ in PARAMETRISED)]


@cache
def _find(key: str) -> Format | None:
    return FORMATS.get(key) or parse(key)


class Placement(msgspec.Struct, frozen=True):
    """An exception to the roles: how a role or group is stored in some layers, or in one component."""

    role: str
    format: str
    layers: tuple[int, ...] | None = None
    """Layer indices within the component; None means all."""
    component: Component | None = None
    columns: int | None = None
    """Only rows of a role with that many inputs; None means all."""

    def covers(self, weight: Weight, layer: int) -> bool:
        """Whether that layer of the row is meant."""
        if not self.names(weight) or self.component not in {None, weight.component}:
            return False
        return self.layers is None or layer in self.layers

    def names(self, weight: Weight) -> bool:
        """Whether the row's role, or its group, is meant."""
        if self.columns is not None and weight.shape[-1].size != self.columns:
            return False
        return self.role in {weight.role.value, weight.role.group}


_KEPT = frozenset({"embedding", "head", "router"})
"""Groups that no quantizer converts unless told to: what a matrix format as `default` leaves at 16 bits."""


_TOWERS = frozenset({Component.VISION, Component.AUDIO})


class Precision(msgspec.Struct, frozen=True):
    """Which format each weight is stored in: by role, else by group (`routed`), else the default.

    `placements` go first: they hold for some layers or one component only. Only matrices take a format made for
    matrices; norms, biases and buffers stay in the default, and so do look-up tables unless named by their role.
    Roles and groups speak of the language model and its MTP modules: vision and audio towers stay in the default.
    """

    default: str = "bf16"
    roles: tuple[tuple[str, str], ...] = ()
    placements: tuple[Placement, ...] = ()
    title: str = ""
    """What a scheme with a name of its own is called (`Q4_K_M`), in place of its parts."""
    note: str = ""
    """What a recipe stores how, in words."""

    def parts(self, weight: Weight) -> tuple[tuple[Weight, Format], ...]:
        """The row cut into rows of one format each: more than one where its layers are stored differently."""
        naming = [p for p in self.placements if p.names(weight)]
        if weight.stored_as is not None or not naming:
            return ((weight, self._format(weight)),)
        if all(placement.layers is None for placement in naming):
            return (
                (weight, self._format(weight, self._placed(naming, weight, 0))),
            )  # what holds for all layers holds for the first
        indices = weight.indices if len(weight.indices) == weight.layers else tuple(range(weight.layers))
        by_format: dict[str, list[int]] = {}
        for layer in indices:
            format_ = self._format(weight, self._placed(naming, weight, layer))
            by_format.setdefault(format_.name, []).append(layer)
        return tuple(
            (
                msgspec.structs.replace(
                    weight, layers=len(layers), indices=tuple(layers) if weight.indices else ()
                ),
                find_format(name),
            )
            for name, layers in by_format.items()
        )

    def bytes_of(self, weight: Weight) -> Number:
        """Stored bytes of one row, each layer in its own format."""
        return sum(format_.bytes_of(part) for part, format_ in self.parts(weight))

    def format_of(self, weight: Weight) -> Format:
        """The format of one weight row; of most of its layers where they differ (then see `parts`)."""
        _part, format_ = max(self.parts(weight), key=lambda part: part[0].layers)
        return format_

    def _format(self, weight: Weight, placed: str | None = None) -> Format:
        if weight.stored_as is not None:
            return find_format(weight.stored_as)
        chosen = {} if weight.component in _TOWERS else dict(self.roles)
        by_role = placed or chosen.get(weight.role.value)
        named = by_role or chosen.get(weight.role.group)
        format_ = find_format(named or self.default)
        if not format_.for_matrices:
            return format_
        if weight.access is Access.MATMUL:
            fits = named is not None or not (weight.role.group in _KEPT or weight.component in _TOWERS)
        else:
            fits = weight.access is Access.LOOKUP and by_role is not None
        if fits and len(weight.shape) > 1:
            return format_
        plain = find_format(self.default)
        return FORMATS["bf16"] if plain.for_matrices else plain

    @staticmethod
    def _placed(naming: list[Placement], weight: Weight, layer: int) -> str | None:
        """The format by the first placement that covers the layer, of those that name the row."""
        return next((p.format for p in naming if p.covers(weight, layer)), None)

    @property
    def formats(self) -> tuple[str, ...]:
        """Every format that some weight may be stored in, the default first."""
        named = (*(name for _, name in self.roles), *(placement.format for placement in self.placements))
        return tuple(dict.fromkeys((self.default, *named)))

    @property
    def mixed(self) -> bool:
        """Whether anything is stored otherwise than in the default."""
        return bool(self.roles or self.placements)

    @property
    def label(self) -> str:
        """A few words for a report: `bf16`, `bf16, routed mxfp4`, `bf16, attention.q fp8-block128 (58 layers)`."""
        if self.title:
            return self.title
        grouped: dict[str, list[str]] = {}
        for role, name in self.roles:
            if name != self.default or not self.placements:
                grouped.setdefault(name, []).append(role)
        parts = [f"{'/'.join(roles)} {name}" for name, roles in grouped.items()]
        scattered: dict[tuple[str, str], list[str]] = {}
        for placement in self.placements:
            words = (
                []
                if placement.layers is None
                else [f"{len(placement.layers)} layer{'s' if len(placement.layers) > 1 else ''}"]
            )
            if placement.component not in {None, Component.LANGUAGE}:
                words.append(f"of {placement.component.value}")
            where = f" ({' '.join(words)})" if words else ""
            scattered.setdefault((placement.format, where), []).append(placement.role)
        parts += [f"{'/'.join(roles)} {name}{where}" for (name, where), roles in scattered.items()]
        return ", ".join([self.default, *parts])


__all__ = [
    "ALIASES",
    "FORMATS",
    "Format",
    "Packed",
    "Placement",
    "Precision",
    "Tensor",
    "find_format",
    "format_names",
    "is_format",
]
