"""Run a model over the ranks that torchrun has started: what they hold, what they send, how long their steps take."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec

from moecalc.api.model import Model
from moecalc.calc.deploy.sharding import split_ledger
from moecalc.calc.memory import state_bytes
from moecalc.calc.speed.communication import transfers
from moecalc.errors import InputError, UndeterminedError
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.profile.distributed.links import Reached, links
from moecalc.profile.distributed.watch import Took, Watch, least_seconds
from moecalc.profile.measure.device import choose_device, describe_device, import_torch, torch_dtype
from moecalc.profile.measure.notes import attention_notes
from moecalc.profile.measure.out_of_memory import out_of_memory_as
from moecalc.profile.measure.timing import Call, clock_for, timed
from moecalc.specs.plan import Plan
from moecalc.specs.ranks_run import Exchanged, Held, Link, Phase, RanksRun, kind_of
from moecalc.specs.routing import Skew
from moecalc.specs.runs import Timing
from moecalc.specs.workload import check_length

UNIFORM = "all-to-all"
"""The exchange whose bytes follow from choices, of which the calculator has the expectation."""


class RankError(InputError):
    """An error of one rank, which that rank tells."""


class AskedOfRanks(msgspec.Struct, frozen=True, kw_only=True):
    """What every rank is asked for; the same for all."""

    plan: Plan
    cpu: bool
    batch: int
    prompt: int
    context: int
    dtype: str
    repeats: int
    seed: int
    skew: Skew


class _Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one rank has to tell."""

    parameters: int
    weight_bytes: int
    state_bytes: int
    sent: dict[str, dict[str, tuple[int, float]]]
    prefill: Timing
    decode: Timing
    kernels: dict[Phase, tuple[str, ...]]
    """Of attention."""
    passes: dict[Phase, list[list[Took]]]
    """[pass][exchange] of each step."""
    links: list[Reached]


def rank_of_torchrun() -> int | None:
    """This process's rank as torchrun says it; None where it was not started so."""
    words = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR")]
    return int(words[0]) if all(words) and words[0].isdecimal() and words[2].isdecimal() else None


def measure_ranks(model: Any, asked: AskedOfRanks) -> RanksRun | None:
    """Measure as one of the ranks; the first has the answer, the others None.

    Raises InputError for a plan or a model that is not built over devices, and outside torchrun.
    """
    if not isinstance(model, Model):
        raise UndeterminedError(
            f"`{model.name}` has no known architecture to build",
            hint="name a model of the catalogue or a config: `moecalc list`",
        )
    plan = asked.plan
    if rank_of_torchrun() is None:
        raise InputError(
            f"`{plan.words}` is for {plan.devices} processes, and this is one",
            hint=f"`torchrun --nproc-per-node {plan.devices} -m moecalc profile ...`",
        )
    check_length("batch", asked.batch, plan.replicas)
    if asked.batch % plan.replicas:
        raise InputError(
            f"`--batch {asked.batch}` is not dealt out evenly to {plan.replicas} copies of attention",
            hint=f"a multiple of {plan.replicas}",
        )
    if asked.context <= 1 or asked.prompt < 1:
        raise InputError(
            f"`--context` is {asked.context}", hint="at least 2, so that a token has something behind it"
        )
    torch = import_torch()
    device = choose_device(None if asked.cpu else int(os.environ["LOCAL_RANK"]), cpu=asked.cpu)
    dtype = torch_dtype(asked.dtype, device)
    import torch.distributed as dist

    joining = joining_by(device)
    dist.init_process_group(**joining)
    try:
        with out_of_memory_as(lambda: _ran_out(dist.get_rank(), device, asked)):
            found = _found(torch, dist, model.architecture, asked, device, dtype)
        everyone: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(everyone, found)
        if dist.get_rank():
            return None
    finally:
        dist.destroy_process_group()
    return _run(model, asked, everyone, joining["backend"], device)


def joining_by(device: Any) -> dict[str, Any]:
    """How a rank joins the others. NCCL is told its GPU, which it would guess by the rank's number."""
    return {"backend": "gloo"} if device.type == "cpu" else {"backend": "nccl", "device_id": device}


def _ran_out(rank: int, device: Any, asked: AskedOfRanks) -> RankError:
    """What one rank alone may come to know: the others wait for it until torchrun ends them."""
    return RankError(
        f"rank {rank} ran out of memory on `{device}` at batch {asked.batch:,}, prompt {asked.prompt:,} and context "
        f"{asked.context:,}",
        hint="`moecalc fit` says what a plan holds; fewer sequences, shorter lengths, or more devices",
    )


def _found(torch: Any, dist: Any, architecture: Any, asked: AskedOfRanks, device: Any, dtype: Any) -> _Found:
    from moecalc.profile.builder.ran import recorded
    from moecalc.profile.distributed.group import Group
    from moecalc.profile.distributed.network import build_rank

    group = Group()
    network = build_rank(
        architecture, asked.plan, group, dtype=dtype, device=device, routing=asked.skew, seed=asked.seed
    )
    own = asked.plan.sequences(asked.batch)
    cache = network.new_state(own, max(asked.prompt, asked.context))
    draw = torch.Generator().manual_seed(asked.seed + (group.rank if asked.plan.data > 1 else 0))
    vocabulary = int(architecture.embedding.vocab_size)
    ids = torch.randint(0, vocabulary, (own, asked.prompt), generator=draw).to(device)
    sent: dict[str, dict[str, tuple[int, float]]] = {}
    timings = []
    kernels: dict[Phase, tuple[str, ...]] = {}
    passes: dict[Phase, list[list[Took]]] = {}
    steps: tuple[tuple[Phase, Any, int], ...] = (
        ("prefill", ids, 0),
        ("decode", ids[:, :1], asked.context - 1),
    )
    for phase, tokens, behind in steps:

        def ready(behind: int = behind) -> None:
            cache.length = behind
            dist.barrier()

        def call(tokens: Any = tokens) -> None:
            network(tokens, cache)

        network.fill(cache, behind, asked.seed)
        ready()
        group.counts = {}
        with recorded() as ran:
            call()
        kernels[phase] = tuple(ran.kernels)
        sent[phase] = {name: (entry.times, float(entry.sent_bytes)) for name, entry in group.counts.items()}
        group.counts = None
        timings.append(timed(call, clock_for(device), asked.repeats, before=ready))
        passes[phase] = [_watched(group, device, ready, call) for _ in range(asked.repeats)]
    seen = (kind_of(name) for of_phase in sent.values() for name in of_phase)
    tensors = [stored.tensor for stored in network.weights()]
    return _Found(
        parameters=sum(tensor.numel() for tensor in tensors),
        weight_bytes=sum(tensor.numel() * tensor.element_size() for tensor in tensors),
        state_bytes=cache.nbytes,
        sent=sent,
        prefill=timings[0],
        decode=timings[1],
        kernels=kernels,
        passes=passes,
        links=links(group, device, dict.fromkeys(seen)),
    )


def _watched(group: Any, device: Any, ready: Call, call: Call) -> list[Took]:
    """The exchanges of one step."""
    ready()
    group.watch = watch = Watch(device)
    call()
    group.watch = None
    return watch.finished()


def _run(model: Model, asked: AskedOfRanks, found: list[_Found], backend: str, device: Any) -> RanksRun:
    from moecalc.profile.measure.device import DTYPES

    torch = import_torch()
    element = getattr(torch, DTYPES[asked.dtype]).itemsize
    plan = asked.plan
    whole = _language(model.architecture.lower_to_ledger())
    rank = split_ledger(whole, plan)
    weights = [(int(weight.elements), _itemsize(torch, weight.stored_as, element)) for weight in rank.weights]
    slots, own = max(asked.prompt, asked.context), plan.sequences(asked.batch)
    state = int(state_bytes(rank, slots, asked.dtype, own))
    described = describe_device(device)
    return RanksRun(
        moecalc=version("moecalc"),
        model=model.name,
        source=model.source,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        plan=plan.words,
        ranks=len(found),
        backend=backend,
        device=described.name,
        torch=described.torch,
        dtype=asked.dtype,
        batch=asked.batch,
        prompt=asked.prompt,
        context=asked.context,
        routing=asked.skew.words,
        seed=asked.seed,
        parameters=_held(sum(count for count, _ in weights), [of.parameters for of in found]),
        weight_bytes=_held(sum(count * size for count, size in weights), [of.weight_bytes for of in found]),
        state_bytes=_held(state, [of.state_bytes for of in found]),
        exchanged=(
            *_exchanged("prefill", asked.prompt * asked.batch, whole, plan, element, found),
            *_exchanged("decode", asked.batch, whole, plan, element, found),
        ),
        prefill=max((of.prefill for of in found), key=lambda timing: timing.seconds),
        decode=max((of.decode for of in found), key=lambda timing: timing.seconds),
        links=tuple(_link(reached) for reached in zip(*(of.links for of in found), strict=True)),
        warnings=tuple(model.warnings),
        notes=tuple(attention_notes(step for of in found for step in of.kernels.items())),
    )


def _exchanged(
    phase: Phase, tokens: int, whole: Ledger, plan: Plan, element: int, found: list[_Found]
) -> tuple[Exchanged, ...]:
    computed = {entry.name: entry for entry in transfers(plan, whole, tokens, element)}
    names = dict.fromkeys([*computed, *(name for of in found for name in of.sent[phase])])
    seconds = least_seconds([of.passes[phase] for of in found])
    made = []
    for name in names:
        said = computed.get(name)
        counted = [of.sent[phase].get(name, (0, 0.0)) for of in found]
        most = max(counted, key=lambda entry: entry[1])
        made.append(
            Exchanged(
                phase=phase,
                name=name,
                computed_times=None if said is None else float(said.times),
                computed_bytes=None if said is None else float(said.sent_bytes),
                counted_times=most[0],
                counted_bytes=most[1],
                expected=name == UNIFORM,
                seconds=seconds.get(name),
            )
        )
    return tuple(made)


def _link(of_ranks: Sequence[Reached]) -> Link:
    """Of the ranks the one that waited least: for the others the exchange had not begun."""
    fastest = min(of_ranks, key=lambda reached: reached.seconds)
    return Link(
        kind=fastest.kind,
        bytes_per_second=fastest.sent_bytes / fastest.seconds,
        start_seconds=min(reached.start_seconds for reached in of_ranks),
        sent_bytes=int(fastest.sent_bytes),
    )


def _language(ledger: Ledger) -> Ledger:
    weights = tuple(weight for weight in ledger.weights if weight.component is Component.LANGUAGE)
    return Ledger(weights, ledger.ops, tuple(s for s in ledger.states if s.component is Component.LANGUAGE))


def _itemsize(torch: Any, stored_as: str | None, element: int) -> int:
    if stored_as is None:
        return element
    from moecalc.profile.builder.tensors import dtype_of

    return int(dtype_of(stored_as, torch.float32).itemsize)


def _held(computed: int, ranks: list[int]) -> Held:
    return Held(computed=computed, ranks=tuple(ranks))
