"""What `cost` says of the plans that it did not choose: each priced as the chosen one is, at the most that fits it."""

from collections.abc import Callable
from decimal import Decimal

from moecalc.api.deployments import deployments
from moecalc.api.fit_setting import Asked
from moecalc.api.precision import RELEASED
from moecalc.calc.cost.figure import Figure
from moecalc.calc.cost.outlay import Outlay
from moecalc.calc.cost.pace import decode_pace
from moecalc.calc.cost.plans import Plans, Priced, compared
from moecalc.calc.cost.request import request_time
from moecalc.calc.speed.roofline import Roofline
from moecalc.calc.speed.traffic import Routing
from moecalc.specs.fleet import Fleet
from moecalc.specs.request import Request

Pricing = Callable[[Roofline, int], Figure[Decimal]]
"""Dollars of what is asked for, under a plan at a batch."""


def other_plans(
    asked: Asked,
    fleet: Fleet,
    quant: str | None,
    bound: Roofline,
    batch: int,
    usual: Callable[[int], int | None],
    pricing: Pricing,
) -> Plans | None:
    """The plan of `bound`, at `batch`, among all that the devices allow; None where there is no other.

    `usual` is the batch of a plan that has room for so many sequences; None: not that many.
    """
    name = quant or RELEASED
    setting = asked.setting(name, fleet.devices)
    others = []
    for each in deployments(asked, setting, fleet, quant, name, copies=True):
        size = usual(each.max_sequences)
        if each.plan != bound.plan and size is not None:
            usd = pricing(each.roofline, size)
            others.append(Priced(plan=each.plan, batch=size, usd=usd))
    if not others:
        return None
    return compared(Priced(plan=bound.plan, batch=batch, usd=pricing(bound, batch)), others)


def pricing_of(
    outlay: Outlay, mix: Request | None, pools: int, context: int, engine: str, routing: Routing
) -> Pricing:
    """A million output tokens, or where there is a mix one request of it."""

    def output(bound: Roofline, batch: int) -> Figure[Decimal]:
        pace = decode_pace(bound, batch, context, engine, routing)
        if batch == 1:
            return pace.per_million.map(outlay.usd)
        served = pace.served_per_million
        if served is not None:
            return served.map(outlay.usd)
        alone = pace.per_million
        return Figure(ceiling=outlay.usd(alone.ceiling), least=outlay.usd(alone.least))

    def request(bound: Roofline, batch: int) -> Figure[Decimal]:
        assert mix is not None
        return request_time(bound, mix, batch, engine, routing).seconds(pools).map(outlay.usd)

    return output if mix is None else request
