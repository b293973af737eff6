"""Lists of module names in a config, and the four ways in which quantizers match them.

Lists name each layer: 79 entries that differ in a number are one pattern and a set of layers here.
"""

import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import cache

import msgspec

Style = Callable[[str, str], bool]
"""(pattern, module name) -> whether the pattern means the module."""

_LAYER = re.compile(r"((?:^|\.)(?:layers|h|blocks|mtp)\.)(\d+)(?=\.|$)")
_EXPERT = re.compile(r"(\bexperts\.)(\d+)(?=\.|$)")
_ANY = "7"


@cache
def exact_or_regex(pattern: str, name: str) -> bool:
    """compressed-tensors: the whole name, or `re:` and a regular expression for its beginning."""
    if pattern.startswith("re:"):
        return _begins(pattern.removeprefix("re:"), name)
    return name == pattern


@cache
def glob(pattern: str, name: str) -> bool:
    """modelopt: shell wildcards over the whole name; without one, the module or what is inside it."""
    return fnmatchcase(name, pattern) or name == pattern or name.startswith(f"{pattern}.")


@cache
def prefix_or_suffix(pattern: str, name: str) -> bool:
    """transformers, `should_convert_module`: a regular expression up to a module boundary, or the name's end."""
    return _begins(rf"(?:{pattern})(?:(?<=\.)|(?=\.|$))", name) or name.endswith(pattern)


@cache
def substring(pattern: str, name: str) -> bool:
    """AutoAWQ, `exclude_layers_to_not_quantize`: anywhere in the name."""
    return pattern in name


def _begins(expression: str, name: str) -> bool:
    """Whether the expression fits the beginning; one that is none, or could take for ever, fits nothing."""
    if _repeats_repetition(expression):
        return False
    try:
        return re.match(expression, name) is not None
    except re.error:
        return False


_INNERMOST = re.compile(r"\((?:\?(?:[:=!]|<[=!]|P<\w+>))?([^()]*)\)([+*{]?)")


def _repeats_repetition(expression: str) -> bool:
    """Whether a repeated group repeats something itself: matching such a pattern can take exponential time."""
    plain = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", expression)
    while (group := _INNERMOST.search(plain)) is not None:
        inner, behind = group[1], group[2]
        repeats = re.search(r"[+*]|\{\d*,", inner) is not None
        if repeats and behind:
            return True
        plain = plain[: group.start()] + ("x+" if repeats else "x") + behind + plain[group.end() :]
    return False


def broken(pattern: str) -> tuple[str, str] | None:
    """The pattern and what is wrong with it, where it says that it is a regular expression and is none."""
    if not pattern.startswith("re:"):
        return None
    try:
        re.compile(pattern.removeprefix("re:"))
    except (re.error, RecursionError, OverflowError) as error:
        return pattern, str(error)
    if _repeats_repetition(pattern):
        return pattern, "a repeated group repeats something itself, which can take for ever to match"
    return None


class Module(msgspec.Struct, frozen=True):
    """A module's name with `{}` for its layer, and that layer."""

    template: str
    layer: int = 0

    @property
    def name(self) -> str:
        """The full name."""
        return self.template.replace("{}", str(self.layer))


class Patterns(msgspec.Struct, frozen=True):
    """A list of patterns, those for one layer folded by what they say of it."""

    style: Style
    free: tuple[str, ...] = ()
    folded: dict[str, frozenset[int]] = {}
    experts: dict[str, int] = {}
    """For each folded pattern that names single experts, how many it names at most in one layer."""

    @classmethod
    def of(cls, entries: Iterable[str], style: Style) -> "Patterns":
        """Sort the entries of a config's list."""
        free: list[str] = []
        folded: dict[str, set[int]] = {}
        experts: dict[str, dict[int, set[int]]] = {}
        for entry in entries:
            single, layer = _EXPERT.sub(r"\g<1>0", entry), _LAYER.search(entry)
            if layer is None or entry.startswith("re:"):
                free.append(single)
                continue
            index = int(layer.group(2))
            template = _LAYER.sub(r"\g<1>{}", single, count=1)
            folded.setdefault(template, set()).add(index)
            if (expert := _EXPERT.search(entry)) is not None:
                experts.setdefault(template, {}).setdefault(index, set()).add(int(expert.group(2)))
        return cls(
            style,
            tuple(dict.fromkeys(free)),
            {template: frozenset(layers) for template, layers in folded.items()},
            {template: max(map(len, by_layer.values())) for template, by_layer in experts.items()},
        )

    def match(self, module: Module) -> bool:
        """Whether an entry means the module."""
        return any(self.style(pattern, module.name) for pattern in self.free) or any(
            module.layer in layers
            and "{}" in module.template
            and self.style(pattern.replace("{}", _ANY), module.template.replace("{}", _ANY))
            for pattern, layers in self.folded.items()
        )

    def layer_prefixes(self) -> list[str]:
        """What stands before the number of a layer in the entries: `model.layers.`."""
        return list(dict.fromkeys(template.partition("{}")[0] for template in self.folded))
