"""A `quantization_config` block with what else of the config its method's rule depends on."""

from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from moecalc.errors import InputError
from moecalc.ir.roles import Role
from moecalc.sources.quantization.modules import (
    LINEAR_ROUTERS,
    LINEAR_ROUTERS_BEFORE_5,
    STACKED_EXPERTS,
)
from moecalc.sources.quantization.patterns import Patterns, Style, broken
from moecalc.sources.quantization.scheme import KEPT

SIDES = "two integers of at least 1: the rows and columns that share a scale"
_SHOWN = 60
"""Characters of a value that an error shows."""

EXPERTS = frozenset({Role.EXPERT_GATE, Role.EXPERT_UP, Role.EXPERT_DOWN})


class Block(msgspec.Struct, frozen=True):
    """The settings of one checkpoint."""

    settings: Mapping[str, Any]
    config: Mapping[str, Any]
    model_type: str
    dtype: str
    where: str = "quantization_config"
    """The key of the config that holds the settings, for errors."""

    @property
    def method(self) -> str:
        """`quant_method`, or what it must be where older files leave it out. Raises InputError where it is no word."""
        named = self.settings.get("quant_method")
        if named:
            if not isinstance(named, str):
                self.refuse("quant_method", named, "a word, such as `gptq` or `fp8`")
            return named.lower()
        if self.settings.get("load_in_4bit") or self.settings.get("load_in_8bit"):
            return "bitsandbytes"
        if "quant_algo" in self.settings or "quantization" in self.settings:
            return "modelopt"
        if {"group_size", "bits"} <= self.settings.keys() and "damp_percent" not in self.settings:
            return "mlx"
        return "gptq" if "damp_percent" in self.settings else "None"

    def section(self, settings: Mapping[str, Any], *path: str) -> "Block":
        """The settings of a part of this block, which stands under that path."""
        where = ".".join([self.where, *path])
        return Block(settings, self.config, self.model_type, self.dtype, where)

    def whole(self, *keys: str, default: int | None = None) -> int:
        """The integer under the first of the keys that is there. Raises InputError where it is none."""
        key, value = self._first(keys)
        if value is None and default is not None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(key, value, "an integer")
        return int(value)

    def group_size(self, *keys: str, default: int | None = None) -> int:
        """Inputs that share a scale; -1 for a whole row. Raises InputError for a size that no group has."""
        size = self.whole(*keys, default=default)
        if size < -1 or size == 0:
            self.refuse(self._first(keys)[0], size, "an integer of at least 1, or -1 for a whole row")
        return size

    def flag(self, *keys: str) -> bool:
        """Whether the first of the keys that is there is true. Raises InputError where it is neither true nor false."""
        key, value = self._first(keys)
        if value is not None and not isinstance(value, bool):
            self.refuse(key, value, "true or false")
        return bool(value)

    def patterns(self, style: Style, *keys: str) -> Patterns:
        """The list under the first of the keys that is there, as patterns.

        Raises InputError where it is no list of strings, or holds an expression that cannot be read.
        """
        key, value = self._first(keys)
        listed = [] if value is None else value
        if not isinstance(listed, list) or not all(isinstance(entry, str) for entry in listed):
            self.refuse(key, value, "a list of module names")
        unreadable = next(filter(None, map(broken, listed)), None)
        if unreadable is not None:
            entry, reason = unreadable
            raise InputError(
                f"`{self.where}.{key}` has the entry {_short(entry)}, no regular expression: {reason}",
                hint="what stands behind `re:` must be one, in Python's syntax",
            )
        return Patterns.of(listed, style)

    def refuse(self, key: str, value: Any, allowed: str) -> NoReturn:
        """Raise InputError about a key, its value and what is allowed there."""
        raise InputError(f"`{self.where}.{key}` is {_short(value)}", hint=f"it must be {allowed}")

    def _first(self, keys: tuple[str, ...]) -> tuple[str, Any]:
        """The first of the keys that is there and not null, and what it holds; else the first, and None."""
        return next(
            ((key, self.settings[key]) for key in keys if self.settings.get(key) is not None), (keys[0], None)
        )

    @property
    def stacks_experts(self) -> bool:
        """Whether the library that wrote the checkpoint held all experts in one tensor, which is no linear layer."""
        return self._version >= 5 or self.model_type in STACKED_EXPERTS

    @property
    def kept(self) -> frozenset[Role]:
        """What a method leaves alone that converts every `nn.Linear` but the head."""
        routers = LINEAR_ROUTERS if self._version >= 5 else LINEAR_ROUTERS_BEFORE_5
        return KEPT - {Role.ROUTER} if self.model_type in routers else KEPT

    @property
    def _version(self) -> int:
        """The major version of transformers; 4 where the config does not say."""
        major = str(self.config.get("transformers_version", "4")).partition(".")[0]
        return int(major) if major.isdecimal() else 4


def _short(value: Any) -> str:
    return repr(value) if len(repr(value)) <= _SHOWN else repr(value)[: _SHOWN - 3] + "..."


def is_block(sides: object) -> bool:
    """Whether a value is what SIDES says."""
    return (
        isinstance(sides, list)
        and len(sides) == 2
        and all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in sides)
    )
