"""What is claimed of a model, in parts: the statements, and the conditions under which they are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any, Literal, get_args

import msgspec

from moecalc.checks.claiming import figure as f
from moecalc.checks.claiming.figure import Figure, parse_figure
from moecalc.errors import InputError, suggestion
from moecalc.units import parse_tokens

Per = Literal["user", "gpu", "node", "all"]

_PRICE = re.compile(
    r"\$?\s*(?P<usd>-?[\d.,]+)\s*(?:(?:/|per)\s*(?:1\s*)?(?:m|million|mtok)\b\s*(?P<what>output|input)?(?:\s*tok(?:en)?s?)?)?",
    re.IGNORECASE,
)
_PEAK = re.compile(r"(?P<peak>.*\S)\s+(?P<format>fp32|tf32|bf16|fp16|fp8|fp4|int8)", re.IGNORECASE)
_RATE = re.compile(
    r"(?P<number>-?[\d.,_]+\s*(?:k|m|thousand|million)?)\s*"
    r"(?:tok(?:ens?)?/s(?:ec)?|t/s|tps|tok(?:ens?)? per sec(?:ond)?|)"
    r"(?:/(?P<per>user|gpu|node))?",
    re.IGNORECASE,
)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A claim in parts. What was not said is None."""

    model: str | None = None
    total: Figure | None = None
    active: Figure | None = None
    experts: int | None = None
    top_k: int | None = None
    context: int | None = None
    size: Figure | None = None
    """What weights take, or a file."""
    kv: Figure | None = None
    """Bytes of state per token."""
    quant: str | None = None
    gpu: str | None = None
    vram: Figure | None = None
    """Memory that it is said to run in."""
    ram: Figure | None = None
    """Memory beside the GPU's."""
    tokens_per_second: Figure | None = None
    per: Per | None = None
    """What the speed is of: a user, a GPU, a node of eight, or all sequences together."""
    batch: int | None = None
    speculative: bool = False
    ttft: Figure | None = None
    prompt: int | None = None
    price: Figure | None = None
    """USD per million tokens."""
    priced: Literal["output", "input"] = "output"
    peak: Figure | None = None
    peak_format: str | None = None
    bandwidth: Figure | None = None

    def __post_init__(self) -> None:
        if self.model is None and (self.experts is None) != (self.top_k is None):
            raise InputError(
                "how many experts there are and how many a token uses belong together",
                hint="say both: `128 experts, top-8`",
            )
        if self.experts is not None and self.top_k is not None and not 0 < self.top_k <= self.experts:
            raise InputError(f"top-{self.top_k} of {self.experts} experts cannot be", hint="e.g. top-2 of 8")

    @property
    def said(self) -> dict[str, Any]:
        """What was said, part by part."""
        said = {name: getattr(self, name) for name in self.__struct_fields__}
        if self.price is None:
            said.pop("priced")
        return {name: value for name, value in said.items() if value not in (None, False)}


PARTS = (
    *("model", "total", "active", "experts", "top_k", "context", "size", "kv", "quant", "gpu", "vram", "ram"),
    *("tokens_per_second", "per", "batch", "speculative", "ttft", "prompt", "price", "peak", "bandwidth"),
)
"""The names of the parts in a claims file."""


def make_claim(parts: Mapping[str, Any]) -> Claim:
    """A claim from texts by part, as options, a claims file and the sentence grammar give them. Raises InputError."""
    made: dict[str, Any] = {}
    for name, value in parts.items():
        if name not in PARTS:
            raise InputError(
                f"a claim has no part `{name}`", hint=suggestion(name, PARTS) or f"parts: {', '.join(PARTS)}"
            )
        if value is None:
            continue
        made |= _part(name, value)
    return Claim(**made)


def _part(name: str, value: Any) -> dict[str, Any]:
    if name == "speculative":
        if not isinstance(value, bool):
            raise InputError(f"`speculative` is `{value}`", hint="`true` or `false`")
        return {name: value}
    text = str(value).strip()
    if name in _SEVERAL:
        return _SEVERAL[name](text)
    return {name: _READERS[name](text)}


def _bytes(text: str) -> Figure:
    if re.fullmatch(r"[\d.,_]+\s*[kmgtKMGT]?", text) and not re.fullmatch(r"[\d.,_]+\s*[bB]", text):
        number = re.sub(r"[^\d.,_]", "", text)
        raise InputError(
            f"size `{text}` does not say its base",
            hint=f"type `{number}GiB` (powers of 1,024) or `{number}GB` (powers of 1,000)",
        )
    return parse_figure(text, f.BYTES, "a size in bytes", "24GB")


def _whole(name: str, text: str) -> int:
    plain = text.replace(",", "")
    if not plain.isdecimal() or len(plain) > 9 or int(plain) < 1:
        raise InputError(f"`{name}` is `{text}`", hint="a whole number from 1")
    return int(plain)


def _rate(text: str) -> dict[str, Any]:
    match = _RATE.fullmatch(text)
    if match is None:
        raise InputError(f"`{text}` is not a speed", hint="type tokens per second: `120`, `22.3k tok/s`")
    figure = parse_figure(match["number"].replace(" ", ""), f.RATES, "tokens per second", "120")
    figure = msgspec.structs.replace(figure, text=text)
    per = match["per"]
    return {"tokens_per_second": figure} | ({"per": per.lower()} if per else {})


def _price(text: str) -> dict[str, Any]:
    match = _PRICE.fullmatch(text)
    if match is None:
        raise InputError(f"`{text}` is not a price", hint="type USD per million tokens: `$0.60/M output`")
    figure = parse_figure(match["usd"], {"": 1}, "a price in USD per million tokens", "0.60")
    what = (match["what"] or "output").lower()
    figure = msgspec.structs.replace(figure, text=f"${match['usd']}/M {what}")
    return {"price": figure, "priced": what}


def _peak(text: str) -> dict[str, Any]:
    match = _PEAK.fullmatch(text)
    if match is None:
        raise InputError(f"`{text}` is not a peak", hint="say its format: `989 TFLOPS bf16`")
    figure = parse_figure(match["peak"], f.PEAKS, "a peak", "989 TFLOPS bf16")
    return {
        "peak": msgspec.structs.replace(figure, text=text),
        "peak_format": match["format"].lower(),
    }


def _per(text: str) -> str:
    if text not in get_args(Per):
        raise InputError(f"`per` is `{text}`", hint="a speed is per `user`, `gpu`, `node`, or of `all`")
    return text


def _of(units: Mapping[str, int | Fraction], what: str, example: str) -> Callable[[str], Figure]:
    return lambda text: parse_figure(text, units, what, example)


_READERS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("model", "gpu", "quant"), str),
    **dict.fromkeys(("total", "active"), _of(f.COUNTS, "a number of parameters", "46.7B")),
    **dict.fromkeys(("size", "vram", "ram", "kv"), _bytes),
    **{name: partial(_whole, name) for name in ("experts", "top_k", "batch")},
    **dict.fromkeys(("context", "prompt"), parse_tokens),
    "per": _per,
    "ttft": _of(f.SECONDS, "a time to the first token", "200ms"),
    "bandwidth": _of(f.BANDWIDTHS, "a bandwidth", "3.35TB/s"),
}
_SEVERAL: dict[str, Callable[[str], dict[str, Any]]] = {
    "tokens_per_second": _rate,
    "price": _price,
    "peak": _peak,
}
"""What a text says of more than one field."""


def seconds_text(seconds: Fraction | float) -> str:
    """Seconds as people read them: `3.1 ms`, `1.64 s`."""
    value = float(seconds)
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"
