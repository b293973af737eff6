"""A lifted header as rows of a ledger: what can be said of a model whose config is not at hand."""

from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Kind, Pool, Weight
from moecalc.sources.layouts.breakdown import BUFFER_ROLES
from moecalc.sources.layouts.bundles import bundle
from moecalc.sources.layouts.lift import Lifted

_LOOKED_UP = {Role.EMBEDDING_TOKENS, Role.EMBEDDING_POSITIONS}

_Key = tuple[Component, tuple[Role, ...], tuple[int, ...]]


def weights_of(lifted: Lifted, top_k: int | None = None) -> tuple[Weight, ...]:
    """Weight rows of the tensors a layout knows, those of equal layers joined; copies are left out.

    A tensor that joins several roles stands under the first. Values are counted, not packed words. Routed experts
    get a pool of `top_k`, or of all experts where `top_k` is not told: what is active is then not known.
    """
    layers: dict[_Key, list[int | None]] = {}
    for each in bundle(lifted.parts):
        if each.entry is not None and each.component is not None and each.entry.roles:
            shape = each.shape() or (each.elements(),)
            layers.setdefault((each.component, each.entry.roles, shape), []).append(each.layer)
    made = [_weight(key, found, top_k) for key, found in layers.items()]
    if not any(weight.role is Role.HEAD for weight in made):
        made += [_tied(weight) for weight in made if weight.role is Role.EMBEDDING_TOKENS]
    return tuple(made)


def _weight(key: _Key, layers: list[int | None], top_k: int | None) -> Weight:
    component, roles, shape = key
    role = roles[0]
    routed = role.group == "routed"
    access = Access.MATMUL if len(shape) - routed > 1 else Access.ELEMENTWISE
    names = ("experts", "out", "in") if routed else ("out", "in")
    dims = [Dim(names[i] if i < len(names) else f"side_{i}", side) for i, side in enumerate(shape)]
    return Weight(
        role=role,
        shape=tuple(axis(dim) for dim in dims),
        layers=len(layers),
        pool=Pool(shape[0], min(top_k or shape[0], shape[0])) if routed and shape[0] else None,
        access=Access.LOOKUP if role in _LOOKED_UP else access,
        kind=Kind.BUFFER if role in BUFFER_ROLES else Kind.PARAMETER,
        component=component,
        indices=tuple(sorted(layer for layer in layers if layer is not None)),
    )


def _tied(embedding: Weight) -> Weight:
    return Weight(role=Role.HEAD, shape=embedding.shape, tied_to=Role.EMBEDDING_TOKENS)
