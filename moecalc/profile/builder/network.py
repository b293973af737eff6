"""A network from an architecture: embedding, layers, head, with random weights and a cache of the ledger's size.

    network = build(architecture, dtype=torch.bfloat16, device=torch.device("cuda"))
    cache = network.new_state(batch=8, slots=8192)
    logits = network.prefill(ids, cache)        # ids [8, prompt] -> [8, vocab_size], of each last position
    logits = network.decode(token, cache)       # token [8, 1]    -> [8, vocab_size]

Modules for prediction (MTP), drafters and towers are not part of it: it is the language model alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import TYPE_CHECKING, Literal

import msgspec
import torch
from torch.nn import functional

from moecalc.errors import InputError
from moecalc.ir.blocks.base import norm_rows
from moecalc.ir.blocks.shared import SharedBlocks
from moecalc.ir.dims import Dim
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row
from moecalc.ir.site import Site
from moecalc.profile.builder.cache import Cache
from moecalc.profile.builder.elementwise import Norm
from moecalc.profile.builder.embedded import Embedded
from moecalc.profile.builder.layer import Sublayers, reads_keys
from moecalc.profile.builder.loop import Loop, loop_rows, order_of_runs
from moecalc.profile.builder.mixture import Mixture
from moecalc.profile.builder.numerics import Numerics
from moecalc.profile.builder.per_layer import TokenInputs
from moecalc.profile.builder.plan import Kind, Layers, Place, is_loop, kinds, places
from moecalc.profile.builder.prompted import ScoreBiases, check_biased
from moecalc.profile.builder.ranges import named
from moecalc.profile.builder.refusal import check_fields
from moecalc.profile.builder.routing import Forced
from moecalc.profile.builder.shared_blocks import Entry, SharedTransformer
from moecalc.profile.builder.states import layer_caches
from moecalc.profile.builder.step import Call, Handed, Rotations
from moecalc.profile.builder.streams import layer_of, layer_rows, stack_rows, streams_of
from moecalc.profile.builder.tensors import Filling, Module, Store, Stored

if TYPE_CHECKING:
    from torch import Tensor

    from moecalc.ir.architecture import Architecture
    from moecalc.ir.blocks.stack import Stack
    from moecalc.specs.formats import Precision
    from moecalc.specs.routing import Skew


OUTSIDE_LAYERS = ("embedding", "streams", "final norm", "head")
"""Places of weights that a network without layers has too."""


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
        check_biased(embedding, (place.layer for place in built))
        check_fields(head, ("tied", "bias", "vocab_size", "transform", "transform_bias"))

        store = self._store(embedding.lower(site), "embedding", filling)
        self.tokens = store.take(Role.EMBEDDING_TOKENS)
        self.embedded = Embedded(embedding, store, numerics)
        bias = embedding.score_bias
        self.score_bias = ScoreBiases(bias, embedding, store) if bias else None
        per_layer = embedding.per_layer
        self.token_inputs = TokenInputs(per_layer, store, numerics) if per_layer else None
        self._keep(store)

        stack = architecture.stacks[0]
        self._shares_keys = any(reads_keys(place.layer) for place in built)
        self._reads_embedded = any(place.layer.before for place in built)
        self.layers = torch.nn.ModuleList(self._made_layers(architecture.stacks, filling, forced))
        self.loop = self._made_loop(architecture.stacks, filling) if is_loop(architecture) else None

        store = self._store(stack_rows(stack, site), "streams", filling)
        self.streams = streams_of(stack, store, numerics)
        self._keep(store)

        last = None if self.loop else stack.final_norm
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

    def _made_layers(
        self, stacks: Sequence[Stack], filling: Filling, forced: Forced | None
    ) -> Iterator[Sublayers]:
        """The module of each place; one that is stored once runs wherever it stands."""
        shared: dict[str, Sublayers] = {}
        copies: dict[str, list[SharedTransformer]] = {}
        for place in self.built:
            if place.kind in shared:
                yield shared[place.kind]
                continue
            where, stack = f"layer {place.index} (`{place.kind}`)", stacks[place.stack]
            site = msgspec.structs.replace(self._site, indices=(place.index,))
            store = self._store(layer_rows(stack, place.layer, site), where, filling, place.index)
            made = layer_of(stack, place.layer, store, self._numerics, place.index, forced)
            if place.layer.before:
                made.entry = self._entry(place, place.layer.before, filling, copies)
            self._keep(store)
            if place.layer.shared:
                shared[place.kind] = made
            yield made

    def _made_loop(self, stacks: Sequence[Stack], filling: Filling) -> Loop:
        store = self._store(loop_rows(stacks, self._site), "loop", filling)
        loop = Loop(stacks, self.layers, store, self._numerics)
        self._keep(store)
        return loop

    def _store(self, rows: Iterable[Row], place: str, filling: Filling, index: int | None = None) -> Store:
        """The tensors of one place. A rank of several makes a part of some."""
        return Store(rows, place, filling, index)

    def _entry(
        self, place: Place, block: SharedBlocks, filling: Filling, copies: dict[str, list[SharedTransformer]]
    ) -> Entry:
        """A layer's way through the shared block whose turn it is; one that no layer has used yet is made."""
        of_kind = copies.setdefault(place.kind, [])
        turn = sum(built.kind == place.kind for built in self.built[: self.built.index(place)])
        if turn < block.copies:
            store = self._store(block.lower_copies(self._site), f"shared block {turn}", filling, place.index)
            of_kind.append(SharedTransformer(block, store, self._numerics))
            self._keep(store)
            self.add_module(f"shared_{place.kind}_{turn}", of_kind[-1])
        store = self._store(block.lower_own(self._site), f"entry {place.index}", filling, place.index)
        entry = Entry(block, store, of_kind[turn % block.copies])
        self._keep(store)
        return entry

    def _keep(self, store: Store) -> None:
        store.finish()
        self._stored += store.stored

    def weights(self) -> Iterator[Stored]:
        """Every stored tensor with its row of the ledger, in the ledger's shape and type; tied ones once."""
        return iter(self._stored)

    def without_layers(self) -> Network:
        """Its embedding and head, on the same tensors, and none of the layers between them."""
        made = copy(self)
        made.__dict__.update(  # a copy of a module has the same dict of modules
            _modules={**self._modules, "layers": torch.nn.ModuleList()},
            built=(),
            _stored=[stored for stored in self._stored if stored.place in OUTSIDE_LAYERS],
        )
        return made

    def new_state(self, batch: int, slots: int, source: int = 0) -> Cache:
        """An empty cache for `batch` sequences of at most `slots` tokens, of the bytes that the ledger computes.

        `source` counts the vectors that cross-attention reads; with none its layers are skipped.
        """
        if batch < 1 or slots < 1:
            raise InputError(
                f"a cache of {batch:,} sequences and {slots:,} tokens", hint="at least one of each"
            )
        runs = order_of_runs(self.architecture.stacks) if self.loop else range(len(self.built))
        layers = [
            layer_caches(self.built[run].layer, self._site, batch, slots, self.dtype, self.device, source)
            for run in runs
        ]
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
    def forward(
        self,
        ids: Tensor,
        cache: Cache,
        logits: Literal["last", "all"] = "last",
        source: Tensor | None = None,
    ) -> Tensor:
        """Logits of new tokens [batch, new] behind what the cache holds, which then holds them too.

        [batch, vocab_size] of the last position, or [batch, new, vocab_size] of all. Raises InputError where the cache
        is too small. `source` [batch, vectors, hidden] comes with the first tokens, where cross-attention reads one.
        """
        batch, new = ids.shape
        cache.check(batch, new)
        past = cache.length
        turns = self.embedded.positions is None and self.score_bias is None and self._numerics.rotary
        rotations = Rotations(past, new, self.device, self._numerics, {}) if turns else None
        with named("embedding"):
            x = self.embedded(self._looked_up(ids), past)
            embedded = x if self._reads_embedded else None
            told = None if self.token_inputs is None else self.token_inputs(ids, x)
            x = x if self.streams is None else self.streams.spread(x)
        handed = Handed({} if self._shares_keys else None)
        bias = None if self.score_bias is None else self.score_bias(past, new)
        call = Call(past, new, rotations, ids, handed, told, embedded, source, bias)
        if self.loop is not None:
            x = self.loop(x, call, cache.layers)
        else:  # here, and in no method: its caller would hold what the first layer read until the last has run
            for layer, caches in zip(self.layers, cache.layers, strict=True):
                x = layer(x, call, caches)
        if call.handed.joining is not None:
            x = x + call.handed.joining
        cache.length = past + new
        with named("head"):
            x = x if self.streams is None else self.streams.collapse(x)
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
        modules = (
            (p.index, ffn)
            for p, layer in zip(self.built, self.layers, strict=True)
            for ffn in (layer.ffn, layer.beside)
        )
        return {
            index: ffn.last_chosen
            for index, ffn in modules
            if isinstance(ffn, Mixture) and ffn.last_chosen is not None
        }

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
