"""One rank of a model: the network of its part, and what it exchanges with the others.

Column- and row-parallel as Shoeybi et al. 2019 (arXiv 1909.08053, section 3) lay it out: heads and intermediate
channels are split, each sublayer's output is a partial sum, and an all-reduce adds the ranks' up; the embedding is
split by vocabulary and added up likewise; of the head every rank computes its own logits, which are gathered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import torch
from torch.nn import functional

from moecalc.errors import InputError
from moecalc.ir.dims import Dim, axis
from moecalc.ir.roles import Role
from moecalc.ir.rows import Row, Weight
from moecalc.profile.builder.differential import Difference
from moecalc.profile.builder.dynamic_mask import KeyScores
from moecalc.profile.builder.mixture import Mixture
from moecalc.profile.builder.moa import AttentionExperts
from moecalc.profile.builder.network import Network
from moecalc.profile.builder.numerics import Numerics
from moecalc.profile.builder.plan import places
from moecalc.profile.builder.routing import Forced
from moecalc.profile.builder.tensors import Filling, Store
from moecalc.profile.distributed.experts import dealt, exchanged
from moecalc.profile.distributed.local import local_architecture
from moecalc.profile.distributed.slices import slice_of, start_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from moecalc.ir.architecture import Architecture
    from moecalc.profile.builder.plan import Layers
    from moecalc.profile.distributed.group import Group
    from moecalc.specs.plan import Plan
    from moecalc.specs.routing import Skew

LOGITS = "all-gather of logits"

ALONE = ("beside", "entry", "laurel", "told", "mixer_gate")
"""Parts of a layer that no rank exchanges: a second feed-forward, a shared block, what stands beside attention."""


class RankNetwork(Network):
    """The language model as one rank of a plan holds and runs it. `build_rank` makes one."""

    def __init__(
        self,
        whole: Architecture,
        plan: Plan,
        group: Group,
        built: Any,
        filling: Filling,
        numerics: Numerics,
        forced: Any,
    ) -> None:
        self._plan, self._group = plan, group
        super().__init__(local_architecture(whole, plan), built, filling, numerics, forced)
        self._vocabulary = int(whole.head.vocab_size or whole.embedding.vocab_size)
        self._table = int(whole.embedding.vocab_size)
        for place, layer in zip(self.built, self.layers, strict=True):
            self._join(place.kind, layer)
        self._leave_biases_to_the_first()

    def _join(self, kind: str, layer: Any) -> None:
        """Have a layer exchange what it has to."""
        if len(layer.mixers) > 1:
            raise InputError(
                f"`{self._plan.words}`: a layer with two mixers (`{kind}`) is not built over several devices",
                hint="`moecalc speed` computes it all the same",
            )
        parts = [name for name in ALONE if getattr(layer, name, None) is not None]
        parts += [name for name in ("streams", "loop", "score_bias") if getattr(self, name) is not None]
        parts += ["experts of heads"] if any(isinstance(m, AttentionExperts) for m in layer.mixers) else []
        if parts:
            raise InputError(
                f"`{self._plan.words}`: `{kind}` is not built in parts: {parts[0]}",
                hint="`moecalc speed` computes it all the same",
            )
        if self._plan.tensor > 1:
            if any(isinstance(part, KeyScores | Difference) for part in layer.modules()):
                raise InputError(
                    f"`{self._plan.words}`: attention whose heads read each other (`{kind}`) is not built in parts",
                    hint="`moecalc speed` computes it all the same",
                )
            for module in (*layer.mixers, layer.ffn):
                if module is not None:
                    module.register_forward_hook(lambda _module, _inputs, made: self._group.all_reduce(made))
        if self._plan.expert > 1 and isinstance(layer.ffn, Mixture):
            layer.ffn.elsewhere = (dealt if self._plan.tensor > 1 else exchanged)(layer.ffn, self._group)

    def _store(self, rows: Iterable[Row], place: str, filling: Filling, index: int | None = None) -> Store:
        return super()._store((self._of_rank(row) for row in rows), place, filling, index)

    def _of_rank(self, row: Row) -> Row:
        """The row with the experts that the rank has of it; all else is small already."""
        if not isinstance(row, Weight) or row.pool is None:
            return row
        if row.pool.null_experts:
            raise InputError(
                f"`{self._plan.words}`: experts without weights are not built over several devices",
                hint="`moecalc speed` computes them all the same",
            )
        if self._plan.expert == 1:
            return row
        (experts,) = row.shape[0].dims
        mine = axis(Dim(experts.name, -(-int(experts.size) // self._plan.expert)))
        return msgspec.structs.replace(row, shape=(mine, *row.shape[1:]))

    def _leave_biases_to_the_first(self) -> None:
        """A bias behind a partial sum is added once: the first rank's counts, the others hold zeros."""
        if self._plan.tensor == 1 or self._group.rank == 0 or self.device.type == "meta":
            return
        with torch.no_grad():
            for stored in self.weights():
                # Those of experts that are dealt out stand on one rank anyway.
                alone = stored.row.pool is not None and self._plan.expert > 1
                if _is_behind_a_sum(stored.row) and not alone:
                    stored.tensor.zero_()

    def _looked_up(self, ids: Tensor) -> Tensor:
        if self._plan.tensor == 1:
            return super()._looked_up(ids)
        share = len(self.tokens)
        local = ids - start_of(self._table, share, self._group.rank, self._group.size)
        inside = (local >= 0) & (local < share)
        found = functional.embedding(local.clamp(0, share - 1), self.tokens)
        summed: Tensor = self._group.all_reduce(found * inside[..., None])
        return summed

    def _head(self, x: Tensor) -> Tensor:
        logits = super()._head(x)
        if self._plan.tensor == 1:
            return logits
        return torch.cat(self._group.all_gather(logits, LOGITS), -1)[..., : self._vocabulary]

    def take_from(self, whole: Network) -> None:
        """Hold this rank's part of the weights of a whole network, instead of random ones."""
        with torch.no_grad():
            for own, other in zip(self.weights(), whole.weights(), strict=True):
                part = slice_of(other.tensor, other.row, own.row, self._group.rank, self._group.size)
                own.tensor.copy_(part)
        self._leave_biases_to_the_first()


def build_rank(
    architecture: Architecture,
    plan: Plan,
    group: Group,
    *,
    dtype: torch.dtype,
    device: torch.device | str,
    layers: Layers = "all",
    routing: Skew | None = None,
    seed: int = 0,
    numerics: Numerics | None = None,
) -> RankNetwork:
    """This rank's network, with random weights. Ranks with the same seed hold the same where the plan copies.

    Raises InputError for a plan or an architecture that cannot be built so.
    """
    if plan.devices != group.size:
        raise InputError(
            f"`{plan.words}` is for {plan.devices} devices, and {group.size} run",
            hint=f"`torchrun --nproc-per-node {plan.devices} -m moecalc profile ...`",
        )
    where = torch.device(device)
    generator = None if where.type == "meta" else torch.Generator(where).manual_seed(seed)
    # Copies of attention have sequences of their own, so their tokens choose apart.
    forced = None if routing is None else Forced(routing, seed + (group.rank if plan.data > 1 else 0))
    local = local_architecture(architecture, plan)
    filling = Filling(dtype, where, generator)
    with torch.no_grad():
        return RankNetwork(
            architecture, plan, group, places(local, layers), filling, numerics or Numerics(), forced
        )


def _is_behind_a_sum(row: Weight) -> bool:
    """Whether a vector is added to the residual stream by a sublayer whose output is a partial sum."""
    is_bias = row.role.value.endswith("bias") or row.role is Role.EXPERT_OTHER
    inside = row.role.group in {"attention", "recurrent", "ffn", "routed", "shared", "latent"}
    return is_bias and inside and [dim.name for dim in row.shape[-1].dims] == ["hidden_size"]
