"""docs/measurements.md: which published speed measurements are kept, which are not, and why."""

from collections import Counter
from collections.abc import Iterable

from moecalc.render.markdown import markdown_table
from moecalc.specs.measurements import (
    METRICS,
    REGIMES,
    Excluded,
    Measurement,
    excluded,
    folds,
    measurements,
    sources,
)
from tests.console import ROOT

PAGE = ROOT / "docs" / "measurements.md"

HEAD = """\
# Published speed measurements

What expectations of speed are fitted and judged on: figures that others published, in `moecalc/specs/data/measurements`
(columns: `moecalc/specs/measurements.py`). Left out were rows that do not say what they measured, or measured something
that no formula here describes; each has its reason, stated from the row or its source before anything was fitted, never
because of what an estimate says of it. Contradictions and repetitions among sources are kept, and noted in the rows.
Written by `python -m tests.regenerate`.
"""

READING = """\
## How to read a row

- Figures are per sequence, of all sequences, per device or per node, as their metric says. Output tokens are never
  input and output together.
- `context` is the mean number of keys that a timed token sees. llama-bench's `tg n` starts from an empty context, so
  its mean is n / 2; gpt-fast decodes 200 tokens behind a prompt of 5; of a served request it is the prompt and half of
  the output. `pp n` behind a depth has `past` cached tokens.
- A time to the first token without a queue is in `prefill-b1-*`; in `served` it contains the queue.
- GPUs, unified memory (GB10, Apple) and CPUs are told apart by the device's kind, not by the regime.
- Where a source runs a sibling of a catalogue model (MiniMax-M2.5, Kimi-K2.5, DeepSeek-V3.1), the row has the name of
  the model with the same shapes, and says so.
- Several rows of one regime can come from one machine and one afternoon: they are not independent, so errors are
  judged by leaving out whole models and whole devices (`folds.yaml`).
"""


def page() -> str:
    """The whole document."""
    rows = measurements()
    return "\n".join(
        [
            HEAD,
            f"{len(rows):,} kept, {len(excluded()):,} left out.\n",
            "## Regimes\n",
            _table(
                [
                    ["regime", "what was timed", "rows", "models", "devices", "engines"],
                    *_regimes(rows),
                ]
            ),
            "",
            "`models` and `devices` count the groups that are left out together.\n",
            "## Metrics\n",
            _table([["metric", "means", "rows"], *_metrics(rows)]),
            "",
            READING,
            "## Kept, by regime, engine and device\n",
            _table([["regime", "engine", "device", "models", "rows"], *_kept(rows)]),
            "",
            "## Left out\n",
            _table([["reason", "rows", "sources"], *_left_out(excluded())]),
            "",
            "## What is left out together\n",
            folds().rule + "\n",
            "Models of the same shapes: " + _groups(folds().models) + ".\n",
            "Devices of one product: " + _groups(folds().devices) + ".\n",
            "## Sources\n",
            _table([["source", "where", "kept", "left out", "note"], *_sources(rows)]),
            "",
        ]
    )


def _regimes(rows: tuple[Measurement, ...]) -> list[list[str]]:
    table = []
    for regime, means in REGIMES.items():
        of = [row for row in rows if row.regime == regime]
        left = folds().regimes[regime]
        counts = (str(len(of)), str(len(left.models)), str(len(left.devices)))
        table.append([f"`{regime}`", means, *counts, ", ".join(sorted({row.engine for row in of}))])
    return table


def _metrics(rows: tuple[Measurement, ...]) -> list[list[str]]:
    counts = Counter(row.metric for row in rows)
    return [[f"`{metric}`", means, str(counts[metric])] for metric, means in METRICS.items()]


def _kept(rows: tuple[Measurement, ...]) -> list[list[str]]:
    """One line for each regime, engine and device, with the number of rows of each model."""
    order = list(REGIMES)
    counts: dict[tuple[str, str, str], Counter[str]] = {}
    for row in rows:
        device = f"{row.device} + {row.host}" if row.host else row.device
        counts.setdefault((row.regime, row.engine, device), Counter())[row.model] += 1
    return [
        [f"`{regime}`", engine, device, _counted(models), str(models.total())]
        for (regime, engine, device), models in sorted(
            counts.items(), key=lambda item: (order.index(item[0][0]), item[0])
        )
    ]


def _left_out(rows: tuple[Excluded, ...]) -> list[list[str]]:
    by_reason: dict[str, list[Excluded]] = {}
    for row in rows:
        by_reason.setdefault(row.reason, []).append(row)
    ordered = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    return [
        [reason, str(len(of)), ", ".join(sorted({f"`{row.source}`" for row in of}))] for reason, of in ordered
    ]


def _sources(rows: tuple[Measurement, ...]) -> list[list[str]]:
    kept, gone = Counter(row.source for row in rows), Counter(row.source for row in excluded())
    table = []
    for key, source in sorted(sources().items()):
        when = ", ".join(said for said in (source.date, source.commit and f"`{source.commit[:12]}`") if said)
        where = f"{source.cite} ({when})" if when else source.cite
        table.append([f"`{key}`", where, str(kept[key]), str(gone[key]), source.note or ""])
    return table


def _counted(names: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(names.items()))


def _groups(groups: dict[str, tuple[str, ...]]) -> str:
    together = (" = ".join(names) for names in groups.values() if len(names) > 1)
    return "; ".join(together)


def _table(rows: Iterable[list[str]]) -> str:
    # The renderer sets all columns but the first to the right; words read better to the left.
    return markdown_table(list(rows)).replace(" ---: |", " --- |")
