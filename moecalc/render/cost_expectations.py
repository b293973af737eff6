"""What stands behind the expectations that `cost` prints, and why there is none where it prints a dash."""

from collections.abc import Iterator

from moecalc.calc.cost.cost import Cost
from moecalc.calc.cost.request import SERVED
from moecalc.calc.speed.expectation import Expected, NoExpectation


def expectation_words(cost: Cost) -> list[str]:
    """What stands behind each expectation, or why there is none; said once where they agree."""
    named = [("output", cost.output)] + ([("input", cost.input)] if cost.input else [])
    found_by = {what: pace.expectation for what, pace in named}
    if cost.output.served is not None:
        found_by["output served, as many tokens in as out"] = cost.output.served
    if cost.request is not None:
        behind = cost.request.time.expectations
        found_by |= {name: behind[name] for name in behind if name != SERVED or cost.request.pools == 1}
        if cost.request.pools == 2 and cost.request.usd.expected is None:
            lacking = [name for name in behind if name != SERVED and isinstance(behind[name], NoExpectation)]
            missing = f"{' and '.join(lacking)} {'have' if len(lacking) > 1 else 'has'} none"
            found_by["the request in two pools"] = NoExpectation(missing)
    reasons = {found.reason for found in found_by.values() if isinstance(found, NoExpectation)}
    found_by |= {what: found for what, found in _of_the_curve(cost) if found.reason not in reasons}
    by_words: dict[str, list[str]] = {}
    for what, found in found_by.items():
        words = (
            f"no expectation of {{}}: {found.reason}"
            if isinstance(found, NoExpectation)
            else f"expected {{}}: {found.words}"
        )
        by_words.setdefault(words, []).append(what)
    return [
        words.replace("{}", " and ".join([*filter(None, [", ".join(whats[:-1])]), whats[-1]]), 1)
        for words, whats in by_words.items()
    ]


def _of_the_curve(cost: Cost) -> Iterator[tuple[str, NoExpectation]]:
    """Why cells of the curve are empty whose neighbours are not."""
    for what, row in (
        ("output", [(pace.tokens, pace.expectation) for pace in cost.curve]),
        ("output served", [(pace.tokens, pace.served) for pace in cost.curve]),
    ):
        if not any(isinstance(found, Expected) for _, found in row):
            continue
        lacking: dict[NoExpectation, list[int]] = {}
        for batch, found in row:
            if isinstance(found, NoExpectation):
                lacking.setdefault(found, []).append(batch)
        for found, batches in lacking.items():
            yield f"{what} at batch {', '.join(f'{batch:,}' for batch in batches)}", found
