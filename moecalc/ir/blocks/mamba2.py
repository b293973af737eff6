"""Mamba 2 (state-space duality, Dao & Gu 2024, arXiv 2405.21060).

Shapes, with heads H, head_dim p, groups G, state_size n, inner width H p:
in [gate H p | x H p | B G n | C G n | dt H, d], a causal convolution over x, B, C, out [d, H p].
The chunked form runs per chunk of length l: C B^T (2 l^2 n per group), and per head its product with x
(2 l^2 p), the chunk state (2 l n p), the scan over chunk states (2 n p) and the contribution of the entering
state (2 l n p). transformers' fallback repeats C B^T for every head, pads to whole chunks, and combines the
states of all pairs of chunks in one matmul: the counted form.
"""

from collections.abc import Iterator

from moecalc.ir.blocks.base import Block, Size, norm_rows, require
from moecalc.ir.dims import Dim, axis, concat
from moecalc.ir.roles import Role
from moecalc.ir.rows import OpKind, Row, Slots, SlotsKind
from moecalc.ir.site import TOKENS, Site, per_pair
from moecalc.ir.step import Extent, Form, Keys, KeysKind


class Mamba2(Block, frozen=True, kw_only=True, tag="mamba2"):
    """A recurrence with one scalar decay per head and a state of head_dim x state_size per head."""

    heads: Size
    head_dim: Size
    state_size: Size
    groups: Size = 1
    conv_kernel: Size = 4
    chunk_size: Size = 256
    bias: bool = False
    out_bias: bool | None = None
    """Where the output projection differs from `bias`."""
    conv_bias: bool = True
    norm: bool = True
    """The gated RMSNorm before the output projection, of each group's channels apart."""
    state_dtype: str = "fp32"

    def __post_init__(self) -> None:
        require(self.heads % self.groups == 0, f"`groups` {self.groups} does not divide `heads` {self.heads}")

    def lower(self, site: Site) -> Iterator[Row]:
        """Projections, convolution, both execution forms of the scan, convolution and recurrent state."""
        heads, head_dim = Dim("ssm_heads", self.heads), Dim("ssm_head_dim", self.head_dim)
        state_size = Dim("state_size", self.state_size)
        groups = Dim("groups", self.groups)
        inner = axis(heads, head_dim)
        mixed = concat(inner, axis(groups, state_size), axis(groups, state_size))
        bias = Role.RECURRENT_BIAS if self.bias else None
        yield from site.linear(
            Role.RECURRENT_IN, concat(inner, mixed, axis(heads)), site.hidden_axis, bias=bias
        )
        kernel = Dim("conv_kernel", self.conv_kernel)
        channels = Dim("conv_channels", mixed.size)
        yield site.weight(Role.RECURRENT_CONV, axis(channels), axis(kernel))
        if self.conv_bias:
            yield site.vector(Role.RECURRENT_BIAS, axis(channels))
        yield from convolution(channels, kernel, site)
        for _ in ("A_log", "D", "dt_bias"):
            yield site.vector(Role.RECURRENT_PARAMETER, axis(heads))
        yield from self._scan(heads, head_dim, state_size, groups, site)
        if self.norm:
            yield from norm_rows("rms", Role.RECURRENT_NORM, site, inner)
        if self.out_bias is not None:
            bias = Role.RECURRENT_BIAS if self.out_bias else None
        yield from site.linear(Role.RECURRENT_OUT, site.hidden_axis, inner, bias=bias)
        yield site.state(Role.RECURRENT_CONV_STATE, channels, slots=Slots(SlotsKind.CONV, self.conv_kernel))
        yield site.state(
            Role.RECURRENT_STATE,
            heads,
            head_dim,
            state_size,
            slots=Slots(SlotsKind.CONSTANT),
            stored_as=self.state_dtype,
        )

    def _scan(self, heads: Dim, head_dim: Dim, state_size: Dim, groups: Dim, site: Site) -> Iterator[Row]:
        chunk, matrix = self.chunk_size, (heads, head_dim, state_size)
        needed, counted = (Form.CHUNK,), (Form.COUNTED,)
        padded_squares = per_pair(Keys(KeysKind.SCAN_CHUNK_PADDED, chunk))
        forms = (
            (needed, groups, per_pair(Keys(KeysKind.SCAN_CHUNK, chunk)), TOKENS),
            (counted, heads, padded_squares, per_pair(Keys(KeysKind.PADDED, chunk))),
        )
        for form, scores, squares, tokens in forms:
            yield site.op(Role.RECURRENT_SCAN, scores, state_size, extent=squares, forms=form)
            yield site.op(Role.RECURRENT_SCAN, heads, head_dim, extent=squares, forms=form)
            yield site.op(Role.RECURRENT_SCAN, *matrix, extent=tokens, forms=form)
            yield site.op(Role.RECURRENT_SCAN, *matrix, extent=tokens, forms=form)
        chunks = per_pair(Keys(KeysKind.CHUNKS, chunk))
        yield site.op(Role.RECURRENT_SCAN, *matrix, extent=chunks, forms=needed, kind=OpKind.SCAN)
        states = per_pair(Keys(KeysKind.CHUNK_STATES, chunk))
        yield site.op(Role.RECURRENT_SCAN, *matrix, extent=states, forms=counted)
        # The fallback's single step reads the state out by a matmul; its update is elementwise.
        step = per_pair(Keys(KeysKind.CACHED_STEP))
        yield site.op(Role.RECURRENT_SCAN, *matrix, extent=step, forms=counted)
        # Per token: decay and update of the state (2 multiply-adds), and its read-out (1).
        yield site.op(
            Role.RECURRENT_SCAN,
            *matrix,
            forms=(Form.STEP,),
            kind=OpKind.SCAN,
            coefficient=6,
        )


def convolution(channels: Dim, kernel: Dim, site: Site) -> Iterator[Row]:
    """A depthwise causal convolution: one multiply-accumulate per channel, tap and token."""
    yield site.op(
        Role.RECURRENT_CONV,
        channels,
        kernel,
        kind=OpKind.CONV,
        forms=(Form.CHUNK, Form.STEP),
    )
    padded = Extent(keys=Keys(KeysKind.CONV_PADDED, kernel.size))
    yield site.op(
        Role.RECURRENT_CONV, channels, kernel, kind=OpKind.CONV, forms=(Form.COUNTED,), extent=padded
    )
