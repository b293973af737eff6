"""A request of a mix: what was typed of it, and what it costs in one pool or in two."""

from decimal import Decimal

from moecalc.api.model import Model
from moecalc.calc import memory
from moecalc.calc.cost.cost import RequestCost
from moecalc.calc.cost.outlay import SECONDS_PER_HOUR, Outlay
from moecalc.calc.cost.request import request_time
from moecalc.calc.deploy.budget import MOST_SEQUENCES
from moecalc.calc.speed.roofline import Roofline
from moecalc.calc.speed.traffic import Routing
from moecalc.errors import InputError, UndeterminedError
from moecalc.specs.request import Request, parse_request
from moecalc.units import parse_bytes_per_second


def mix_of(
    request: Request | str | None, context: int | None, prompt: int | None, pools: int
) -> Request | None:
    """The mix that was asked for, None where none was. Raises InputError for one beside lengths, and bad pools."""
    if pools not in {1, 2}:
        raise InputError(
            f"`--pools` is {pools}", hint="1: prefill and decode share devices; 2: each has its own"
        )
    if request is None:
        if pools == 2:
            raise InputError(
                "how many devices prefill and how many decode follows from a mix",
                hint='add `--request "in=8k,out=1k"`',
            )
        return None
    if context is not None or prompt is not None:
        raise InputError(
            "`--request` says how long prompt and answer are, and so do `--context` and `--prompt`",
            hint="leave those out",
        )
    return parse_request(request) if isinstance(request, str) else request


def link_of(text: str | None, pools: int) -> int | None:
    """Bytes per second between two pools, None where that was not said. Raises InputError for one pool, and for 0."""
    if text is None:
        return None
    if pools != 2:
        raise InputError(
            "`--kv-link` is what two pools hand state over through, and there is one", hint="add `--pools 2`"
        )
    found = parse_bytes_per_second(text)
    if found <= 0:
        raise InputError(f"`--kv-link` is {text}", hint="bytes per second above 0: `--kv-link 50GB/s`")
    return found


def request_cost(
    bound: Roofline,
    mix: Request,
    batch: int,
    pools: int,
    engine: str,
    outlay: Outlay,
    capacity: int,
    found: Model,
    routing: Routing,
    link: int | None,
) -> RequestCost:
    """The mean request of the mix on one deployment; the state of a conversation is one of `capacity` sequences.

    Raises UndeterminedError where no peak is published for the devices.
    """
    if not bound.is_bounded:
        raise UndeterminedError(
            f"`{bound.machine(0).name}` has no published dense peak (`peaks`): nothing bounds what a prompt takes",
            hint="choose another device, or ask for output alone: leave `--request` out",
        )
    time = request_time(bound, mix, batch, engine, routing)
    hold = outlay.standing_usd_per_hour / min(capacity, MOST_SEQUENCES)
    pause = mix.pause_seconds
    return RequestCost(
        time=time,
        pools=pools,
        new_usd=time.new.map(outlay.usd),
        cached_usd=time.cached.map(outlay.usd),
        output_usd=time.output.map(outlay.usd),
        apart_usd=time.apart.map(outlay.usd),
        usd=time.seconds(pools).map(outlay.usd),
        splits=time.splits if pools == 2 else None,
        moved_bytes=memory.state_bytes(found.ledger, mix.prompt, bound.kv_dtype),
        link_bytes_per_second=link,
        hold_usd_per_hour=hold,
        hold_usd=None
        if pause is None
        else hold * (mix.turns - 1) * Decimal(pause.numerator) / pause.denominator / SECONDS_PER_HOUR,
    )
