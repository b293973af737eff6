"""Formats that a model is multiplied in and that its devices have no arithmetic for, in words."""

from collections.abc import Iterable, Iterator

from moecalc.calc.speed.machine import widened
from moecalc.specs.fleet import Fleet


def widening_words(formats: Iterable[str], fleet: Fleet) -> Iterator[str]:
    """A sentence for each device and 16-bit arithmetic that stands in, as far as peaks are published."""
    formats = tuple(formats)
    for device in {device.name: device for device in fleet.devices}.values():
        made = {name: widened(device, name) for name in formats}
        for wide in dict.fromkeys(filter(None, made.values())):
            names = ", ".join(name for name, other in made.items() if other == wide)
            yield (
                f"`{device.name}` has no published peak for {names}: taken as made {wide} before it is multiplied, as "
                "weight-only kernels do"
            )
