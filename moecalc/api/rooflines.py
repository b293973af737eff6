"""From a model and devices, as people name them, to the roofline that bounds their speed."""

from moecalc.api.engine_rules import check_count
from moecalc.api.model import Model
from moecalc.api.precision import RELEASED, precision_for
from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.speed.machine import machine
from moecalc.calc.speed.roofline import Roofline, operand_formats
from moecalc.errors import InputError
from moecalc.specs.fleet import Fleet
from moecalc.specs.plan import Plan


def roofline(
    model: Model, fleet: Fleet, plan: Plan, quant: str | None = None, kv_dtype: str | None = None
) -> Roofline:
    """The roofline of a model under a plan on the devices of a fleet.

    Raises InputError where plan and devices do not match, UndeterminedError where a device's bandwidth is not known.
    """
    check_count(plan, fleet)
    precision = precision_for(model, quant or RELEASED)
    kv = model.kv_name(kv_dtype)
    formats = operand_formats(model.ledger, precision, kv)
    stages = fleet.devices[:: plan.stage_devices]
    for first, device in zip(range(0, fleet.count, plan.stage_devices), stages, strict=True):
        if any(other is not device for other in fleet.devices[first : first + plan.stage_devices]):
            raise InputError(
                f"`{plan.words}` puts unequal devices into one group: {fleet.describe()}",
                hint="tensor and data parallelism need equal devices; `--pp` may mix them",
            )
    machines = tuple(machine(device, formats) for device in (stages[:1] if fleet.is_uniform else stages))
    return Roofline(
        sharded=Sharded(ledger=model.ledger, plan=plan),
        precision=precision,
        kv_dtype=kv,
        machines=machines,
    )
