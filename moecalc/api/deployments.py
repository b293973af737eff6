"""The plans under which given devices hold a model, with the most sequences that each has room for."""

from collections.abc import Iterable, Iterator

import msgspec

from moecalc.api.fit_setting import Asked
from moecalc.api.rooflines import roofline
from moecalc.calc.deploy.case import Room
from moecalc.calc.deploy.fitted import Setting
from moecalc.calc.deploy.fitting import best_holding
from moecalc.calc.speed.roofline import Roofline
from moecalc.specs.fleet import Fleet
from moecalc.specs.plan import Plan


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that holds the model, and what bounds its steps."""

    plan: Plan
    max_sequences: int
    roofline: Roofline


def plans_on(asked: Asked, setting: Setting, room: Room, quant: str, *, copies: bool) -> Iterable[Plan]:
    """The plans that devices allow, the one that `fit` and `speed` take among them.

    Of unequal devices that one alone. `copies` adds whole copies of the model side by side.
    """
    shards, precision = asked.shards(setting), asked.precision(quant)
    if not room.is_uniform:
        return [best_holding(shards, precision, room, setting.case).plan]
    layers_only = setting.case.layers_only
    plans = shards.loadable(room.devices, precision, layers_only)
    if not copies or layers_only:
        return plans
    sizes = {plan.tensor for plan in plans if plan.tensor < room.devices}
    beside = [Plan(tensor=size, data=room.devices // size) for size in sorted(sizes, reverse=True)]
    return [*plans, *(plan for plan in beside if plan not in plans and not shards.cuts(plan, precision))]


def deployments(
    asked: Asked,
    setting: Setting,
    fleet: Fleet,
    quant: str | None,
    name: str,
    plan: Plan | None = None,
    *,
    copies: bool = False,
) -> Iterator[Deployment]:
    """Those of the plans, or the one that was named, that have room for a sequence of the setting's context."""
    shards, precision, room = asked.shards(setting), asked.precision(name), setting.room(fleet)
    for tried in [plan] if plan is not None else plans_on(asked, setting, room, name, copies=copies):
        holding = setting.case.holding(shards.sharded(tried), precision)
        most = holding.most_sequences(room.of_stages(tried), room.overhead_bytes, setting.case.context)
        if most is not None:
            bound = roofline(asked.model, fleet, tried, quant, setting.case.kv_dtype)
            yield Deployment(plan=tried, max_sequences=most, roofline=bound)
