"""Shared by towers: plain transformer layers, grids of patches, and the tower a section names."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

import msgspec

from moecalc.errors import InputError
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.base import Norm
from moecalc.ir.blocks.stack import FFN, Layer, Stack
from moecalc.ir.blocks.towers import Part, Patches, Tower, VisionTransformer
from moecalc.sources import towers
from moecalc.sources.reader import Reader


def stack(
    *,
    layers: int,
    attention: GQA,
    ffn: FFN,
    norm: Norm = "layer",
    final_norm: Norm | None = None,
    **fields: Any,
) -> Stack:
    """The same layer `layers` times. `fields` are further fields of the layer."""
    layer = Layer(mixer=attention, ffn=ffn, norm=norm, **fields)
    return Stack(layers={"layer": layer}, pattern=f"layer*{layers}", final_norm=final_norm)


def attention(hidden_size: int, heads: int, *, bias: bool, o_bias: bool | None = None) -> GQA:
    """Multi-head attention whose heads share out the hidden size; `o_bias` where it is not as `bias`."""
    if hidden_size % heads:
        raise InputError(
            f"a tower's hidden size of {hidden_size:,} is not divisible by its {heads} heads",
            hint="check the tower's section of the config",
        )
    return GQA(
        heads=heads,
        kv_heads=heads,
        head_dim=hidden_size // heads,
        qkv_bias=bias,
        o_bias=bias if o_bias is None else o_bias,
    )


def square(config: Reader, *keys: str, default: Any = None) -> tuple[int, int]:
    """A height and a width: one number for both, or a pair."""
    value = config.get(*keys) if default is None else config.get(*keys, default=default)
    sides = value if isinstance(value, list | tuple) else (value, value)
    if len(sides) != 2 or not all(type(side) is int and side > 0 for side in sides):
        raise config.refuse(keys[0], "one integer or a pair of them is needed")
    return sides[0], sides[1]


def patches(config: Reader, *, bias: bool, channels: str = "num_channels", frames: int = 1) -> Patches:
    """The patch embedding for `patch_size`."""
    height, width = square(config, "patch_size")
    return Patches(
        height=height, width=width, channels=config.size(channels, default=3), frames=frames, bias=bias
    )


def grid(config: Reader) -> tuple[int, int]:
    """Rows and columns of an image's patches: `image_size` over `patch_size`, rounded down on both sides."""
    image, patch = square(config, "image_size"), square(config, "patch_size")
    rows, columns = image[0] // patch[0], image[1] // patch[1]
    if not rows * columns:
        raise config.refuse("image_size", f"smaller than a patch of {patch[0]:,} x {patch[1]:,}")
    return rows, columns


def named_tower(config: Reader, key: str, default: str) -> Tower | None:
    """The tower that the section under `key` names, `default` where it names none; no projector yet.

    None, with a warning, for a type that no module reads: it is left out of every figure.
    """
    given = config.get(key, default={})
    model_type = (given.get("model_type") if isinstance(given, Mapping) else None) or default
    if not isinstance(model_type, str):
        raise config.refuse(key, "its `model_type` is no string")
    if model_type.lower().replace("-", "_") not in tower_names():
        leave_out(config, key, model_type)
        return None
    return own_tower(config, key, model_type)


def own_tower(
    config: Reader, key: str, model_type: str, modality: Literal["vision", "audio"] = "vision"
) -> Tower:
    """The tower of that type, whatever type its section names: some wholes have one class of tower only."""
    name = model_type.lower().replace("-", "_")
    module = importlib.import_module(f"{towers.__name__}.{name}")
    parts = module.tower(config.section(key, defaults=module.DEFAULTS))
    return Tower(name=model_type, modality=modality, parts=parts)


def behind(tower: Tower, *projectors: Part) -> list[Tower]:
    """The tower with its projectors behind it, as the only one."""
    return [msgspec.structs.replace(tower, parts=[*tower.parts, *projectors])]


def width(tower: Tower) -> int:
    """The hidden size of the tower's transformer."""
    return transformer_of(tower).hidden_size


def transformer_of(tower: Tower) -> VisionTransformer:
    """The tower's transformer."""
    return next(part for part in tower.parts if isinstance(part, VisionTransformer))


def leave_out(config: Reader, key: str, model_type: str) -> None:
    """Warn that the section's tower is in no figure."""
    config.ignore(key)
    config.warn(f"`{key}`: the tower `{model_type}` is not modelled; it is in no figure")


@cache
def tower_names() -> frozenset[str]:
    """Every tower type that has a module, with dashes as underscores."""
    return frozenset(info.name for info in pkgutil.iter_modules(towers.__path__) if info.name[0] != "_")
