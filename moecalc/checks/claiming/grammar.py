"""One sentence -> a claim in parts, by an explicit grammar, and the words that it has no rule for.

The longest run of words that is a model's name in the catalogue is the model. Then each production below takes its
text out of the sentence, in their order; what they leave is looked up as devices and quantizations, and what is left
after that is either filler or was not understood. A number that was not understood is an error: to judge the rest
would be to judge another claim. Nothing is guessed, and a part that is said twice is an error too.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from moecalc.checks.claiming.claim import Claim, make_claim
from moecalc.checks.claiming.names import NUMBERS, find_device, find_model, find_quantization
from moecalc.checks.claiming.productions import PRODUCTIONS, Made, Production
from moecalc.errors import InputError

LONGEST = 1000
"""Characters of a sentence; more is a document."""

FLAGS = re.compile(
    r"\b(?:with\s+)?(?:speculative(?:\s+decoding)?|mtp|eagle(?:-[23])?|medusa)\b", re.IGNORECASE
)

FILLER = frozenset(
    """
    a about achieves activated active all also an and any approximately are around as at be below bits but by cache
    can card cards claim claims consumer context costs decode decoded decodes decoding delivers does dollars each
    experts fit fits for from full generation gets given gpu gpus h has have hits host in inference input into is it its
    just kv language large length llm local locally machine measured memory mixture model models moe nearly needs node
    of on one only open or out output over parameter parameters params per price priced quantization quantized
    rack reaches roughly run running runs said server serves serving single size speed stream sub than that the
    their them they this throughput to token tokens total under unified up usd user uses using via vram weight
    weights which window with within
    """.split()  # noqa: SIM905 - a list would take a page
)
"""Words that say nothing by themselves."""

_WORD = re.compile(r"[^\s,;()]+")


class Reading(msgspec.Struct, frozen=True):
    """A sentence, read: the claim, and the words that no rule took."""

    claim: Claim
    not_understood: tuple[str, ...] = ()


def read_sentence(sentence: str) -> Reading:
    """Read a sentence.

    Raises InputError where a number in it, or all of it, was not understood, and where a part is said twice.
    """
    text = " ".join(sentence.split()).replace("≈", "~")
    if not text:
        raise InputError("the sentence is empty", hint=_EXAMPLE)
    if len(text) > LONGEST:
        raise InputError(f"the sentence has {len(text):,} characters", hint=f"at most {LONGEST:,}")
    parts: Made = {}
    text, model = find_model(text)
    if model is not None:
        parts["model"] = model
    if FLAGS.search(text):
        text = FLAGS.sub(_blank, text)
        parts["speculative"] = True
    for production in PRODUCTIONS:
        text = _take(production, text, parts)
    text = _look_up(text, "gpu", find_device, parts)
    text = _look_up(text, "quant", find_quantization, parts)
    left = [word.strip(".:!?'\"~") for word in _WORD.findall(text.replace("\0", " "))]
    unread = tuple(word for word in left if re.search(r"\w", word) and word.lower() not in FILLER)
    numbers = [word for word in unread if re.search(r"\d", word) or word.lower() in NUMBERS]
    if numbers:
        listed = ", ".join(f"`{word}`" for word in unread)
        raise InputError(f"not understood: {listed}", hint=_hint(numbers))
    if not parts:
        raise InputError(f"not understood: {', '.join(f'`{word}`' for word in unread)}", hint=_EXAMPLE)
    return Reading(make_claim(parts), unread)


_EXAMPLE = 'a sentence such as "Mixtral 8x22B, 39B active, int4 on 1x h100, 120 tok/s, $0.60/M output"'


def _hint(numbers: list[str]) -> str:
    if any(re.fullmatch(r"[\d.,]+x", word, re.IGNORECASE) for word in numbers):
        return "how two models compare says `moecalc compare A B`; a claim is about one"
    if any(re.fullmatch(r"[A-Za-z][\w.]*-[\w.-]*\d[\w.-]*", word) for word in numbers):
        return "`moecalc list` has the models that a sentence can name, one at a time; others with `--model`"
    if any(re.fullmatch(r"[\d.,]+[KMGTP]i?B", word, re.IGNORECASE) for word in numbers):
        return "say what takes so many bytes: `24 GB VRAM`, `43 GB on disk`, `64 GB RAM`"
    return f"leave them out, or say them as in {_EXAMPLE.removeprefix('a sentence such as ')}"


def _take(production: Production, text: str, parts: Made) -> str:
    found = production.pattern.search(text)
    while found is not None:
        _add(parts, production.parts(found), found.group().strip())
        text = text[: found.start()] + _blank(found) + text[found.end() :]
        found = production.pattern.search(text)
    return text


def _look_up(text: str, part: str, find: Callable[[str], tuple[str, str, str] | None], parts: Made) -> str:
    while (found := find(text)) is not None:
        text, value, said = found
        _add(parts, {part: value}, said)
    return text


def _add(parts: Made, made: Made, said: str) -> None:
    for part, value in made.items():
        if part in parts:
            if parts[part] == value:
                continue
            raise InputError(
                f"`{said}`: the sentence says `{part.replace('_', ' ')}` twice, {parts[part]} and {value}",
                hint="one claim has one of each: write two",
            )
        parts[part] = value


def _blank(match: re.Match[str]) -> str:
    return "\0" * len(match.group())
