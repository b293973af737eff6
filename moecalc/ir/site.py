"""Where a block stands: everything it needs from outside to lower itself, and the shorthands for its rows."""

import msgspec

from moecalc.ir.dims import Axis, Dim, axis
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Kind, Op, OpKind, Pool, Slots, State, Weight
from moecalc.ir.step import Domain, Extent, Form, Keys

TOKENS = Extent()
KEYS = Extent(Domain.KEYS)


def per_pair(keys: Keys) -> Extent:
    """Once per query and key it meets."""
    return Extent(Domain.TOKENS, keys)


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Hidden size, stored copies and applications of the layers a block is lowered for."""

    hidden: Dim
    layers: Number = 1
    applications: Number = 1
    component: Component = Component.LANGUAGE
    indices: tuple[int, ...] = ()

    @property
    def hidden_axis(self) -> Axis:
        """The residual stream as one side of a matrix."""
        return axis(self.hidden)

    def weight(
        self,
        role: Role,
        *shape: Axis,
        pool: Pool | None = None,
        access: Access = Access.MATMUL,
        kind: Kind = Kind.PARAMETER,
        stored_as: str | None = None,
    ) -> Weight:
        """A tensor stored once per layer of this site."""
        return Weight(
            role=role,
            shape=shape,
            layers=self.layers,
            applications=self.applications,
            pool=pool,
            access=access,
            kind=kind,
            component=self.component,
            stored_as=stored_as,
            indices=self.indices,
        )

    def vector(
        self, role: Role, *shape: Axis, pool: Pool | None = None, stored_as: str | None = None
    ) -> Weight:
        """An elementwise parameter: a norm's scale, a bias, a gate."""
        return self.weight(role, *shape, pool=pool, access=Access.ELEMENTWISE, stored_as=stored_as)

    def buffer(self, role: Role, *shape: Axis, stored_as: str | None = None) -> Weight:
        """A stored tensor that is no parameter."""
        return self.weight(role, *shape, access=Access.ELEMENTWISE, kind=Kind.BUFFER, stored_as=stored_as)

    def op(
        self,
        role: Role,
        *dims: Dim,
        extent: Extent = TOKENS,
        forms: tuple[Form, ...] = (),
        kind: OpKind = OpKind.MATMUL,
        pool: Pool | None = None,
        coefficient: Number = 2,
        operands: str | None = None,
    ) -> Op:
        """An operation run once per unit of `extent` in each application of each layer of this site."""
        return Op(
            role=role,
            dims=dims,
            extent=extent,
            layers=self.layers,
            applications=self.applications,
            forms=frozenset(forms),
            kind=kind,
            pool=pool,
            coefficient=coefficient,
            operands=operands,
            component=self.component,
            indices=self.indices,
        )

    def linear(
        self,
        role: Role,
        out: Axis,
        into: Axis,
        *,
        extent: Extent = TOKENS,
        bias: Role | None = None,
        pool: Pool | None = None,
        experts: Dim | None = None,
        forms: tuple[Form, ...] = (),
        stored_as: str | None = None,
    ) -> list[Weight | Op]:
        """A matrix [out, in], its multiplication for each unit of `extent`, and its bias if `bias` names a role.

        With a pool, `experts` leads the stored shape and the multiplication runs once per expert call.
        """
        lead = (axis(experts),) if experts is not None else ()
        rows: list[Weight | Op] = [
            self.weight(role, *lead, out, into, pool=pool, stored_as=stored_as),
            self.op(role, Dim("out", out.size), Dim("in", into.size), extent=extent, pool=pool, forms=forms),
        ]
        if bias is not None:
            rows.append(self.vector(bias, *lead, out, pool=pool))
        return rows

    def state(
        self,
        role: Role,
        *dims: Dim,
        slots: Slots,
        read: Slots | None = None,
        reserved: Slots | None = None,
        reserved_dims: tuple[Dim, ...] = (),
        stored_as: str | None = None,
        served_as: str | None = None,
    ) -> State:
        """What each sequence remembers here, per application."""
        return State(
            role=role,
            dims=dims,
            slots=slots,
            layers=self.layers,
            applications=self.applications,
            stored_as=stored_as,
            served_as=served_as,
            read=read,
            reserved=reserved,
            reserved_dims=reserved_dims,
            component=self.component,
            indices=self.indices,
        )
