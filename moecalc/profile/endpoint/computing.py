"""What the calculator says of a served level, held beside what was measured of it."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from moecalc.api.speed import speed
from moecalc.calc.speed.expectation import Expected, NoExpectation, expect_decode
from moecalc.calc.speed.speed import Speed
from moecalc.calc.speed.traffic import SHARED
from moecalc.specs.endpoint_run import Against, Bound, Level
from moecalc.specs.fleet import Fleet


class Computed(msgspec.Struct, frozen=True, kw_only=True):
    """A model on devices, as `speed` computes it for any number of sequences, context and prompt."""

    at: Callable[[int, int, int], Speed]
    """(sequences, context, prompt) -> speed."""

    def names(self, prompt: int) -> dict[str, str]:
        """What it is that a run is held against."""
        found = self.at(1, prompt + 1, prompt)
        return {
            "like": found.model,
            "fleet": found.fleet.describe(),
            "plan": found.plan.words,
            "precision": found.precision,
        }

    def notes(self, prompt: int) -> Iterable[str]:
        """What must be known of the comparison."""
        if self.at(1, prompt + 1, prompt).touched_share is not None:
            yield (
                "prompts repeat one word, so their tokens choose experts more alike than those of real text: "
                "TTFT may be shorter than it would be"
            )

    def against(self, level: Level, prompt: int, output: int) -> Against:
        """The same for a level; `prompt` and `output` stand in where the server counted no tokens.

        A decode step is computed with the prompt and half of the answer as keys: the mean over the answer. One request
        at a time is a single sequence; several are continuous batching, with prompts read between the steps. A first
        token is expected of a request that waits for no other, so at concurrency 1 only. Ceilings are those of tokens
        that share their experts: uniform routing is an average, and these tokens are alike.
        """
        prompt = level.prompt_length or prompt
        output = level.output_length or output
        context = prompt + max(1, output // 2)
        found = self.at(level.concurrency, context, prompt)
        alone = level.concurrency == 1
        return Against(
            context=context,
            prompt=prompt,
            tpot=_bound(
                float(found.decode.unconditional.seconds),
                found.decode.expected if alone or found.hybrid else _served(found, prompt, output),
            ),
            ttft=_first(found, alone=alone),
        )


def computed(model: Any, fleet: Fleet, **options: Any) -> Computed:
    """As `speed(model, fleet, **options)` says it, whatever the sizes."""

    def at(sequences: int, context: int, prompt: int) -> Speed:
        return speed(model, fleet, batch=sequences, context=context, prompt=prompt, **options)

    return Computed(at=at)


def _served(found: Speed, prompt: int, output: int) -> Expected | NoExpectation:
    decode = found.decode
    return expect_decode(
        found.roofline,
        decode.batch,
        decode.context,
        engine=found.engine,
        served=True,
        prompt=prompt,
        output=output,
    )


def _first(found: Speed, *, alone: bool) -> Bound:
    if found.first is None:
        return Bound(reason="the devices' arithmetic peak is not known")
    ceiling = found.first.ceiling
    if not found.hybrid:
        ceiling = found.roofline.prefill(found.first.prompt, 1, 0, SHARED)
    expected = found.first.expected if alone else NoExpectation("requests wait for each other")
    return _bound(float(ceiling.seconds), expected)


def _bound(ceiling: float | None, expected: Expected | NoExpectation) -> Bound:
    if isinstance(expected, NoExpectation):
        return Bound(ceiling_seconds=ceiling, reason=expected.reason)
    return Bound(
        ceiling_seconds=ceiling,
        expected_seconds=expected.seconds,
        low_seconds=expected.low_seconds,
        high_seconds=expected.high_seconds,
    )
