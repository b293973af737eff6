"""Rooflines of released models on common devices, as several tests need them."""

from moecalc.calc.deploy.ranks import Sharded
from moecalc.calc.speed.machine import machine
from moecalc.calc.speed.roofline import Roofline, operand_formats
from moecalc.sources.hf_config import read_config
from moecalc.specs.formats import Precision
from moecalc.specs.hardware import accelerator
from moecalc.specs.plan import Plan

ONE = Plan()


def roofline_of(config, plan=ONE, device="h100", precision=None, kv_dtype="bf16"):
    """The roofline of a config; `device` may name one for each pipeline stage."""
    read = read_config(config)
    chosen = precision or read.precision
    names = [device] if isinstance(device, str) else device
    ledger = read.architecture.lower_to_ledger()
    formats = operand_formats(ledger, chosen, kv_dtype)
    return Roofline(
        sharded=Sharded(ledger=ledger, plan=plan),
        precision=chosen,
        kv_dtype=kv_dtype,
        machines=tuple(machine(accelerator(name), formats) for name in names),
    )


BF16 = Precision("bf16")
