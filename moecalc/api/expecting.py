"""What is expected of the points of a sweep: of decoding, of a prompt alone, and which part of a step is latency."""

import msgspec

from moecalc.calc.speed.expectation import Expected, NoExpectation, expect_decode, expect_prefill
from moecalc.calc.speed.latency import latency_seconds
from moecalc.calc.speed.sweep import Point


class Expecting:
    """Adds what is expected: of several sequences under continuous batching first, or decoding alone first."""

    def __init__(self, engine: str, first: int, prompt: int | None, served: bool) -> None:
        """`first` is the prompt of a request alone; `prompt` None that of which the context is the middle of decoding.

        `served` asks for continuous batching first.
        """
        self.engine = engine
        self._first = first
        self._prompt = prompt
        self._order = (True, False) if served else (False, True)
        self._prefills: dict[int, Expected | NoExpectation] = {}

    def __call__(self, point: Point) -> Point:
        """The point with both expectations; as it is where it has them."""
        if point.expected is not None:
            return point
        bound = point.on.roofline
        found = {}
        for disturbed in self._order if point.batch > 1 else (False,):
            found[disturbed] = expect_decode(
                bound,
                point.batch,
                point.context,
                engine=self.engine,
                served=disturbed,
                prompt=self._prompt,
            )
            if isinstance(found[disturbed], Expected):
                break
        # Where neither fit answers, the reason is that of continuous batching, which answers for the points beside it.
        known = (one for one in found.values() if isinstance(one, Expected))
        decode = next(known, None) or found[point.batch > 1]
        key = id(bound)  # the points hold it as long as this is asked
        if key not in self._prefills:
            self._prefills[key] = expect_prefill(bound, self._first, 1, engine=self.engine)
        return msgspec.structs.replace(point, expected=decode, expected_ttft=self._prefills[key])


def with_latency(point: Point) -> Point:
    """With the part of the expected step that is latency."""
    expected = point.expected
    if expected is None or isinstance(expected, NoExpectation):
        return point
    found = latency_seconds(point.on.roofline, point.batch, point.context, expected)
    return msgspec.structs.replace(point, latency_seconds=found)
