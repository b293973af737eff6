"""The fleets that a sweep chooses among: named ones, and kinds of devices whose number is open."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from moecalc.api.engine_rules import check_count, shares_memory
from moecalc.api.fleets import LOCAL, fleet_from, fleet_of, is_counted
from moecalc.calc.deploy.search import COUNTS
from moecalc.errors import InputError
from moecalc.specs.fleet import Fleet, Group
from moecalc.specs.hardware import Accelerator
from moecalc.specs.machines import MACHINE
from moecalc.specs.plan import Plan

MOST_COUNT = 64
"""Devices up to which a kind without a number is tried."""


class Candidate(msgspec.Struct, frozen=True):
    """A fleet as it was named, or a kind of device whose number is open."""

    fleet: Fleet
    open: bool = False

    def fleets(self, plan: Plan | None = None) -> Iterator[Fleet]:
        """The fleets to try, smallest first; under a plan the one that has its devices.

        Raises InputError where a named number of devices is not that of the plan.
        """
        if not self.open:
            if plan is not None:
                check_count(plan, self.fleet)
            yield self.fleet
            return
        device = self.fleet.groups[0].device
        if plan is not None:
            yield Fleet((Group(device, plan.devices),), self.fleet.host)
            return
        for count in COUNTS:
            if count <= most_of(device):
                yield Fleet((Group(device, count),), self.fleet.host)


def most_of(device: Accelerator) -> int:
    """How many of a device without a number are tried: as many as people put together."""
    if shares_memory(device):
        return 1
    return MOST_COUNT if device.is_linked else MACHINE


def fleets_of(gpu: str | None, vram: str | None, bandwidth: str | None, choose: bool) -> list[Candidate]:
    """The fleets that `--gpu a,b,c` names; kinds without a number are open where there is something to choose.

    Raises InputError as `fleet_of` does, and where nothing is named.
    """
    names = [None] if gpu is None else [name.strip() for name in gpu.split(",")]
    found = []
    for name in names:
        if name is not None and not name:
            raise InputError(f"a device is missing in `--gpu {gpu}`", hint="`--gpu h100,h200,mi300x`")
        fleet = fleet_of(name, vram, bandwidth)
        if fleet is None:
            raise InputError("no devices to choose among", hint="add `--gpu h100,h200,mi300x`")
        counted = name in {None, LOCAL} or is_counted(name or "", fleet)
        found.append(Candidate(fleet, open=not counted and (choose or len(names) > 1)))
    return found


def candidates_of(gpus: Any, choose: bool) -> list[Candidate]:
    """The same of what a caller names: words as of `--gpu`, fleets, or a list of either.

    Raises InputError as `fleets_of` and `fleet_from` do.
    """
    named: Sequence[Any] = gpus if isinstance(gpus, list | tuple) else [gpus]
    words = [name.strip() for each in named for name in (each.split(",") if isinstance(each, str) else ())]
    several = len(words) + sum(not isinstance(each, str) for each in named) > 1
    found: list[Candidate] = []
    for each in named:
        if isinstance(each, str):
            found += fleets_of(each, None, None, choose or several)
        else:
            found.append(Candidate(fleet_from(each)))
    if not found:
        raise InputError("no devices to choose among", hint="`gpus='h100,h200,mi300x'`")
    return found
