"""A model of which only counts are known against devices: its weights over all of them together, and no more.

Without shapes nobody knows how the weights split, nor what a sequence keeps. So this is necessary and not sufficient:
where the weights alone exceed all devices together, it does not fit; where they do not, state decides.
"""

import msgspec

from moecalc.calc.deploy.fitted import capacity_of, fleet_words
from moecalc.ir.numeric import Number
from moecalc.report import Line, ModelReport, Report
from moecalc.specs.fleet import Fleet
from moecalc.units import format_bytes_decimal


class StatedFit(msgspec.Struct, frozen=True, kw_only=True):
    """The weights as stated, and what the devices have together."""

    model: str
    source: str
    fleet: Fleet
    weights: Line
    """`weights.bytes`: a value, or a range."""
    utilization: float
    warnings: tuple[str, ...] = ()

    @property
    def least_bytes(self) -> Number:
        """The least that anybody says."""
        return self.weights.value if self.weights.low is None else self.weights.low

    @property
    def most_bytes(self) -> Number:
        """The most."""
        return self.weights.value if self.weights.high is None else self.weights.high

    @property
    def capacity_bytes(self) -> int:
        """What all devices together may be filled with. Raises UndeterminedError as `capacity_of`."""
        return int(sum(map(capacity_of, self.fleet.devices)) * self.utilization)

    @property
    def fits(self) -> bool | None:
        """False where the weights alone are too large; None where that does not decide."""
        return False if self.least_bytes > self.capacity_bytes else None

    @property
    def fewest(self) -> tuple[int, int] | None:
        """How many of the devices hold the weights at least, by the least and the most that is said; of equal ones."""
        if not self.fleet.is_uniform:
            return None
        each = int(capacity_of(self.fleet.devices[0]) * self.utilization)
        return int(-(-self.least_bytes // each)), int(-(-self.most_bytes // each))


def stated_sentences(found: StatedFit) -> list[str]:
    """The answer, and what it rests on."""
    low, high = (format_bytes_decimal(size) for size in (found.least_bytes, found.most_bytes))
    size = low if low == high else f"{low} to {high}"
    what = f"the weights in {found.weights.label.removeprefix('weights, ')}"
    whose = f" ({found.weights.provenance})" if found.weights.provenance else ""
    room = f"{format_bytes_decimal(found.capacity_bytes)} of {fleet_words(found.fleet)} together"
    if found.fits is False:
        answer = f"does not fit: {what} alone take {size}{whose}, more than {room}"
    elif found.most_bytes > found.capacity_bytes:
        answer = f"cannot be determined: {what} take {size}{whose}, and {room} lie between"
    else:
        answer = (
            f"{what} fit: {size}{whose} of {room}; whether state and activations fit beside them cannot "
            "be said, its shapes are not known"
        )
    said = [answer]
    if found.fewest is not None:
        first, last = found.fewest
        name = found.fleet.groups[0].device.name
        said.append(
            f"fewest {name} that hold the weights: {first if first == last else f'{first} to {last}'}"
        )
    share = f"utilization {found.utilization:g}"
    said.append(f"assumed: {share}, ideal sharding: memory pooled over the devices, nothing held twice")
    return said


def stated_report(found: StatedFit) -> Report:
    """The same for programs: what is not known is null."""
    weights = found.weights
    fewest = found.fewest[0] if found.fewest else None

    def unknown(name: str, label: str) -> Line:
        return Line(
            id=f"memory.{name}_bytes",
            label=label,
            value=None,
            unit="bytes",
            basis="estimate",
            note="undisclosed",
        )

    lines = (
        msgspec.structs.replace(weights, id="memory.weights_bytes"),
        unknown("state", "state"),
        unknown("activation", "activation peak"),
        unknown("overhead", "runtime"),
        unknown("total", "all of it"),
        unknown("rank_max", "fullest rank"),
        Line(
            id="fit.fits", label="fits", value=found.fits, unit="boolean", basis="estimate",
            note="weights alone, over all devices together",
        ),
        Line(
            id="fit.gpus", label="fewest devices that hold the weights", value=fewest, unit="devices",
            basis="estimate", note=fleet_words(found.fleet),
            low=fewest, high=found.fewest[1] if found.fewest else None,
        ),
    )  # fmt: skip
    return Report(
        command="fit",
        models=(ModelReport(name=found.model, source=found.source, lines=lines),),
        defaults={"utilization": found.utilization},
        warnings=found.warnings,
        extra={"fleet": fleet_words(found.fleet), "notes": stated_sentences(found)},
    )
