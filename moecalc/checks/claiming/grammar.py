"""One sentence -> a claim in parts, by an explicit grammar, and the words that it has no rule for.

The longest run of words that is a model's name in the catalogue is the model. Then each production below takes its
text out of the sentence, in their order; what they leave is looked up as devices and quantizations, and what is left
after that is either filler or was not understood. A number that was not understood is an error: to judge the rest
would be to judge another claim. Nothing is guessed, and a part that is said twice is an error too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from moecalc.checks.claiming.claim import Claim, make_claim
from moecalc.checks.claiming.names import NUMBERS, find_device, find_model, find_quantization
from moecalc.errors import InputError

LONGEST = 1000
"""Characters of a sentence; more is a document."""

_N = r"(?<![\w.,$-])~?(?P<n>-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)"
_COUNT = rf"{_N}\s*-?(?P<u>[KMBT]|bn|million|billion|trillion)(?![\w/])"
_BYTES = rf"{_N}\s*(?P<u>[KMGTP]i?B|bytes)(?![\w/])"
_TOKENS = rf"{_N}\s*(?P<u>[kM]i?)?"
_PARAMETERS = r"(?:\s+(?:parameters|params)\b)?"
_OF = r"(?:\s+of)?\s+"

Made = dict[str, Any]


class _Production(msgspec.Struct, frozen=True):
    """A pattern and the parts that its match says."""

    pattern: re.Pattern[str]
    parts: Callable[[re.Match[str]], Made]


def _rule(pattern: str, parts: Callable[[re.Match[str]], Made]) -> _Production:
    return _Production(re.compile(pattern, re.IGNORECASE), parts)


def _amount(part: str) -> Callable[[re.Match[str]], Made]:
    return lambda m: {part: f"{m['n']}{m['u'] or ''}"}


def _of_bytes(part: str) -> Callable[[re.Match[str]], Made]:
    return lambda m: {part: f"{m['n']}{m['u']}"}


_PER = {
    "user": ("user", "stream", "sequence", "request"),
    "gpu": ("gpu", "card", "device"),
    "node": ("node",),
}
_RATE = (
    rf"{_N}\s*(?P<u>k)?\s*(?:output\s+)?(?:tok(?:en)?s?\s*/\s*s(?:ec(?:ond)?)?|t/s|tps|tok(?:en)?s?\s+per\s+sec(?:ond)?)\b"
    r"(?:\s*(?:/|per)\s*(?P<per>user|stream|sequence|request|gpu|card|device|node)\b"
    r"|\s+(?P<single>single[ -](?:stream|user))|\s+(?P<all>in\s+total|overall|aggregate|altogether))?"
)


def _rate(match: re.Match[str]) -> Made:
    made = {"tokens_per_second": f"{match['n']}{match['u'] or ''} tok/s"}
    if match["single"]:
        made["per"] = "user"
    elif match["all"]:
        made["per"] = "all"
    elif match["per"]:
        made["per"] = next(name for name, words in _PER.items() if match["per"].lower() in words)
    return made


def _price(match: re.Match[str]) -> Made:
    return {"price": f"${match['n']}/M {(match['what'] or 'output').lower()}"}


_DOLLARS = r"\$\s*(?P<n>-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)"

PRODUCTIONS = (
    _rule(
        rf"{_DOLLARS}\s*(?:/|per)\s*(?:1\s*)?(?:million|mtok|m)\b\s*(?P<what>output|input)?(?:\s*tok(?:en)?s?\b)?",
        _price,
    ),
    _rule(_RATE, _rate),
    _rule(
        rf"{_N}\s*(?P<u>[GTP](?:FLOPS|FLOP/s|FLOPs/s|OPS|OP/s))\s+(?:of\s+|in\s+)?(?P<f>fp32|tf32|bf16|fp16|fp8|fp4|int8)\b",
        lambda m: {"peak": f"{m['n']} {m['u']} {m['f']}"},
    ),
    _rule(rf"{_N}\s*(?P<u>[GT]B/s)(?![\w/])", _of_bytes("bandwidth")),
    _rule(
        rf"(?:\bcache\s+(?:of\s+)?|\bkv\s+)?{_N}\s*(?P<u>[KMG]i?B|bytes)\s*(?:/|per)\s*token\b",
        _of_bytes("kv"),
    ),
    _rule(rf"{_N}\s*(?P<u>ms|s|seconds)\s+(?:ttft|to\s+(?:the\s+)?first\s+token)\b", _amount("ttft")),
    _rule(rf"\bttft{_OF.replace('+', '*')}{_N}\s*(?P<u>ms|s|seconds)\b", _amount("ttft")),
    _rule(rf"{_TOKENS}(?:[ -]tokens?)?[ -]prompts?\b", _amount("prompt")),
    _rule(rf"\bprompts?{_OF}{_TOKENS}\b(?:\s+tokens)?", _amount("prompt")),
    _rule(rf"{_TOKENS}(?:[ -]tokens?)?(?:\s+of)?[ -]context\b(?:\s+(?:length|window))?", _amount("context")),
    _rule(rf"\bcontext(?:\s+(?:length|window))?{_OF}{_TOKENS}\b(?:\s+tokens)?", _amount("context")),
    _rule(rf"\bbatch(?:\s+size)?{_OF}(?P<n>\d[\d,]*)\b", lambda m: {"batch": m["n"]}),
    _rule(
        r"(?<![\w.,$-])(?P<n>\d[\d,]*)\s+(?:concurrent\s+)?(?:sequences|users|streams)\b",
        lambda m: {"batch": m["n"]},
    ),
    _rule(r"(?<![\w.,$-])(?P<n>\d+)\s+experts\b", lambda m: {"experts": m["n"]}),
    _rule(r"\btop[- ]?(?P<n>\d+)\b", lambda m: {"top_k": m["n"]}),
    _rule(rf"{_BYTES}{_OF.replace('+', '*')}(?:system\s+|host\s+)?(?:dram|ram|ddr[45])\b", _of_bytes("ram")),
    _rule(rf"\b(?:weights?|checkpoint|file)(?:\s+(?:of|take|takes|is|are))?\s+{_BYTES}", _of_bytes("size")),
    _rule(rf"{_BYTES}{_OF}(?:weights|on\s+disk|disk|checkpoint|file|download)\b", _of_bytes("size")),
    _rule(rf"{_BYTES}\s+(?:on\s+disk|checkpoint|file|download)\b", _of_bytes("size")),
    _rule(
        rf"(?P<count>\b(?:{'|'.join(NUMBERS)})\b|\d+\s*x)?\s*{_BYTES}[ -](?:cards?|gpus?)\b",
        lambda m: {"vram": _cards(m["count"], m["n"], m["u"])},
    ),
    _rule(rf"{_BYTES}(?:\s+of)?\s+(?:vram|(?:gpu\s+|video\s+|unified\s+)?memory)\b", _of_bytes("vram")),
    _rule(
        rf"\b(?:fits?|runs?|needs?|requires?|vram|memory)(?:\s+(?:in|into|on|of))?\s+{_BYTES}(?:\s+(?:of\s+)?(?:vram|memory))?",
        _of_bytes("vram"),
    ),
    _rule(
        rf"{_N}(?P<u>[KMBT])-A(?P<a>\d+(?:\.\d+)?[KMBT])\b",
        lambda m: {"total": m["n"] + m["u"], "active": m["a"]},
    ),
    _rule(rf"\bactivat(?:es|ing)\s+(?:only\s+)?{_COUNT}{_PARAMETERS}", _amount("active")),
    _rule(
        rf"{_COUNT}(?:\s+(?:of\s+them|are))?\s+activ(?:e|ated)\b{_PARAMETERS}(?:\s+per\s+token)?",
        _amount("active"),
    ),
    _rule(rf"{_COUNT}(?:\s+(?:in\s+)?total\b)?{_PARAMETERS}(?:\s+in\s+total\b)?", _amount("total")),
)

FLAGS = re.compile(
    r"\b(?:with\s+)?(?:speculative(?:\s+decoding)?|mtp|eagle(?:-[23])?|medusa)\b", re.IGNORECASE
)

FILLER = frozenset(
    """
    a about activated active all also an and are as at be bits but by cache can card cards claim claims
    context decode decoded decodes decoding does each fit fits for from full gets gpu gpus has have in into is
    it its just kv large length llm memory model moe needs of on one only or out output parameters params per
    quantization quantized run running runs said single size speed stream than that the their them they this
    to token tokens total up user uses using via vram weight weights which with
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
    text = " ".join(sentence.split())
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
    if any(re.fullmatch(r"[\d.,]+[KMGTP]i?B", word, re.IGNORECASE) for word in numbers):
        return "say what takes so many bytes: `24 GB VRAM`, `43 GB on disk`, `64 GB RAM`"
    return f"leave them out, or say them as in {_EXAMPLE.removeprefix('a sentence such as ')}"


def _take(production: _Production, text: str, parts: Made) -> str:
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


def _cards(count: str | None, number: str, unit: str) -> str:
    if count is None:
        return f"{number}{unit}"
    many = NUMBERS.get(count.lower()) or int(re.sub(r"\D", "", count) or 1)
    return f"{number}{unit}" if many == 1 else f"{float(number.replace(',', '')) * many:g}{unit}"
