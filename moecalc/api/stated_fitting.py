"""`fit` of a model of which only counts are known: its weights over all devices together."""

from fractions import Fraction

from moecalc.api.engine_rules import share_of
from moecalc.api.model import StatedModel
from moecalc.calc.deploy.stated_fit import StatedFit
from moecalc.errors import UndeterminedError
from moecalc.specs.engines import find_engine
from moecalc.specs.fleet import Fleet


def fit_stated(
    model: StatedModel,
    fleet: Fleet,
    *,
    quant: str | None = None,
    gpu_memory_utilization: Fraction | float | None = None,
) -> StatedFit:
    """Hold what is said of a model's size against devices.

    Raises InputError for a quantization, which needs shapes; UndeterminedError where no size is said, or the memory of
    a device is not known.
    """
    report = model.report(model.workload(), quant=quant)
    weights = report["weights.bytes"]
    if weights.value is None and weights.low is None and weights.high is None:
        raise UndeterminedError(
            f"nobody said how many parameters `{model.name}` has",
            hint=f"`moecalc show {model.name}` prints what is known",
        )
    return StatedFit(
        model=model.name,
        source=model.source,
        fleet=fleet,
        weights=weights,
        utilization=float(share_of(gpu_memory_utilization, find_engine("generic"))),
        warnings=model.warnings,
    )
