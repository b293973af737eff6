"""What all blocks share: strict fields, a type tag for specs, and `lower`."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from moecalc.ir.dims import Axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row
from moecalc.ir.site import Site

Size = Annotated[int, Meta(ge=1, le=2**40)]
"""A dimension: at least 1, and small enough that a slip of the pen is caught."""

Count = Annotated[int, Meta(ge=0, le=2**40)]
"""A number of things of which there may be none."""

Norm = Literal["rms", "layer", "layer_no_bias", "unweighted"]
"""RMSNorm (scale), LayerNorm (scale and bias), LayerNorm without bias, or a norm without parameters."""


class Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a layer. Frozen, strict: an unknown field in a spec is an error."""

    def lower(self, site: Site) -> Iterator[Row]:
        """The ledger rows of this block at the site. The only method other modules may call."""
        raise NotImplementedError


def norm_rows(norm: Norm, role: Role, site: Site, *axes: Axis) -> Iterator[Row]:
    """The parameters of one norm over each of the axes."""
    vectors = {"rms": 1, "layer": 2, "layer_no_bias": 1, "unweighted": 0}[norm]
    for side in axes:
        for number in range(vectors):
            vector = site.vector(role, side)
            yield msgspec.structs.replace(vector, norm_bias=True) if number else vector


def require(condition: Any, message: str) -> None:
    """Raise ValueError(message) unless the condition holds; msgspec reports it at the field's path."""
    if not condition:
        raise ValueError(message)
