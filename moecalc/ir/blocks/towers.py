"""Vision and audio towers, and the projectors that lead from them to the language model.

A tower is a transformer over patches (or frames) behind a patch embedding; its layers are the same blocks as
the language model's. Shapes, with width d, patches of c channels and t x p x q points, n positions:
patch embedding [d, c t p q], class tokens [d] each, positions [n, d], the stack, a final norm; then the
projector's matrices, each [out, in].
Sources: Dosovitskiy et al. 2020 (arXiv 2010.11929) for the transformer; each model's projector as the reference
implementation in transformers 5.23 has it.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from moecalc.ir.blocks.base import Block, Count, Norm, Size, norm_rows, require
from moecalc.ir.blocks.conformer import Conformer, FeatureNorm, Subsampling
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.stack import Stack
from moecalc.ir.blocks.units import ONCE, in_units
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Op, Row, State
from moecalc.ir.site import TOKENS, Site
from moecalc.ir.step import Domain


class Patches(Block, frozen=True, kw_only=True):
    """The patch embedding: a convolution whose stride is its kernel."""

    height: Size
    width: Size
    channels: Size = 3
    frames: Size = 1
    """Frames of a video that one patch spans."""
    bias: bool = False

    def lower(self, site: Site) -> Iterator[Row]:
        """One matrix [d, channels x frames x height x width]."""
        names = ("channels", "frames", "patch_height", "patch_width")
        sizes = (self.channels, self.frames, self.height, self.width)
        points = axis(*(Dim(name, size) for name, size in zip(names, sizes, strict=True)))
        bias = Role.TOWER_PATCHES if self.bias else None
        yield from site.linear(Role.TOWER_PATCHES, site.hidden_axis, points, bias=bias)


class PoolingHead(Block, frozen=True, kw_only=True):
    """SigLIP's attention pooling: one learned query attends to all patches, then a norm and an MLP."""

    intermediate_size: Size

    def lower(self, site: Site) -> Iterator[Row]:
        """The query, four projections [d, d], the norm, up [i, d] and down [d, i], all with biases.

        One query: keys, values, scores and mix run for each patch, everything else once for an image.
        """
        wide, inner = site.hidden_axis, axis(Dim("intermediate_size", self.intermediate_size))
        role = Role.TOWER_OTHER
        yield site.vector(role, wide)
        for extent in (ONCE, TOKENS, TOKENS, ONCE):  # query, key, value, output
            yield from site.linear(role, wide, wide, bias=role, extent=extent)
        for role_of_pair in (Role.ATTENTION_SCORES, Role.ATTENTION_MIX):
            yield site.op(role_of_pair, site.hidden)
        yield from norm_rows("layer", role, site, wide)
        yield from site.linear(role, inner, wide, bias=role, extent=ONCE)
        yield from site.linear(role, wide, inner, bias=role, extent=ONCE)


class Tiles(Block, frozen=True, kw_only=True):
    """mllama's embeddings of tiles: by aspect ratio, before and behind the layers and for every position."""

    aspect_ratios: Size
    """Rows of each table: the supported ratios and one for none."""
    tiles: Size

    def lower_for(self, positions: int, site: Site) -> Iterator[Row]:
        """Two tables [ratios, tiles x d], one [ratios, tiles x positions x d], a scalar gate on each of the three."""
        ratios, tiles = axis(Dim("aspect_ratios", self.aspect_ratios)), Dim("tiles", self.tiles)
        around = axis(tiles, site.hidden)
        everywhere = axis(tiles, Dim("positions", positions), site.hidden)
        for side in (around, around, everywhere):
            yield site.weight(Role.TOWER_POSITIONS, ratios, side, access=Access.LOOKUP)
            yield site.vector(Role.TOWER_POSITIONS, axis(Dim("gate", 1)))


class VisionTransformer(Block, frozen=True, kw_only=True, tag="vision_transformer"):
    """Patches, learned positions and class tokens, an optional norm, layers."""

    hidden_size: Size
    patches: Patches
    positions: Count = 0
    """Rows of learned position tables; rotary and fixed positions store none."""
    grid: tuple[Size, Size] | None = None
    """Rows and columns of patches, where images have one size: whoever gives no other is taken to mean it."""
    class_tokens: Count = 0
    """Learned vectors that stand beside the patches."""
    mask_token: bool = False
    """A learned vector that stands for a masked patch in training (InternVL)."""
    input_norm: Norm | None = None
    stack: Stack
    global_stack: Stack | None = None
    """mllama: layers behind the final norm that see all tiles at once."""
    tiles: Tiles | None = None
    pooling_head: PoolingHead | None = None
    output_scale: bool = False
    """A learned, stored scale and bias per channel of the output, no parameters (Gemma 4)."""
    clipped_linears: bool = False
    """Every matrix of a layer stores the bounds of its input and output: 4 numbers, no parameters (Gemma 4)."""

    @property
    def beside(self) -> int:
        """Vectors of an image that run through the layers beside its patches: each tile has class tokens of its own."""
        return self.class_tokens * (self.tiles.tiles if self.tiles else 1)

    @property
    def patches_per_image(self) -> int | None:
        """Patches of an image, in all its tiles, where images have one size."""
        if self.grid is None:
            return None
        return self.grid[0] * self.grid[1] * (self.tiles.tiles if self.tiles else 1)

    def lower(self, site: Site) -> Iterator[Row]:
        """The rows in the order the tower runs."""
        here = msgspec.structs.replace(site, hidden=Dim("hidden_size", self.hidden_size))
        wide = here.hidden_axis
        yield from self.patches.lower(here)
        for _ in range(self.class_tokens + self.mask_token):
            yield here.vector(Role.TOWER_OTHER, wide)
        if self.positions:
            table = axis(Dim("positions", self.positions)), wide
            yield here.weight(Role.TOWER_POSITIONS, *table, access=Access.LOOKUP)
        if self.tiles is not None:
            yield from self.tiles.lower_for(self.positions, here)
        if self.input_norm:
            yield from norm_rows(self.input_norm, Role.NORM, here, wide)
        yield from in_units(self.stack.lower(here), beside=self.beside)
        if self.global_stack is not None:
            yield from in_units(self.global_stack.lower(here), beside=self.beside)
        if self.pooling_head is not None:
            yield from in_units(self.pooling_head.lower(here), beside=self.beside)
        if self.output_scale:
            for _ in ("scale", "bias"):
                yield here.buffer(Role.TOWER_OTHER, wide)
        if self.clipped_linears:
            # q, k, v, o; gate, up, down
            bounds = Dim("layers", len(self.stack.kinds)), Dim("matrices", 7), Dim("bounds", 4)
            yield here.buffer(Role.TOWER_OTHER, axis(*bounds))


class Projector(Block, frozen=True, kw_only=True, tag="projector"):
    """Matrices from a tower's width to the language model's, an activation between any two."""

    sizes: Annotated[list[Size], Meta(min_length=1)]
    """Widths from input to output: [1024, 4096, 4096] is two matrices."""
    bias: bool = False
    input_norm: Norm | None = None
    input_norm_size: Size | None = None
    """Where the norm comes before several patches are joined to one."""
    output_norm: Norm | None = None
    intermediate_size: Size | None = None
    """A gated feed-forward of this size at the output's width (GLM-4V)."""
    copies: Size = 1
    """Projectors of the same shape, one for each layer that is read (Qwen3-VL's DeepStack)."""
    alternatives: Size = 1
    """Projectors of the same shape of which one runs (Phi-4-multimodal: sound alone, sound with images)."""
    joined: Size = 1
    """Patches (or frames) that one run reads or stands for: merged, shuffled or averaged before."""
    beside: Annotated[int, Meta(ge=-(2**40), le=2**40)] = 0
    """Runs for each image beside those: class tokens that are projected too, or below 0 what is dropped first."""

    def __post_init__(self) -> None:
        require(
            self.input_norm or self.input_norm_size is None, "`input_norm_size` goes with an `input_norm`"
        )

    def lower(self, site: Site) -> Iterator[Row]:
        """Norm, matrices, norm, feed-forward."""
        last = Dim("out", self.sizes[-1])
        here = msgspec.structs.replace(site, hidden=last, layers=self.copies * self.alternatives)
        for row in in_units(self._rows(here), joined=self.joined, beside=self.beside):
            yield msgspec.structs.replace(row, layers=self.copies) if isinstance(row, Op) else row

    def _rows(self, here: Site) -> Iterator[Row]:
        last = here.hidden
        first = axis(Dim("in", self.input_norm_size or self.sizes[0]))
        bias = Role.TOWER_PROJECTOR if self.bias else None
        if self.input_norm:
            yield from norm_rows(self.input_norm, Role.TOWER_PROJECTOR, here, first)
        for into, out in zip(self.sizes, self.sizes[1:], strict=False):
            yield from here.linear(
                Role.TOWER_PROJECTOR, axis(Dim("out", out)), axis(Dim("in", into)), bias=bias
            )
        if self.output_norm:
            yield from norm_rows(self.output_norm, Role.TOWER_PROJECTOR, here, axis(last))
        if self.intermediate_size is not None:
            for row in Gated(intermediate_size=self.intermediate_size).lower(here):
                yield msgspec.structs.replace(row, role=Role.TOWER_PROJECTOR)


class LearnedVectors(Block, frozen=True, kw_only=True, tag="learned_vectors"):
    """Learned vectors that stand among the projected patches: the end of a row, a separator."""

    width: Size
    count: Size = 1

    def lower(self, site: Site) -> Iterator[Row]:
        """`count` vectors."""
        yield site.vector(
            Role.TOWER_OTHER, axis(Dim("learned_vectors", self.count), Dim("width", self.width))
        )


Part = VisionTransformer | Subsampling | FeatureNorm | Conformer | Projector | LearnedVectors


class Tower(Block, frozen=True, kw_only=True):
    """One tower with its projector, named as the config names it."""

    name: str
    modality: Literal["vision", "audio"] = "vision"
    parts: list[Part]

    def lower(self, site: Site) -> Iterator[Row]:
        """The rows of all parts, in a domain of their own: operations per patch or frame, and no state."""
        component, each, once = {
            "vision": (Component.VISION, Domain.PATCHES, Domain.IMAGES),
            "audio": (Component.AUDIO, Domain.FRAMES, Domain.CLIPS),
        }[self.modality]
        here = msgspec.structs.replace(site, component=component)
        for part in self.parts:
            for row in part.lower(here):
                if isinstance(row, Op):
                    domain = once if row.extent.domain is Domain.SEQUENCES else each
                    extent = msgspec.structs.replace(row.extent, domain=domain)
                    yield msgspec.structs.replace(row, extent=extent)
                elif not isinstance(row, State):
                    yield row
