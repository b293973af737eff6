"""The productions of the sentence grammar: what an amount looks like, and which part of a claim it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from moecalc.checks.claiming.names import NUMBERS

_N = r"(?<![\w.,$-])~?(?P<n>-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)"
_COUNT = (
    rf"{_N}\s*-?(?P<u>[KMBT]|bn|million|billion|trillion)(?![\w/])"
    # of something else: `14.8T high-quality tokens`, `2.788M GPU hours`
    r"(?!(?:[\s,-]+(?!activ|param|total|model)[a-z-]+){0,4}[\s,-]+tokens\b)"
    r"(?![\s-]+(?:tok|gpu|hours?|steps?|users|requests|downloads|dollars|usd)\b)"
)
_BYTES = rf"{_N}\s*(?P<u>[KMGTP]i?B|bytes)(?![\w/])"
_SECONDS = rf"{_N}\s*(?P<u>ms|milliseconds?|s|sec|seconds?)\b"
_TOKENS = rf"{_N}\s*(?P<u>[kM]i?)?"
_PARAMETERS = r"(?:[\s-]+(?:parameters?|params?)\b)?"
_OF = r"(?:\s+of)?\s+"
_START = r"(?:^|[,;:(\0]|\b(?:and|with|has)\b)\s*"
_ONLY = r"(?:(?:only|just|about|roughly|approximately|around)\s+)*"
_EACH = r"(?:\s+(?:per|for\s+(?:each|every|any|a)(?:\s+given)?)\s+token)"

Made = dict[str, Any]


class Production(msgspec.Struct, frozen=True):
    """A pattern and the parts that its match says."""

    pattern: re.Pattern[str]
    parts: Callable[[re.Match[str]], Made]


def _rule(pattern: str, parts: Callable[[re.Match[str]], Made]) -> Production:
    return Production(re.compile(pattern, re.IGNORECASE), parts)


def _amount(part: str) -> Callable[[re.Match[str]], Made]:
    return lambda m: {part: f"{m['n']}{_unit(m['u'])}"}


def _unit(unit: str | None) -> str:
    """A unit behind its number: letters close up, a word stands apart."""
    return unit or "" if len(unit or "") <= 2 else f" {unit}"


def _of_bytes(part: str) -> Callable[[re.Match[str]], Made]:
    return lambda m: {part: f"{m['n']}{m['u']}"}


_PER = {
    "user": ("user", "stream", "sequence", "request"),
    "gpu": ("gpu", "card", "device"),
    "node": ("node",),
}
_RATE = (
    rf"{_N}\s*(?P<u>k|M|thousand|million)?\s*(?:output\s+|generated\s+)?(?:tok(?:en)?s?\s*/\s*s(?:ec(?:ond)?)?|t/s|tps|tok(?:en)?s?\s+per\s+sec(?:ond)?)\b"
    r"(?:\s*(?:/|per)\s*(?P<per>user|stream|sequence|request|gpu|card|device|node)\b"
    r"|\s+(?P<single>single[ -](?:stream|user))|\s+(?P<all>in\s+total|overall|aggregate|altogether))?"
)


def _rate(match: re.Match[str]) -> Made:
    made: Made = {"tokens_per_second": f"{match['n']}{_unit(match['u'])} tok/s"}
    if match["single"]:
        made["per"] = "user"
    elif match["all"]:
        made["per"] = "all"
    elif match["per"]:
        made["per"] = next(name for name, words in _PER.items() if match["per"].lower() in words)
    return made


def _price(match: re.Match[str]) -> Made:
    return {"price": f"${match['n']}/M {(match['what'] or match['last'] or 'output').lower()}"}


_MONEY = r"(?P<n>-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)"
_MILLION = (
    r"\s*(?:/|per)\s*(?:1\s*)?(?:million|mtok|m)\b\s*(?P<what>output|input)?(?:\s*tok(?:en)?s?\b)?"
    r"(?:\s+(?P<last>output|input)\b)?"
)

_EXPERTS = r"(?<![\w.,$-])(?P<k>\d{1,4})"


def _chosen(match: re.Match[str]) -> Made:
    return {"experts": match["n"], "top_k": match["k"]}


def _cards(count: str | None, number: str, unit: str) -> str:
    if count is None:
        return f"{number}{unit}"
    many = NUMBERS.get(count.lower()) or int(re.sub(r"\D", "", count) or 1)
    return f"{number}{unit}" if many == 1 else f"{float(number.replace(',', '')) * many:g}{unit}"


PRODUCTIONS = (
    _rule(rf"(?:\bsub-?|\bus)?\$\s*{_MONEY}{_MILLION}", _price),
    _rule(rf"(?<![\w.,$-]){_MONEY}\s*(?:usd|dollars?){_MILLION}", _price),
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
    _rule(rf"{_SECONDS}\s+(?:ttft|to\s+(?:the\s+)?first\s+token)\b", _amount("ttft")),
    _rule(
        rf"\b(?:ttft|time\s+to\s+(?:the\s+)?first\s+token)(?:\s+(?:of|is|in|at|below|under))*\s*{_SECONDS}",
        _amount("ttft"),
    ),
    _rule(rf"{_TOKENS}(?:[ -]tokens?)?[ -]prompts?\b", _amount("prompt")),
    _rule(rf"\bprompts?{_OF}{_TOKENS}\b(?:\s+tokens)?", _amount("prompt")),
    _rule(rf"{_TOKENS}(?:[ -]tokens?)?(?:\s+of)?[ -]context\b(?:\s+(?:length|window))?", _amount("context")),
    _rule(rf"\bcontext(?:\s+(?:length|window))?{_OF}{_TOKENS}\b(?:\s+tokens)?", _amount("context")),
    _rule(rf"\bbatch(?:\s+size)?{_OF}(?P<n>\d[\d,]*)\b", lambda m: {"batch": m["n"]}),
    _rule(
        r"(?<![\w.,$-])(?P<n>\d[\d,]*)\s+(?:concurrent\s+)?(?:sequences|users|streams)\b",
        lambda m: {"batch": m["n"]},
    ),
    _rule(rf"{_EXPERTS}\s+(?:of|out\s+of|from)\s+(?:the\s+)?(?P<n>\d+)\s+experts\b", _chosen),
    _rule(
        r"(?<![\w.,$-])(?P<n>\d+)\s+experts[\s,(]+(?:(?:with|and|of\s+which|where|choose|chooses)\s+)?"
        rf"{_EXPERTS}\s+(?:experts\s+)?(?:are\s+)?(?:active|activated|chosen|selected|used)\b(?:\s+per\s+token)?",
        _chosen,
    ),
    _rule(rf"(?<![\w.,$-])(?P<n>\d+)\s+experts\s+(?:and\s+)?chooses?\s+{_EXPERTS}\b", _chosen),
    _rule(r"(?<![\w.,$-])(?P<n>\d+)\s+experts\b", lambda m: {"experts": m["n"]}),
    _rule(r"\btop[- ]?(?P<n>\d+)\b", lambda m: {"top_k": m["n"]}),
    _rule(rf"{_BYTES}{_OF.replace('+', '*')}(?:system\s+|host\s+)?(?:dram|ram|ddr[45])\b", _of_bytes("ram")),
    _rule(rf"\b(?:weights?|checkpoint|file)(?:\s+(?:of|take|takes|is|are))?\s+{_BYTES}", _of_bytes("size")),
    _rule(rf"{_BYTES}{_OF}(?:weights|on\s+disk|disk|checkpoint|file|download)\b", _of_bytes("size")),
    _rule(rf"{_BYTES}\s+(?:on\s+disk|checkpoint|file|download)\b", _of_bytes("size")),
    _rule(
        rf"(?P<count>\b(?:{'|'.join(NUMBERS)})\b|(?<![\w.,$-])\d{{1,4}}(?=\s*x|\s))?"
        rf"\s*x?\s*{_BYTES}[ -](?:cards?|gpus?)\b",
        lambda m: {"vram": _cards(m["count"], m["n"], m["u"])},
    ),
    _rule(rf"{_BYTES}(?:\s+of)?\s+(?:vram|(?:gpu\s+|video\s+|unified\s+)?memory)\b", _of_bytes("vram")),
    _rule(
        r"\b(?:(?:fits?|runs?|needs?|requires?|vram|memory)(?:\s+(?:in|into|on|of|within|under|with))?|in|within)"
        rf"\s+{_ONLY}{_BYTES}(?:\s+(?:of\s+)?(?:vram|memory))?",
        _of_bytes("vram"),
    ),
    _rule(
        rf"{_N}(?P<u>[KMBT])-A(?P<a>\d+(?:\.\d+)?[KMBT])\b",
        lambda m: {"total": m["n"] + m["u"], "active": m["a"]},
    ),
    _rule(rf"{_START}total{_PARAMETERS}(?:\s+of|:)?\s+{_COUNT}{_PARAMETERS}", _amount("total")),
    _rule(rf"{_START}activ(?:e|ated){_PARAMETERS}(?:\s+of|:)?\s+{_COUNT}{_PARAMETERS}", _amount("active")),
    _rule(rf"\bactivat(?:es|ing)\s+{_ONLY}{_COUNT}{_PARAMETERS}{_EACH}?", _amount("active")),
    _rule(
        rf"{_COUNT}{_PARAMETERS}(?:\s+of\s+(?:them|which))?(?:\s+are)?\s+activ(?:e|ated)\b{_PARAMETERS}{_EACH}?",
        _amount("active"),
    ),
    _rule(rf"(?:\bus(?:es|ing)\s+)?{_ONLY}{_COUNT}{_PARAMETERS}{_EACH}", _amount("active")),
    _rule(rf"{_COUNT}(?:\s+(?:in\s+)?total\b)?{_PARAMETERS}(?:\s+in\s+total\b)?", _amount("total")),
)
"""In their order: what one takes, the later ones do not see."""
