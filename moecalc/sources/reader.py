"""Typed access to a config that remembers which keys were read.

Silently dropped keys are how calculators come to be wrong, so a family reads a config only through a Reader,
and whatever it did not read and nobody declared cost-neutral is reported.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from moecalc.errors import InputError
from moecalc.ir.blocks.pattern import MAX_LAYERS
from moecalc.sources.neutral_keys import NEUTRAL_KEYS, NEUTRAL_PREFIXES

_MISSING: Any = object()
_LARGEST = 2**40
_LAYERS = frozenset(
    {"num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_nextn_predict_layers", "num_mtp_layers"}
)


class Reader:
    """A config (or one of its sections) with the reference class's defaults behind it.

    Lookups take a key and its other spellings; the first one present and not null wins. A key that is absent
    falls back to `defaults` (what the reference class assumes), then to the `default` argument; a key that is
    present but null goes to the `default` argument at once.
    """

    def __init__(
        self, config: Mapping[str, Any], defaults: Mapping[str, Any] | None = None, where: str = ""
    ) -> None:
        self._config = config
        self._defaults = defaults or {}
        self._where = where
        self._consumed: set[str] = set()
        self._assumed: dict[str, int] = {}
        self._sections: dict[str, Reader] = {}
        self._warnings: list[str] = []

    # what is there

    def has(self, *keys: str) -> bool:
        """Whether any of the spellings is present and not null. Marks them as read."""
        return self._find(keys) is not _MISSING

    def get(self, *keys: str, default: Any = _MISSING) -> Any:
        """The raw value under the first present spelling. Raises InputError if absent without a default."""
        value = self._find(keys)
        if value is _MISSING and not any(key in self._config for key in keys):
            # A key that is present but null says "none"; only an absent one takes the class's default.
            value = next(
                (self._defaults[key] for key in keys if self._defaults.get(key) is not None), _MISSING
            )
            if value is not _MISSING and default is _MISSING and type(value) is int:
                self._assumed[self._path(keys[0])] = value
        if value is _MISSING:
            if default is _MISSING:
                raise InputError(
                    f"`{self._path(keys[0])}` is missing",
                    hint="the model cannot be sized without it; check that the config is complete",
                )
            return default
        return value

    def size(self, *keys: str, default: Any = _MISSING) -> int:
        """An integer of at least 1."""
        return self._integer(keys, self.get(*keys, default=default), at_least=1)

    def count(self, *keys: str, default: Any = _MISSING) -> int:
        """An integer of at least 0."""
        return self._integer(keys, self.get(*keys, default=default), at_least=0)

    def divisor(self, *keys: str, of: int, what: str, default: Any = _MISSING) -> int:
        """An integer of at least 1 that divides `of`, the number of `what`."""
        value = self.size(*keys, default=default)
        if of % value:
            self._refuse(keys, value, f"a divisor of the {of:,} {what}")
        return value

    def optional_size(self, *keys: str) -> int | None:
        """An integer of at least 1, or None where the key is absent or null."""
        value = self.get(*keys, default=None)
        return None if value is None else self._integer(keys, value, at_least=1)

    def number(self, *keys: str, default: Any = _MISSING) -> float | int:
        """An integer or a float (expansion factors and the like)."""
        value = self.get(*keys, default=default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            self._refuse(keys, value, "a number")
        result: float | int = value
        return result

    def flag(self, *keys: str, default: Any = _MISSING) -> bool:
        """True or false."""
        value = self.get(*keys, default=default)
        if not isinstance(value, bool):
            self._refuse(keys, value, "true or false")
        return bool(value)

    def text(self, *keys: str, default: Any = _MISSING) -> str:
        """A string."""
        value = self.get(*keys, default=default)
        if not isinstance(value, str):
            self._refuse(keys, value, "a string")
        return str(value)

    def per_layer(self, *keys: str, layers: int, default: Any = _MISSING) -> list[Any]:
        """One value per layer: a list of that length, or a single value repeated."""
        value = self.get(*keys, default=default)
        if not isinstance(value, list):
            return [value] * layers
        if len(value) != layers:
            raise InputError(
                f"`{self._path(keys[0])}` has {len(value)} entries for {layers} layers",
                hint="one entry per layer is needed",
            )
        return value

    def items(self, *keys: str, default: Any = _MISSING) -> list[Any]:
        """A list."""
        value = self.get(*keys, default=default)
        if not isinstance(value, list | tuple):
            self._refuse(keys, value, "a list")
        return list(value)

    def indices(self, *keys: str, default: Any = _MISSING) -> list[int]:
        """A list of integers: the layers that have something."""
        values = self.items(*keys, default=default)
        if any(isinstance(value, bool) or not isinstance(value, int) for value in values):
            self._refuse(keys, values, "a list of integers")
        return values

    def sizes(self, *keys: str, layers: int, default: Any = _MISSING) -> list[int]:
        """One integer of at least 1 per layer: a list of that length, or a single one for all."""
        values = self.per_layer(*keys, layers=layers, default=default)
        return [self._integer(keys, value, at_least=1) for value in values]

    def assumed(self) -> dict[str, int]:
        """Sizes that no key gave, so that the reference class's defaults stand for them."""
        return self._assumed | {
            path: value for section in self._sections.values() for path, value in section.assumed().items()
        }

    def section(self, *keys: str, defaults: Mapping[str, Any] | None = None) -> "Reader":
        """A nested config; its own keys are tracked in turn. Empty where absent.

        `defaults` stand behind its keys instead of those that this reader's own defaults have for the section.
        """
        for key in keys:
            if key in self._sections:
                return self._sections[key]
        value = self._find(keys)
        absent = value is _MISSING
        if absent:
            value = {}  # the class's defaults for the section stand behind it, and nobody wrote them
        if not isinstance(value, Mapping):
            self._refuse(keys, value, "a mapping")
        name = next((key for key in keys if self._config.get(key) is not None), keys[0])
        fallback: Mapping[str, Any] = next(
            (self._defaults[key] for key in keys if isinstance(self._defaults.get(key), Mapping)), {}
        )
        if defaults is None:
            defaults = fallback
        elif absent:  # what the whole says of an absent section comes before what the section's type says
            defaults = {**defaults, **fallback}
        self._sections[name] = Reader(value, defaults, self._path(name))
        return self._sections[name]

    def expect(self, key: str, *allowed: Any, why: str = "this variant is not modelled") -> None:
        """Read a key of which only some values are modelled; absent and null count as modelled.

        Raises InputError where it has another value.
        """
        value = self._find((key,))
        if value is not _MISSING and value not in allowed:
            raise self.refuse(key, why)

    def ignore(self, *keys: str) -> None:
        """Declare keys cost-neutral for this family."""
        self._consumed.update(keys)

    def refuse(self, key: str, why: str, hint: str = "") -> InputError:
        """An error about a key and its value, to be raised by the caller."""
        return InputError(f"`{self._path(key)}` is {_short(self._config.get(key))}: {why}", hint=hint or None)

    def warn(self, warning: str) -> None:
        """Say something the user must know about figures that are computed all the same."""
        self._warnings.append(warning)

    # what was read

    def warnings(self) -> list[str]:
        """What was said with `warn`, here and in the sections."""
        return [
            *self._warnings,
            *(warning for section in self._sections.values() for warning in section.warnings()),
        ]

    def consumed(self) -> list[str]:
        """Keys that were read, with the path of their section."""
        own = [self._path(key) for key in self._config if key in self._consumed]
        return own + [key for section in self._sections.values() for key in section.consumed()]

    def unread(self) -> list[str]:
        """Keys that nobody read and that are not on the list of cost-neutral keys."""
        own = [self._path(key) for key in self._config if key not in self._consumed and not is_neutral(key)]
        return own + [key for section in self._sections.values() for key in section.unread()]

    def unread_value(self, key: str) -> Any:
        """What this config holds under a key that nobody has read so far; None where it was read or is absent."""
        return None if key in self._consumed else self._config.get(key)

    def neutral(self) -> list[str]:
        """Keys present that cannot change a count."""
        own = [self._path(key) for key in self._config if key not in self._consumed and is_neutral(key)]
        return own + [key for section in self._sections.values() for key in section.neutral()]

    # helpers

    def _find(self, keys: tuple[str, ...]) -> Any:
        self._consumed.update(keys)
        return next((self._config[key] for key in keys if self._config.get(key) is not None), _MISSING)

    def _path(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key

    def _integer(self, keys: tuple[str, ...], value: Any, at_least: int) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self._refuse(keys, value, "an integer")
        largest = _LARGEST if _LAYERS.isdisjoint(keys) else MAX_LAYERS
        if not at_least <= value <= largest:
            self._refuse(keys, value, f"an integer from {at_least} to {largest:,}")
        return int(value)

    def _refuse(self, keys: tuple[str, ...], value: Any, wanted: str) -> None:
        present = next((key for key in keys if self._config.get(key) is not None), keys[0])
        raise InputError(f"`{self._path(present)}` is {_short(value)}", hint=f"it must be {wanted}")


def _short(value: Any) -> str:
    return repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."


def is_neutral(key: str) -> bool:
    """Whether a config key can change no count of parameters, bytes, state or FLOPs."""
    return key in NEUTRAL_KEYS or key.startswith(NEUTRAL_PREFIXES)
