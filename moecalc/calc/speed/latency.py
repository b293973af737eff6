"""The latency floor of a decode step: what is expected of it beside bytes and arithmetic, however small the batch.

The sum of the fitted terms that neither bandwidth nor arithmetic shortens: a time for each layer, for each operation,
for each exchange between ranks, for each sequence, for each pass that reads a prompt in between (`expectation`). Small
batches on many devices run into it. Only where something is expected: no coefficient is made up.
"""

from typing import cast

from moecalc.calc.speed.expectation import Expected, NoExpectation, decode_terms, requests_of
from moecalc.calc.speed.roofline import Roofline
from moecalc.calc.speed.traffic import Routing
from moecalc.specs.expectations import EngineClass, Term, fit, hardware_of, known

LATENCIES: frozenset[Term] = frozenset(
    {"layers", "operations", "exchanges", "dispatches", "passes", "sequences", "scheduling"}
)


def latency_seconds(
    roofline: Roofline,
    batch: int,
    context: int,
    expected: Expected | NoExpectation,
    requests: tuple[int, int] | None = None,
) -> float | None:
    """Seconds of an expected decode step that are latency; None where nothing is expected.

    `requests` are the tokens of prompt and answer under continuous batching; None: those of `requests_of`.
    """
    if isinstance(expected, NoExpectation):
        return None
    device = known(roofline.machines[0].name)
    hardware = hardware_of(device) if device else None
    chosen = fit("decode", cast("EngineClass", expected.engine_class))
    if chosen is None or hardware is None:
        return None
    lengths = (requests or requests_of(context)) if expected.regime == "served" else None
    terms = decode_terms(roofline, batch, context, Routing(chosen.overlap), lengths)
    return float(
        sum(
            entry.value * terms[entry.term]
            for entry in chosen.coefficients
            if entry.term in LATENCIES and entry.holds_on(hardware)
        )
    )
