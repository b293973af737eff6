"""What a method's config comes down to: rules for modules, applied to the rows of a ledger."""

from collections.abc import Collection, Iterable, Iterator

import msgspec

from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Kind, Ledger, Weight
from moecalc.sources.quantization.modules import HEADS, LINEAR, names_for
from moecalc.sources.quantization.patterns import Module, Patterns
from moecalc.specs.formats import Placement, Precision

KEPT = frozenset(
    {Role.HEAD, Role.HEAD_PROJECTION, Role.ROUTER, Role.EMBEDDING_PROJECTION, Role.MTP_PROJECTION}
)
"""Linear layers that no method here converts unless its config names them."""


_TOWERS = frozenset({Component.VISION, Component.AUDIO})


class Rule(msgspec.Struct, frozen=True):
    """Modules of one format: those the targets name, or all linear layers."""

    format: str
    targets: Patterns | None = None


class Scheme(msgspec.Struct, frozen=True):
    """The rules of a config: those that name a module go before those for a role, and these before the rest.

    What `ignore` names is not converted; `kept` are roles that a rule without targets leaves alone.
    """

    rules: tuple[Rule, ...]
    ignore: Patterns | None = None
    kept: frozenset[Role] = KEPT
    extra: frozenset[Role] = frozenset()
    """Roles converted beyond linear layers (embeddings, in MLX)."""
    by_role: dict[Role, str] = {}
    """Formats of roles that no rule for linear layers reaches (stacked experts)."""
    warnings: tuple[str, ...] = ()

    def format_for(self, role: Role, modules: list[Module]) -> str | None:
        """The format of a module that may go by several names; None where it is not converted."""
        if self.ignore is not None and any(map(self.ignore.match, modules)):
            return None
        for rule in self.rules:
            if rule.targets is not None and any(map(rule.targets.match, modules)):
                return rule.format
        if role in self.by_role:
            return self.by_role[role]
        every = (rule.format for rule in self.rules if rule.targets is None)
        return None if role in self.kept else next(every, None)

    def formats(self) -> list[str]:
        """Every format the rules speak of."""
        return [*(rule.format for rule in self.rules), *self.by_role.values()]

    def prefixes(self) -> list[str]:
        """What stands before layer numbers in the lists."""
        lists = [self.ignore, *(rule.targets for rule in self.rules)]
        found = [prefix for patterns in lists if patterns is not None for prefix in patterns.layer_prefixes()]
        return list(dict.fromkeys(found)) or ["model.layers."]


def place(scheme: Scheme, ledger: Ledger, model_type: str, default: str) -> tuple[Precision, tuple[str, ...]]:
    """The precision a scheme gives the weights of a ledger, and what could not be followed exactly."""
    names = names_for(model_type)
    converted = LINEAR | scheme.extra
    layers = 1 + max((index for weight in ledger.weights for index in weight.indices), default=-1)
    prefixes = scheme.prefixes()
    formats: dict[tuple[Role, Component], dict[int, str]] = {}
    for weight in ledger.weights:
        if weight.role not in converted or weight.component in _TOWERS or not _is_matrix(weight):
            continue
        chosen = formats.setdefault((weight.role, weight.component), {})
        for layer in weight.indices or range(weight.layers):
            modules = list(_modules(weight, layer, names.get(weight.role, ()), prefixes, layers))
            found = scheme.format_for(weight.role, modules) or default
            if chosen.setdefault(layer, found) != found:
                scheme = msgspec.structs.replace(
                    scheme, warnings=(*scheme.warnings, f"`{weight.role.value}` is stored in two formats")
                )
    left = {
        (weight.role.group, weight.component)
        for weight in ledger.weights
        if _may_convert(weight) and (weight.role, weight.component) not in formats
    }
    return _precision(formats, default, left), (*scheme.warnings, *_partial(scheme, ledger))


def _is_matrix(weight: Weight) -> bool:
    """A matrix [out, in], one of each expert where there are experts; what has its own format keeps it."""
    sides = 3 if weight.pool is not None else 2
    return len(weight.shape) == sides and weight.kind is Kind.PARAMETER and weight.stored_as is None


def _may_convert(weight: Weight) -> bool:
    """Whether a group's format would reach it: a table with an input side, multiplied with."""
    return weight.access is Access.MATMUL and len(weight.shape) - (weight.pool is not None) > 1


def _modules(
    weight: Weight, layer: int, names: tuple[str, ...], prefixes: list[str], layers: int
) -> Iterator[Module]:
    if weight.role is Role.HEAD:
        yield from map(Module, HEADS)
    elif weight.role is Role.EMBEDDING_TOKENS:
        yield from map(Module, ("model.embed_tokens", "embed_tokens", "model.language_model.embed_tokens"))
    for name in names:
        if weight.component is Component.MTP:
            yield from (Module(f"mtp.layers.{{}}.{name}", layer), Module(f"mtp.{{}}.{name}", layer))
            yield Module(f"mtp.{name}")
            yield from (Module(f"{prefix}{{}}.{name}", layers + layer) for prefix in prefixes)
        else:
            yield from (Module(f"{prefix}{{}}.{name}", layer) for prefix in prefixes)


def _precision(
    formats: dict[tuple[Role, Component], dict[int, str]],
    default: str,
    left: Collection[tuple[str, Component]],
) -> Precision:
    """Roles and groups that are stored alike everywhere as such; the rest as placements.

    `left` are groups with matrices that no method converts (convolutions, states): they have no format in common.
    """
    components = list(dict.fromkeys(component for _, component in formats))
    roles: dict[str, str] = {}
    placements: list[Placement] = []
    for component in components:
        here = {role: layers for (role, of), layers in formats.items() if of is component}
        uniform = {
            role: next(iter(layers.values()))
            for role, layers in here.items()
            if len(set(layers.values())) == 1
        }
        whole = {role.group for role in here if (role.group, component) not in left}
        for key, name in _grouped(uniform, here, whole):
            others = (
                layers.values()
                for (role, of), layers in formats.items()
                if of is not component and _means(key, role)
            )
            if all(set(values) == {name} for values in others):
                roles.setdefault(key, name)
            else:
                placements.append(Placement(key, name, component=component))
        for role, layers in here.items():
            for name in dict.fromkeys(layers.values()) if role not in uniform else ():
                chosen = tuple(layer for layer, format_ in layers.items() if format_ == name)
                placements.append(Placement(role.value, name, chosen, component))
    return Precision(
        default,
        tuple((key, name) for key, name in roles.items() if name != default),
        tuple(placement for placement in placements if placement.format != default),
    )


def _means(key: str, role: Role) -> bool:
    return key in {role.value, role.group}


def _grouped(
    uniform: dict[Role, str], present: Iterable[Role], whole: Collection[str]
) -> Iterator[tuple[str, str]]:
    """A group by its name where all its matrices are linear and stored alike; look-up tables always by role."""
    groups: dict[str, list[Role]] = {}
    for role in present:
        groups.setdefault(role.group, []).append(role)
    for group, members in groups.items():
        names = {uniform.get(role) for role in members}
        if len(names) == 1 and (name := names.pop()) is not None and group in whole and group != "embedding":
            yield group, name
        else:
            yield from ((role.value, uniform[role]) for role in members if role in uniform)


def _partial(scheme: Scheme, ledger: Ledger) -> Iterator[str]:
    """A warning where a list names some experts of a layer and not all of them."""
    counts = {weight.pool.experts for weight in ledger.weights if weight.pool is not None}
    lists = [scheme.ignore, *(rule.targets for rule in scheme.rules)]
    named = {most for patterns in lists if patterns is not None for most in patterns.experts.values()}
    if named - counts:
        yield (
            f"the quantization config names {min(named - counts)} experts of a layer singly: "
            "all experts of that layer are counted as if named"
        )
