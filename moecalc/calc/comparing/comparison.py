"""Models side by side on one kind of accelerator: the data behind `compare`, before anything is laid out."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.calc.comparing.curve import Cell, batches, cell, stated_cell
from moecalc.calc.comparing.deployment import Deployment, Device
from moecalc.calc.comparing.finding import Finding
from moecalc.calc.comparing.verdict import Subject, pair_findings, sentences
from moecalc.report import Line, ModelReport, Report
from moecalc.specs.workload import Workload


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One model in a comparison: its lines, what is known for a verdict, its cost at each batch column."""

    name: str
    report: ModelReport
    subject: Subject
    cells: tuple[Cell, ...]

    @property
    def gpus(self) -> int | None:
        """The devices that it is compared on: the number named, else the fewest; None where that cannot be known."""
        return self.subject.placed.gpus if self.subject.placed else None

    @property
    def peak_format(self) -> str | None:
        """The arithmetic whose dense peak bounds its compute; None without a deployment."""
        return self.subject.smallest.device.peak_format if self.subject.smallest else None


class ComparisonData(msgspec.Struct, frozen=True, kw_only=True):
    """All entries, the device and workload they share, and the sentences that follow. Ratios refer to the first."""

    entries: tuple[Entry, ...]
    workload: Workload
    device: Device
    columns: tuple[int, ...]
    findings: tuple[Finding, ...]
    """Where the first is dearer or cheaper than each other, and why; the sentences say the same in words."""
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    equal_kv: bool
    utilization: Fraction
    named_gpus: int | None = None
    """The devices that all models stand on; None: each on its fewest."""
    routing_words: str = "uniform"
    """How tokens are taken to choose their experts."""

    def to_report(self) -> Report:
        """The comparison as a report, with the cost curve beside the lines."""
        return Report(
            command="compare",
            models=tuple(entry.report for entry in self.entries),
            defaults=self.defaults(),
            warnings=self.warnings,
            extra={
                "device": msgspec.to_builtins(self.device),
                "cost_curve": [
                    {
                        "name": entry.name,
                        "gpus": entry.gpus,
                        "peak_format": entry.peak_format,
                        "cells": msgspec.to_builtins(entry.cells),
                    }
                    for entry in self.entries
                ],
                "cost_verdicts": msgspec.to_builtins(self.findings),
                "sentences": list(self.sentences),
            },
        )

    def defaults(self) -> dict[str, Any]:
        """What was assumed, for the report."""
        assumed: dict[str, Any] = {
            "context": self.workload.context,
            "convention": self.workload.convention,
            "routing": self.routing_words,
            "utilization": float(self.utilization),
            "sharding": "ideal: bytes and FLOPs split evenly, communication free",
        }
        if self.equal_kv:
            assumed["state"] = f"that of {self.entries[0].name} for all"
        return assumed


def entries(subjects: Sequence[Subject], reports: Sequence[ModelReport], workload: Workload) -> list[Entry]:
    """Each model's report with what its deployment adds, and its cost at the batches worth a column."""
    columns = columns_for(subjects)
    return [
        Entry(
            name=subject.name,
            report=msgspec.structs.replace(
                report, lines=(*report.lines, *_deployment_lines(subject, workload))
            ),
            subject=subject,
            cells=_cells(subject, columns),
        )
        for subject, report in zip(subjects, reports, strict=True)
    ]


def _cells(subject: Subject, columns: Sequence[int]) -> tuple[Cell, ...]:
    if subject.deployment is not None:
        return tuple(cell(subject.deployment, column) for column in columns)
    if subject.placed is not None:
        return tuple(stated_cell(subject.placed, column) for column in columns)
    return ()


def columns_for(subjects: Sequence[Subject]) -> list[int]:
    """The batch sizes worth a column for these subjects."""
    return batches([subject.deployment for subject in subjects if subject.deployment])


def findings_of(subjects: Sequence[Subject]) -> tuple[Finding, ...]:
    """What follows for each pair of the first and another."""
    first, *others = subjects
    return tuple(finding for other in others for finding in pair_findings(first, other))


def verdicts(subjects: Sequence[Subject], equal_kv: bool) -> tuple[str, ...]:
    """The computed sentences."""
    return tuple(sentences(subjects, equal_kv))


def _deployment_lines(subject: Subject, workload: Workload) -> list[Line]:
    smallest: Deployment | None = subject.smallest
    holds_state = smallest is not None and smallest.demand.state_bytes(workload.context) is not None
    return [
        Line(
            id="fit.gpus",
            label="fewest devices that hold it",
            value=smallest.gpus if smallest else None,
            unit="devices",
            basis="estimate",
            formula="(weights + state) / usable bytes, rounded up",
            note=f"batch {workload.batch:,} at {workload.context:,} tokens"
            if holds_state
            else "weights alone: the state is not known",
        ),
        Line(
            id="fit.max_sequences",
            label="sequences they hold",
            value=subject.placed.capacity if subject.placed and holds_state else None,
            unit="sequences",
            basis="estimate",
            note=f"at {workload.context:,} tokens" + (f" on {subject.named.gpus:,}" if subject.named else ""),
        ),
    ]
