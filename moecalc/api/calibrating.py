"""`speed --calibration run.json`: the device of a stored run, and what is expected on it from its coefficients."""

from msgspec.structs import replace

from moecalc.calc.speed.calibrated import expect_calibrated
from moecalc.calc.speed.expectation import Expected, NoExpectation
from moecalc.calc.speed.speed import Prefill, Speed
from moecalc.errors import InputError
from moecalc.specs.fleet import Fleet, Group
from moecalc.specs.hardware import Accelerator, Capacity, Memory, Peak, Peaks, Rate
from moecalc.specs.runs import Calibration, Phase, Run


def calibrated_fleet(run: Run) -> Fleet:
    """The one device of a run, with the bandwidth and the rate that it reached there. Its name is the run's."""
    calibration = calibration_of(run)
    device = run.device
    source = f"`moecalc profile`, {run.date:%Y-%m-%d}"
    rate = Peak(value=f"{calibration.flops_per_second / 1e12:.9f} TFLOP/s", source=source)
    size = device.memory_bytes
    accelerator = Accelerator(
        name=device.name,
        label=device.name,
        vendor=None,
        kind="cpu" if device.kind == "cpu" else "gpu",
        memory=Memory(
            marketing=None if size is None else Capacity(value=f"{size / 2**20:.6f} MiB", source=source)
        ),
        bandwidth=Rate(value=f"{calibration.bytes_per_second / 1e9:.9f} GB/s", source=source),
        peaks=Peaks(**{calibration.dtype: rate}),
    )
    return Fleet((Group(accelerator),))


def calibrated(speed: Speed, run: Run) -> Speed:
    """What is expected on the device of the run, in place of what published measurements say.

    Raises InputError where the model is stored in another dtype than the run was in.
    """
    calibration = calibration_of(run)
    stored = speed.roofline.precision.default
    if stored != calibration.dtype or speed.quant != "released":
        shown = speed.precision if speed.quant != "released" else stored
        raise InputError(
            f"the run was in {calibration.dtype}, and `{speed.model}` is stored as {shown}",
            hint=(
                f"`moecalc profile {speed.model}{_here(run)} --dtype {stored} --calibrate --save run.json` "
                f"calibrates in {stored}"
            ),
        )
    decode = replace(
        speed.decode, expected=_expected(speed, run, "decode", speed.decode.batch, speed.decode.context)
    )
    return replace(
        speed,
        decode=decode,
        served=None,
        prefill=_prefill(speed, run, speed.prefill),
        first=_prefill(speed, run, speed.first),
    )


def calibration_of(run: Run) -> Calibration:
    """The coefficients of a run. Raises InputError where it has none."""
    if run.calibration is None:
        raise InputError(
            f"the run of `{run.model}` on {run.device.name} was not calibrated",
            hint=f"`moecalc profile MODEL{_here(run)} --calibrate --save run.json` fits and stores the coefficients",
        )
    return run.calibration


def _here(run: Run) -> str:
    """The option that runs on a device of that kind again; a GPU needs none."""
    return " --cpu" if run.device.kind == "cpu" else ""


def _prefill(speed: Speed, run: Run, prefill: Prefill | None) -> Prefill | None:
    if prefill is None:
        return None
    return replace(
        prefill,
        expected=_expected(speed, run, "prefill", prefill.prompts, prefill.prompt, prefill.past),
    )


def _expected(
    speed: Speed, run: Run, phase: Phase, batch: int, tokens: int, past: int = 0
) -> Expected | NoExpectation:
    where = f"{run.model} on {run.device.name}, {run.date:%Y-%m-%d}"
    found = expect_calibrated(
        calibration_of(run), where, phase, speed.roofline, batch, tokens, past, speed.routing
    )
    if isinstance(found, NoExpectation) or speed.model == run.model:
        return found
    other = f"; {speed.model} is another model than was calibrated, whose steps may lie outside the interval"
    return replace(found, words=found.words + other)
