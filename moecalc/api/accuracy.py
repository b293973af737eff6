"""`accuracy`: how far expected speeds are off published measurements that the fits had not seen."""

from moecalc.calc.speed.accuracy import Accuracy, Known, accuracy_of
from moecalc.specs.expectations import ceilings, left_out
from moecalc.specs.measurements import folds, measurements


def accuracy(runs: str | None = None) -> Accuracy:
    """The errors of what is stored, against the measurements; `runs` is a folder of run files to fold in.

    Raises InputError for run files that cannot be read.
    """
    groups = folds()
    models = {name: group for group, names in groups.models.items() for name in names}
    devices = {name: group for group, names in groups.devices.items() for name in names}
    known = {
        m.id: Known(m.regime, models[m.model], devices[m.device], m.source, m.engine, m.metric)
        for m in measurements()
    }
    found = accuracy_of(left_out(), ceilings(), known)
    if runs is None:
        return found
    from moecalc.api.stored_runs import stored_runs
    from moecalc.calc.speed.profiled import ceilings_of, profiled

    stored = stored_runs(runs).runs
    return Accuracy(
        regimes=(*found.regimes, *profiled(stored)),
        ceilings=(*found.ceilings, *ceilings_of(stored)),
        not_held=found.not_held,
    )
