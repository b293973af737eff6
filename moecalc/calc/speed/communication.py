"""What the ranks of a plan send each other in a decode step: bytes, and seconds at the link. Beside the ceiling.

All-reduce: a ring sends 2 (n - 1) / n of the vector per rank, the least there is without reduction in the switch
(Patarasuk and Yuan 2009, doi 10.1016/j.jpdc.2008.09.002). Tensor parallelism needs one behind each mixer and one behind
each feed-forward (Shoeybi et al. 2019, arXiv 1909.08053, section 3), and one behind a split embedding. All-to-all: each
token goes once to every other rank that has one of its experts and comes back (Lepikhin et al. 2020, arXiv 2006.16668,
section 3.2); with k of E experts drawn uniformly over n ranks, all different, those are (n - 1) (1 - C(E - E/n, k) /
C(E, k)). A pipeline sends the residual stream over each boundary, cut among the tensor ranks (Narayanan et al. 2021,
arXiv 2104.04473, section 4.1). Activations are taken as 16-bit.

Ranks beyond one domain of fast links exchange over a network as little as they can: an all-reduce sums inside each of m
domains of g ranks first, so each rank sends 2 (m - 1) / (m g) of the vector over the network and 2 (g - 1) / g inside
(together the ring's); an all-to-all sends a token once to each other domain that has one of its experts and deals it
out there (DeepSeek-V3, arXiv 2412.19437, section 3.2.2); a pipeline crosses once between two domains. Both ways are
taken to be busy at once, so the longer counts. Latencies and the gather of logits only add.
"""

from collections import Counter
from collections.abc import Iterable
from math import ceil, comb, prod

import msgspec

from moecalc.calc.speed.roofline import Roofline
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access, Ledger, Pool, Weight
from moecalc.specs.machines import MACHINE
from moecalc.specs.plan import Plan

ACTIVATION_BYTES = 2

MIXERS = frozenset({"attention", "recurrent"})
FEED_FORWARDS = frozenset({"ffn", "routed", "shared"})


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of exchange in a step."""

    name: str
    """all-reduce, all-to-all or pipeline send."""
    ranks: int
    """That take part together."""
    times: float
    """How often in a step."""
    sent_bytes: Number
    """By one rank, all of them together."""
    network_bytes: Number = 0
    """Those among them that leave the domain."""


class Communication(msgspec.Struct, frozen=True, kw_only=True):
    """All exchanges of a step, and the link they go over."""

    transfers: tuple[Transfer, ...]
    link: int | None
    """Bytes per second that the slowest of the devices can send; None where unknown."""
    domain: int = MACHINE
    """Devices that these links join."""
    assumed: bool = False
    """Whether no source says so."""
    domains: int = 1
    """Over which the devices are spread."""
    network: int | None = None
    """Bytes per second of each device to other domains; None where unknown."""

    @property
    def sent_bytes(self) -> Number:
        """By one rank in a step."""
        return sum(transfer.sent_bytes for transfer in self.transfers)

    @property
    def network_bytes(self) -> Number:
        """By one rank in a step, to other domains."""
        return sum(transfer.network_bytes for transfer in self.transfers)

    @property
    def seconds(self) -> float | None:
        """At the link and the network, both at once; None where one that is used is not known, 0 where none is."""
        if not self.transfers:
            return 0.0
        if not self.network_bytes:
            return None if self.link is None else float(self.sent_bytes / self.link)
        inside = [float(t.sent_bytes - t.network_bytes) for t in self.transfers]
        outside = [float(t.network_bytes) for t in self.transfers]
        if (any(inside) and self.link is None) or (any(outside) and self.network is None):
            return None
        return sum(
            max(near / (self.link or 1), far / (self.network or 1))
            for near, far in zip(inside, outside, strict=True)
        )


def decode_communication(roofline: Roofline, batch: int) -> Communication:
    """What one decode step of that batch sends."""
    domain = min(machine.domain or MACHINE for machine in roofline.machines)
    plan, ledger = roofline.plan, roofline.sharded.ledger
    return Communication(
        transfers=tuple(_crossing(t, plan, ledger, domain) for t in transfers(plan, ledger, batch)),
        link=_slowest(machine.link for machine in roofline.machines),
        domain=domain,
        assumed=any(machine.domain is None for machine in roofline.machines),
        domains=ceil(plan.devices / domain),
        network=_slowest(machine.network for machine in roofline.machines),
    )


def _slowest(rates: Iterable[int | None]) -> int | None:
    """The least of them; None where one is not known."""
    every = list(rates)
    known = [rate for rate in every if rate is not None]
    return min(known) if len(known) == len(every) else None


def _crossing(transfer: Transfer, plan: Plan, ledger: Ledger, domain: int) -> Transfer:
    """The transfer with what of it leaves the domain, where neighbours stand in one."""
    return msgspec.structs.replace(transfer, network_bytes=_network_bytes(transfer, plan, ledger, domain))


def _network_bytes(transfer: Transfer, plan: Plan, ledger: Ledger, domain: int) -> Number:
    ranks, sent = transfer.ranks, transfer.sent_bytes
    if transfer.name == "pipeline send":
        boundaries = ranks - 1
        crossed = boundaries if plan.stage_devices > domain else ceil(plan.devices / domain) - 1
        return sent * min(crossed, boundaries) / boundaries if crossed else 0
    spread = plan.stage_devices // ranks if transfer.name == "all-to-all" else 1
    inside = max(1, domain // spread)
    if ranks <= inside:
        return 0
    domains = ceil(ranks / inside)
    if transfer.name == "all-to-all":
        pool = widest_pool(ledger)
        return sent * other_ranks(domains, pool) / other_ranks(ranks, pool)
    whole = sent * ranks / (ranks - 1)
    return whole * (domains - 1) / (domains * inside)


def all_reduce_bytes(ranks: int, vector_bytes: Number) -> Number:
    """Bytes that each rank of a ring sends to sum a vector over all."""
    return 2 * (ranks - 1) * vector_bytes / ranks


def other_ranks(ranks: int, pool: Pool) -> float:
    """Expected ranks beside a token's own that have one of its experts, drawn uniformly, with as many on each rank.

    Where a token's experts come from a limited number of groups (DeepSeek-V3), these are drawn uniformly first.
    """
    if pool.group_limit is not None and pool.groups > 1:
        return _other_ranks_of_groups(ranks, pool)
    every, size = int(pool.experts + pool.null_experts), int(pool.experts) / ranks
    missed = prod(max(0.0, every - size - drawn) / (every - drawn) for drawn in range(int(pool.top_k)))
    return (ranks - 1) * (1 - missed)


def _other_ranks_of_groups(ranks: int, pool: Pool) -> float:
    """The same under a limit: a rank has no expert of a token by the overlaps of the chosen groups with it."""
    groups, limit, experts = int(pool.groups), int(pool.group_limit or pool.groups), int(pool.experts)
    size, wanted = experts // groups, int(pool.top_k)
    reached = 0.0
    for rank in range(ranks):
        first, end = rank * experts // ranks, (rank + 1) * experts // ranks
        # Choices of groups by how many there are, and by how many of their experts the rank has.
        ways: Counter[tuple[int, int]] = Counter({(0, 0): 1})
        for group in range(groups):
            here = max(0, min(end, (group + 1) * size) - max(first, group * size))
            for (chosen, held), count in list(ways.items()):
                ways[chosen + 1, held + here] += count
        missed = sum(
            count * comb(limit * size - held, wanted)
            for (chosen, held), count in ways.items()
            if chosen == limit
        )
        reached += 1 - missed / (comb(groups, limit) * comb(limit * size, wanted))
    return reached * (ranks - 1) / ranks


def transfers(
    plan: Plan, ledger: Ledger, batch: int, element_bytes: int = ACTIVATION_BYTES
) -> tuple[Transfer, ...]:
    """What a step sends that works on `batch` tokens, over all copies of attention; of the whole ledger's rows."""
    return tuple(t for t in _transfers(plan, ledger, batch, element_bytes) if t.ranks > 1 and t.times)


def _transfers(plan: Plan, ledger: Ledger, batch: int, element_bytes: int) -> Iterable[Transfer]:
    token = hidden_size(ledger) * element_bytes
    own = plan.sequences(batch)
    mixers, dense, routed = _sublayers(ledger)
    to_others = plan.expert > 1 and plan.replicas > 1
    reduced: dict[int, list[Number]] = {}

    def reduce(ranks: int, times: float, tokens: Number) -> None:
        sums = reduced.setdefault(ranks, [0, 0])
        sums[0] += times
        sums[1] += times * all_reduce_bytes(ranks, tokens * token)

    reduce(plan.attention_ranks, mixers, own)
    # What the copies of attention inside a tensor-parallel group have, all its ranks work on.
    reduce(plan.tensor, dense + 1, own * plan.attention_data)
    if not to_others:
        reduce(plan.tensor, routed, own * plan.attention_data)
    for ranks, (times, sent) in reduced.items():
        yield Transfer(name="all-reduce", ranks=ranks, times=times, sent_bytes=sent)
    if to_others:
        reached = other_ranks(plan.expert, widest_pool(ledger))
        there_and_back = 2 * own / plan.attention_ranks * reached * token
        yield Transfer(
            name="all-to-all", ranks=plan.expert, times=2 * routed, sent_bytes=routed * there_and_back
        )
    boundaries = plan.pipeline - 1
    yield Transfer(
        name="pipeline send",
        ranks=plan.pipeline,
        times=boundaries,
        sent_bytes=boundaries * own * token / plan.attention_ranks,
    )


def hidden_size(ledger: Ledger) -> int:
    """The width of the residual stream: what the first matrix of a mixer or feed-forward takes in."""
    for weight in ledger.weights:
        for axis in weight.shape:
            for dim in axis.dims:
                if dim.name == "hidden_size" and weight.component is Component.LANGUAGE:
                    return int(dim.size)
    raise AssertionError("no row of the language model has a hidden size")


def _sublayers(ledger: Ledger) -> tuple[float, float, float]:
    """How often a step runs a mixer, a dense feed-forward and a routed one."""
    runs: dict[tuple[bool, int], tuple[float, bool]] = {}
    for weight in ledger.weights:
        group = weight.role.group
        if not _is_matrix(weight) or group not in MIXERS | FEED_FORWARDS:
            continue
        each = weight.layers * weight.applications / len(weight.indices)
        for index in weight.indices:
            key = group in MIXERS, index
            times, routed = runs.get(key, (0.0, False))
            runs[key] = max(times, float(each)), routed or weight.pool is not None
    mixers = sum(times for (mixes, _), (times, _) in runs.items() if mixes)
    dense = sum(times for (mixes, _), (times, routed) in runs.items() if not mixes and not routed)
    experts = sum(times for (mixes, _), (times, routed) in runs.items() if not mixes and routed)
    return mixers, dense, experts


def _is_matrix(weight: Weight) -> bool:
    language = weight.component is Component.LANGUAGE and weight.role is not Role.ROUTER
    return language and weight.access is Access.MATMUL and len(weight.shape) > 1 and bool(weight.indices)


def widest_pool(ledger: Ledger) -> Pool:
    """The experts of which a token calls most. There must be some."""
    pools = [weight.pool for weight in ledger.weights if weight.pool is not None]
    return max(pools, key=lambda pool: float(pool.calls))
