"""A whole claim, part by part."""

from __future__ import annotations

from typing import Any

import msgspec

from moecalc.checks.claiming.claim import Claim
from moecalc.checks.claiming.counts import judge_counts
from moecalc.checks.claiming.device import is_only_of_devices, judge_device, judge_memory
from moecalc.checks.claiming.experts import judge_experts
from moecalc.checks.claiming.finding import VERDICTS, Finding, Verdict
from moecalc.checks.claiming.memory import judge_gpu, judge_kv, judge_size, judge_vram
from moecalc.checks.claiming.price import judge_price
from moecalc.checks.claiming.region import Region, region
from moecalc.checks.claiming.speed import judge_speed, judge_ttft
from moecalc.checks.claiming.subject import Subject
from moecalc.errors import EXIT_CHECK_FAILED, EXIT_OK, EXIT_UNDETERMINED
from moecalc.specs.fleet import Fleet


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A claim with the verdicts on its statements."""

    claim: Claim
    findings: tuple[Finding, ...]
    sentence: str | None = None
    name: str | None = None
    model: str | None = None
    """The model it was held against; None where none was named."""
    not_understood: tuple[str, ...] = ()
    region: Region | None = None
    line: int | None = None
    """Of the claims file."""

    @property
    def worst(self) -> Verdict | None:
        """The worst verdict; None where nothing was stated."""
        found = {finding.verdict for finding in self.findings}
        return next((verdict for verdict in VERDICTS if verdict in found), None)

    def exit_code(self, *, strict: bool = False, require: bool = False) -> int:
        """1 where a statement is impossible (`strict`: or inconsistent), else 3 where `require` meets an open one."""
        found = {finding.verdict for finding in self.findings}
        if "impossible" in found or (strict and "inconsistent" in found):
            return EXIT_CHECK_FAILED
        return EXIT_UNDETERMINED if require and ("undetermined" in found or not found) else EXIT_OK

    def to_dict(self) -> dict[str, Any]:
        """The claim as JSON has it."""
        return {
            "name": self.name,
            "sentence": self.sentence,
            "model": self.model,
            "understood": {
                part: value.to_dict() if hasattr(value, "to_dict") else value
                for part, value in self.claim.said.items()
            },
            "not_understood": list(self.not_understood),
            "verdict": self.worst,
            "findings": [finding.to_dict() for finding in self.findings],
            "region": None if self.region is None else self.region.to_dict(),
        }


def judge(claim: Claim, subject: Subject, fleet: Fleet | None) -> tuple[Finding, ...]:
    """Every statement of a claim about a subject on a fleet (None: no device was named)."""
    found = list(judge_counts(claim, subject))
    found += judge_experts(claim, subject)
    found += _context(claim, subject)
    found += judge_size(claim, subject)
    found += judge_kv(claim, subject)
    if is_only_of_devices(claim):
        found += judge_memory(claim, fleet)
    else:
        found += judge_vram(claim, subject)
        found += judge_gpu(claim, subject, fleet)
    found += judge_speed(claim, subject, fleet)
    found += judge_ttft(claim, subject, fleet)
    found += judge_price(claim, subject, fleet)
    found += judge_device(claim, fleet)
    return tuple(found)


def region_of(claim: Claim, subject: Subject, fleet: Fleet | None) -> Region | None:
    """What total and active may be, where they are not known and something was said of a model."""
    return None if is_only_of_devices(claim) else region(claim, subject, fleet)


def _context(claim: Claim, subject: Subject) -> list[Finding]:
    if claim.context is None:
        return []
    stated = f"{claim.context:,} tokens"
    if subject.trained is None:
        if claim.model is None:
            return []
        return [
            Finding(
                part="context",
                stated=stated,
                verdict="undetermined",
                arithmetic="the trained length is not known",
            )
        ]
    holds = claim.context <= subject.trained
    decimal = "" if holds else _in_thousands(claim.context, subject.trained)
    return [
        Finding(
            part="context",
            stated=stated,
            verdict="holds" if holds else "holds under" if decimal else "inconsistent",
            convention=decimal,
            computed=float(subject.trained),
            margin=claim.context / subject.trained,
            arithmetic=f"trained for {subject.trained:,} tokens",
        )
    ]


def _in_thousands(context: int, trained: int) -> str:
    """The convention under which `262k` is 262,000 and within a trained length of 262,144; nothing where it is not."""
    for binary, thousands, unit in ((2**20, 10**6, "M"), (2**10, 10**3, "k")):
        whole, rest = divmod(context, binary)
        if not rest and whole * thousands <= trained:
            return f"{unit} read as {thousands:,}"
    return ""
