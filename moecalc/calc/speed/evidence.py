"""Which fit may be used for a step, what stands behind it on that hardware, and in which words; or why none may."""

import msgspec

from moecalc.calc.speed.roofline import Roofline
from moecalc.ir.numeric import Number
from moecalc.specs.expectations import (
    HARDWARE,
    LEAST_DEVICES,
    LEAST_ROWS,
    EngineClass,
    Fit,
    Hardware,
    Judged,
    Phase,
    Range,
    Spans,
    fit,
    hardware_of,
    known,
)

LONGER = {"decode-b1-layer-split": "decode-b1-single"}
"""A layer split is the steps of its devices one after another: beyond the contexts that it was measured at, those of
one device count, and the wider of both intervals (fixed before it was used: docs/accuracy.md)."""

ONE_SIDED = 0.1
"""Where the few measurements of a class of hardware are so far to one side at the median, that is said too."""

WHOSE: dict[EngineClass, str] = {
    "any": "",
    "llama.cpp": " of llama.cpp",
    "serving": " of serving engines",
}


class Evidence(msgspec.Struct, frozen=True):
    """A fit that may be used, and what stands behind it there."""

    fit: Fit
    regime: str
    hardware: Hardware
    behind: Judged
    of_class: bool
    """Whether `behind` is of that class of hardware alone."""
    low: float
    high: float
    past: int
    """The most cached tokens that a measured prompt stood behind on that hardware."""
    longer: str | None = None
    """The regime whose contexts count, and whose interval does too."""

    @property
    def words(self) -> str:
        """How many measurements, on what, and how far off they were when they were left out."""
        where = HARDWARE[self.hardware] if self.of_class else "all hardware"
        wider = f"; at such contexts as wide as in `{self.longer}`" if self.longer else ""
        behind = self.behind
        return (
            f"fitted on published measurements; of {behind.rows} in `{self.regime}` on {len(behind.devices)} devices "
            f"({where}), each left out in turn, half were within {behind.median_error:.0%}, 8 in 10 inside the interval"
            f"{wider}{self._narrower}{self._between}"
        )

    @property
    def _narrower(self) -> str:
        """How far off the few of this class of hardware were, where those of all hardware answer."""
        if self.of_class:
            return ""
        own = self.fit.regimes[self.regime].hardware[self.hardware]
        side = f", at the median {abs(own.bias):.0%} too {'slow' if own.bias > 0 else 'fast'}"
        return (
            f"; half of the {own.rows} on {HARDWARE[self.hardware]} within {own.median_error:.0%}"
            f"{side if abs(own.bias) >= ONE_SIDED else ''}"
        )

    @property
    def _between(self) -> str:
        """How far a fit over all engines lies from each class of them on this hardware, where several were measured."""
        shares = self.fit.regimes[self.regime].engines.get(self.hardware, {})
        if not shares:
            return ""
        parts = (
            f"{abs(of.bias):.0%} too {'slow' if of.bias > 0 else 'fast'} for {of.rows}{WHOSE[name]}"
            for name, of in shares.items()
        )
        return f"; one fit over all engines: at the median {' and '.join(parts)}"


def evidence(
    roofline: Roofline, phase: Phase, regime: str, class_: EngineClass, batch: Number, tokens: Number
) -> Evidence | str:
    """The fit for that, or why there is none."""
    device = known(roofline.machines[0].name)
    hardware = hardware_of(device) if device else None
    if device is None or hardware is None or len(roofline.machines) > 1:
        name = " beside ".join(machine.name for machine in roofline.machines)
        return f"no published measurement on devices like `{name}`"
    chosen = fit(phase, class_)
    spans = chosen.regimes.get(regime) if chosen else None
    if chosen is None or spans is None or not spans.judged.is_enough:
        return _too_few(spans.judged if spans else None, regime, class_)
    own, on_hardware = spans.hardware.get(hardware), chosen.hardware.get(hardware)
    if own is None or on_hardware is None or not on_hardware.is_enough:
        return _too_few(own and on_hardware, regime, class_, hardware) + _elsewhere(
            phase, regime, class_, hardware
        )
    wide = (own,) if own.is_enough else (spans.judged, on_hardware)
    # What a key costs is one coefficient for several classes of hardware: how long it holds is told by each alone.
    reach = spans.reach[hardware]
    beyond = isinstance(tokens, int) and not reach.is_near(tokens)
    wider = LONGER.get(regime) if beyond else None
    if wider is not None:
        longer = chosen.regimes[wider]
        reach = longer.reach.get(hardware, reach)
        wide = (*wide, longer.hardware.get(hardware, longer.judged))
    outside = _outside(regime, spans, batch, roofline.plan.devices) or _too_far(
        wider or regime, reach, tokens, hardware
    )
    needs_peak = any(entry.term == "arithmetic" for entry in chosen.coefficients)
    if outside is None and needs_peak and device.peak("fp32") is None:
        outside = f"`{device.name}` has no published fp32 peak, which the fit needs"
    if outside is not None:
        return outside
    low, high = min(of.low for of in wide), max(of.high for of in wide)
    past = spans.past.get(hardware, 0)
    return Evidence(chosen, regime, hardware, wide[0], own.is_enough, low, high, past, wider)


def _elsewhere(phase: Phase, regime: str, class_: EngineClass, hardware: Hardware) -> str:
    """That llama.cpp was measured there often enough, where the class asked about was not."""
    other = fit(phase, "llama.cpp") if class_ != "llama.cpp" else None
    spans = other.regimes.get(regime) if other else None
    own = spans.hardware.get(hardware) if spans else None
    if own is None or not own.is_enough:
        return ""
    return f"; of llama.cpp there are {own.rows}: `--engine llama.cpp`"


def _outside(regime: str, spans: Spans, batch: Number, devices: int) -> str | None:
    """What is far from all that was measured in a regime; None where nothing is. Arrays are not looked at."""
    if isinstance(batch, int) and not spans.batch.is_near(batch):
        return f"batch {batch:,} is far from what was measured in `{regime}` ({spans.batch}){_most(spans.batch, batch)}"
    if not spans.devices.low <= devices <= spans.devices.high:
        return f"{devices} devices together were not measured in `{regime}` ({spans.devices})"
    return None


def _too_far(regime: str, reach: Range, tokens: Number, hardware: Hardware) -> str | None:
    """Whether so many tokens are far from what was measured on a class of hardware. Arrays are not looked at."""
    if not isinstance(tokens, int) or reach.is_near(tokens):
        return None
    return (
        f"{tokens:,} tokens are far from what was measured in `{regime}` on {HARDWARE[hardware]} ({reach})"
        f"{_most(reach, tokens)}"
    )


def _most(measured: Range, value: int) -> str:
    """Up to where something is expected, of what lies above."""
    return f"; up to {2 * measured.high:,} is expected" if value > measured.high else ""


def _too_few(
    judged: Judged | None, regime: str, class_: EngineClass, hardware: Hardware | None = None
) -> str:
    rows, devices = (judged.rows, len(judged.devices)) if judged else (0, 0)
    where = f" on {HARDWARE[hardware]}" if hardware else ""
    return (
        f"{rows} published measurements{WHOSE[class_]} in `{regime}`{where}, of {devices} devices; an expectation "
        f"needs {LEAST_ROWS} of {LEAST_DEVICES}"
    )
