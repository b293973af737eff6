"""A measured decode speed held against the ceiling: memory and model FLOPs utilization, and whether it can be.

MBU: bytes that had to be read over (time x peak bandwidth). MFU: FLOPs that the mathematics needs over (time x dense
peak), each matrix at the peak of its own format (Chowdhery et al. 2022, arXiv 2204.02311, appendix B, for inference).
"""

import re
from typing import Literal

import msgspec

from moecalc.calc.speed.roofline import StepTime
from moecalc.errors import InputError

_FIGURE = re.compile(
    r"(?P<number>\d+(?:[_,]\d{3})*(?:\.\d+)?)\s*(?P<unit>ms|s|(?:tok(?:ens?)?|t)/s)(?P<per>/(?:user|seq|gpu))?",
    re.IGNORECASE,
)

Verdict = Literal["possible", "above routing", "with speculation", "impossible"]


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """A measured figure as the seconds of one decode step, and what it says."""

    text: str
    step_seconds: float
    mbu: float
    """Of the bytes that a step reads under the routing assumption."""
    mbu_same_experts: float
    """Of those where all tokens of the step share their experts: no fewer can have been read."""
    mfu: float | None
    """None where no peak is known."""
    verdict: Verdict
    """above routing: faster than the routing assumption allows, not than tokens that share their experts do; with
    speculation: faster than one token a step allows, not than the speculation that was asked about."""


def step_seconds(text: str, batch: int, devices: int) -> float:
    """Seconds of a decode step that a typed figure means.

    `111tok/s` is of all sequences together, `111tok/s/user` of one, `111tok/s/gpu` of one device's part; `9ms` and
    `0.009s` are the time per output token of a sequence. Raises InputError for anything else, and for 0.
    """
    match = _FIGURE.fullmatch(text.strip())
    hint = "type `111tok/s` (all sequences), `27tok/s/user`, `13tok/s/gpu` or `9ms` (per output token)"
    if match is None:
        raise InputError(f"`{text}` is not a decode speed", hint=hint)
    number = float(match["number"].replace(",", "").replace("_", ""))
    unit, per = match["unit"].lower(), (match["per"] or "").lower()
    if number <= 0:
        raise InputError(f"`{text}` is no speed at all", hint=hint)
    if unit in {"ms", "s"}:
        if per:
            raise InputError(f"`{text}` is a time per user already", hint=hint)
        return number / 1000 if unit == "ms" else number
    return {"": batch, "/user": 1, "/seq": 1, "/gpu": batch / devices}[per] / number


def against(
    text: str,
    seconds: float,
    ceiling: StepTime,
    unconditional: StepTime,
    bounded: bool,
    stages: int = 1,
    speculative: float | None = None,
) -> Measured:
    """Hold a measured step against the ceilings. Utilization is that of all devices, the stages of a pipeline too.

    `speculative` are the seconds between two tokens of a sequence at the ceiling of speculative decoding.
    """
    verdict: Verdict = "possible"
    if seconds < unconditional.seconds:
        verdict = "impossible" if speculative is None or seconds < speculative else "with speculation"
    elif seconds < ceiling.seconds:
        verdict = "above routing"
    return Measured(
        text=text,
        step_seconds=seconds,
        mbu=float(ceiling.memory_seconds) / stages / seconds,
        mbu_same_experts=float(unconditional.memory_seconds) / stages / seconds,
        mfu=float(ceiling.compute_seconds) / stages / seconds if bounded else None,
        verdict=verdict,
    )
