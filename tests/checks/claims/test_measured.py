"""No speed that somebody measured comes out as impossible: of each kind the fastest row of the published ones."""

import pytest

from moecalc.api.claiming import claim
from moecalc.specs.measurements import measurements

PER = {"decode-per-user": "user", "decode": "all", "decode-per-node": "node", "output": "all"}
PER |= {"output-per-device": "gpu"}


def fastest():
    """By model, weights, devices, batch and metric the row that comes nearest to a ceiling; hybrids left out."""
    best = {}
    for row in measurements():
        if row.host is not None or row.metric.startswith("prefill"):
            continue
        speed = 1 / row.value if row.unit == "ms" else row.value
        key = row.model, row.weights, row.roles, row.device, row.devices, row.batch == 1, row.metric
        if key not in best or speed > best[key][0]:
            best[key] = speed, row
    return [row for _, row in best.values()]


def parts(row):
    """The row as a claim."""
    made = {"model": row.model, "gpu": f"{row.devices}x {row.device}"}
    if row.weights != "released" and not row.roles:
        made["quant"] = row.weights
    if row.metric == "ttft":
        return made | {"ttft": f"{row.value} ms", "prompt": row.prompt}
    if row.metric == "tpot":
        made |= {"tokens_per_second": f"{1000 / row.value:.6f}", "per": "user"}
    else:
        made |= {"tokens_per_second": f"{row.value:.6f}", "per": PER[row.metric]}
    return made | {"batch": row.batch, "context": None if row.context is None else int(row.context)}


@pytest.mark.parametrize("row", fastest(), ids=lambda row: row.id)
def test_what_was_measured_is_not_impossible(row):
    found = {finding.part: finding for finding in claim(parts=parts(row)).findings}
    speed = found["ttft" if row.metric == "ttft" else "tokens_per_second"]
    assert speed.verdict != "impossible", speed.arithmetic
    assert found["gpu"].verdict != "impossible", found["gpu"].arithmetic
