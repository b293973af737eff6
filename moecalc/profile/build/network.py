"""A network from an architecture: embedding, layers, head, with random weights and a cache of the ledger's size.

    network = build(architecture, dtype=torch.bfloat16, device=torch.device("cuda"))
    cache = network.new_state(batch=8, slots=8192)
    logits = network.prefill(ids, cache)        # ids [8, prompt] -> [8, vocab_size], of each last position
    logits = network.decode(token, cache)       # token [8, 1]    -> [8, vocab_size]

Modules for prediction (MTP), drafters and towers are not part of it: it is the language model alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from moecalc.errors import InputError
from moecalc.ir.blocks.base import norm_rows
from moecalc.ir.dims import Dim
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row
from moecalc.ir.site import Site
from moecalc.profile.build.cache import Cache, LayerCache
from moecalc.profile.build.elementwise import Norm
from moecalc.profile.build.layer import Sublayers
from moecalc.profile.build.mixture import Mixture
from moecalc.profile.build.numerics import Numerics
from moecalc.profile.build.plan import Kind, Layers, Place, kinds, places
from moecalc.profile.build.ranges import named
from moecalc.profile.build.refusal import check_fields
from moecalc.profile.build.routing import Forced
from moecalc.profile.build.step import Call, Rotations
from moecalc.profile.build.tensors import Filling, Module, Store, Stored

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.ir.architecture import Architecture
    from moecalc.specs.formats import Precision
    from moecalc.specs.routing import Skew


class Network(Module):
    """The language model, or its embedding, head and some of its layers. `build` makes one."""

    def __init__(
        self,
        architecture: Architecture,
        built: Sequence[Place],
        filling: Filling,
        numerics: Numerics,
        forced: Forced | None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.kinds: tuple[Kind, ...] = kinds(architecture)
        """The distinct kinds of layers, with the number of layers of each in the whole model."""
        self.built = tuple(built)
        self.dtype, self.device = filling.dtype, filling.device
        self._numerics = numerics
        self._stored: list[Stored] = []
        site = Site(hidden=Dim("hidden_size", architecture.hidden_size))
        self._site = site
        embedding, head = architecture.embedding, architecture.head
        check_fields(embedding, ("vocab_size", "positions", "width", "norm"))
        check_fields(head, ("tied", "bias", "vocab_size", "transform", "transform_bias"))

        store = self._store(embedding.lower(site), "embedding", filling)
        self.tokens = store.take(Role.EMBEDDING_TOKENS)
        self.projection = store.take_if(embedding.width, Role.EMBEDDING_PROJECTION)
        self.positions = store.take_if(embedding.positions, Role.EMBEDDING_POSITIONS)
        self.embedding_norm = Norm(embedding.norm, Role.NORM, store, numerics) if embedding.norm else None
        self._keep(store)

        self.layers = torch.nn.ModuleList()
        shared: dict[str, Sublayers] = {}
        for place in self.built:
            if place.kind in shared:
                self.layers.append(shared[place.kind])
                continue
            where = f"layer {place.index} (`{place.kind}`)"
            store = self._store(place.layer.lower(site), where, filling, place.index)
            made = Sublayers(place.layer, store, numerics, place.index, forced)
            self._keep(store)
            self.layers.append(made)
            if place.layer.shared:
                shared[place.kind] = made

        (stack,) = architecture.stacks
        last = stack.final_norm
        rows = norm_rows(last, Role.NORM_FINAL, site, site.hidden_axis) if last else ()
        store = self._store(rows, "final norm", filling)
        self.norm = Norm(last, Role.NORM_FINAL, store, numerics) if last else None
        self._keep(store)

        store = self._store(head.lower_for(embedding, site), "head", filling)
        self.transform = store.take_if(head.transform, Role.HEAD_PROJECTION)
        self.transform_bias = store.take_if(head.transform and head.transform_bias, Role.HEAD_BIAS)
        self.transform_norm = Norm(head.transform, Role.NORM, store, numerics) if head.transform else None
        self.narrow = store.take_if(embedding.width, Role.HEAD_PROJECTION)
        self.head = self.tokens if head.tied else store.take(Role.HEAD)
        self.head_bias = store.take_if(head.bias, Role.HEAD_BIAS)
        self._keep(store)

    def _store(self, rows: Iterable[Row], place: str, filling: Filling, index: int | None = None) -> Store:
        """The tensors of one place. A rank of several makes a part of some."""
        return Store(rows, place, filling, index)

    def _keep(self, store: Store) -> None:
        store.finish()
        self._stored += store.stored

    def weights(self) -> Iterator[Stored]:
        """Every stored tensor with its row of the ledger, in the ledger's shape and type; tied ones once."""
        return iter(self._stored)

    def new_state(self, batch: int, slots: int) -> Cache:
        """An empty cache for `batch` sequences of at most `slots` tokens, of the bytes that the ledger computes."""
        if batch < 1 or slots < 1:
            raise InputError(
                f"a cache of {batch:,} sequences and {slots:,} tokens", hint="at least one of each"
            )
        layers = []
        for place in self.built:
            mixers = [m for m in (place.layer.mixer, place.layer.mixer_beside) if m is not None]
            layers.append(
                [LayerCache(m.lower(self._site), batch, slots, self.dtype, self.device) for m in mixers]
            )
        return Cache(layers, batch, slots)

    def fill(self, cache: Cache, tokens: int, seed: int = 0) -> None:
        """Make a cache as if `tokens` tokens had been read: random entries, and the next step stands behind them."""
        if tokens > cache.slots:
            cache.check(cache.batch, tokens - cache.length)
        cache.length = tokens
        if self.device.type == "meta":
            return
        generator = torch.Generator(self.device).manual_seed(seed)
        for tensor in cache.tensors():
            tensor.normal_(generator=generator)

    @torch.inference_mode()  # type: ignore[untyped-decorator] # torch is not followed by the type checker
    def forward(self, ids: Tensor, cache: Cache, logits: Literal["last", "all"] = "last") -> Tensor:
        """Logits of new tokens [batch, new] behind what the cache holds, which then holds them too.

        [batch, vocab_size] of the last position, or [batch, new, vocab_size] of all. Raises InputError where the cache
        is too small.
        """
        batch, new = ids.shape
        cache.check(batch, new)
        past = cache.length
        rotations = Rotations(past, new, self.device, self._numerics, {}) if self.positions is None else None
        call = Call(past, new, rotations)
        with named("embedding"):
            x = self._embed(ids, past)
        for layer, caches in zip(self.layers, cache.layers, strict=True):
            x = layer(x, call, caches)
        cache.length = past + new
        with named("head"):
            return self._head(x[:, -1] if logits == "last" else x)

    def prefill(self, ids: Tensor, cache: Cache) -> Tensor:
        """Logits [batch, vocab_size] of the last of new tokens [batch, new]."""
        made: Tensor = self(ids, cache)
        return made

    def decode(self, ids: Tensor, cache: Cache) -> Tensor:
        """Logits [batch, vocab_size] of one new token for each sequence [batch, 1]."""
        made: Tensor = self(ids, cache)
        return made

    def chosen_experts(self) -> dict[int, Tensor]:
        """By layer, the experts [tokens, top_k] of the last call's tokens; those without weights come last."""
        modules = ((p.index, layer.ffn) for p, layer in zip(self.built, self.layers, strict=True))
        return {
            index: ffn.last_chosen
            for index, ffn in modules
            if isinstance(ffn, Mixture) and ffn.last_chosen is not None
        }

    def _embed(self, ids: Tensor, past: int) -> Tensor:
        x = self._looked_up(ids)
        if self.projection is not None:
            x = functional.linear(x, self.projection)
        if self.positions is not None:
            x = x + self.positions[past : past + ids.shape[1]]
        return x if self.embedding_norm is None else self.embedding_norm(x)

    def _looked_up(self, ids: Tensor) -> Tensor:
        """Rows of the token table [batch, new, width]."""
        return functional.embedding(ids, self.tokens)

    def _head(self, x: Tensor) -> Tensor:
        if self.norm is not None:
            x = self.norm(x)
        if self.transform is not None and self.transform_norm is not None:
            x = self.transform_norm(
                functional.gelu(functional.linear(x, self.transform, self.transform_bias))
            )
        if self.narrow is not None:
            x = functional.linear(x, self.narrow)
        return functional.linear(x, self.head, self.head_bias)


def build(
    architecture: Architecture,
    *,
    dtype: torch.dtype,
    device: torch.device | str,
    layers: Layers = "all",
    routing: Skew | None = None,
    seed: int = 0,
    numerics: Numerics | None = None,
    precision: Precision | None = None,
) -> Network:
    """A network with random weights, made on the device; on `meta` nothing is allocated.

    With a `precision` matrices that it stores in 8 bits are weight-only, and all else is in `dtype`.

    `layers` is `all`, or the kinds to build beside embedding and head, each as often as it is named. `routing` forces
    the experts' choices; None leaves them to the random router. Raises InputError naming what cannot be built.
    """
    where = torch.device(device)
    generator = None if where.type == "meta" else torch.Generator(where).manual_seed(seed)
    forced = None if routing is None else Forced(routing, seed)
    built = places(architecture, layers)
    filling = Filling(dtype, where, generator, precision)
    with torch.no_grad():
        return Network(architecture, built, filling, numerics or Numerics(), forced)
