"""What a budget measures: a friendly name or a line id, with settings behind an `@`.

total    active    weights@q4_k_m    vram@32k,kv=fp8    kv/token    flops/token@8k    fits@32k    params.mtp
"""

import re

import msgspec

from moecalc.errors import InputError, did_you_mean
from moecalc.units import parse_tokens


class Kind(msgspec.Struct, frozen=True):
    """A figure that can be limited: its line, its unit, and whether it models reality."""

    line: str
    unit: str
    """parameters, bytes, elements, FLOPs, tokens/s, seconds, dollars, watt-hours, grams, share, count or fleet."""
    estimate: bool = False
    """Whether the figure may change with moecalc's data: prices, coefficients, what runtimes take."""

    @property
    def needs_devices(self) -> bool:
        """Whether it is a figure of a model on devices."""
        return self.line.startswith(("speed.", "cost.", "energy.", "experts."))


FRIENDLY: dict[str, Kind] = {
    "total": Kind("params.total", "parameters"),
    "active": Kind("params.active.all", "parameters"),
    "routed": Kind("params.routed", "parameters"),
    "weights": Kind("weights.bytes", "bytes"),
    "state": Kind("state.bytes", "bytes"),
    "kv": Kind("state.bytes", "bytes"),
    "kv/token": Kind("state.bytes_per_token", "bytes"),
    "vram": Kind("budget.vram_bytes", "bytes"),
    "flops/token": Kind("flops.decode_per_token", "FLOPs"),
    "prefill flops": Kind("flops.prefill", "FLOPs"),
    "prefill flops/token": Kind("flops.prefill_per_token", "FLOPs"),
    "fits": Kind("fit.fits", "fleet", estimate=True),
    "decode tok/s": Kind("speed.decode.expected_tokens_per_second", "tokens/s", estimate=True),
    "decode ceiling tok/s": Kind("speed.decode.ceiling_tokens_per_second", "tokens/s", estimate=True),
    "prefill tok/s": Kind("speed.prefill.expected_tokens_per_second", "tokens/s", estimate=True),
    "ttft": Kind("speed.ttft_seconds", "seconds", estimate=True),
    "cost/Mtok": Kind("cost.output_usd_per_million_tokens", "dollars", estimate=True),
    "input cost/Mtok": Kind("cost.input_usd_per_million_tokens", "dollars", estimate=True),
}
"""What people type -> the line that is meant. `vram` is weights and state on one device, and the allowance that the
file gives a runtime."""

_LINE_UNITS = {
    "params.": "parameters",
    "weights.": "bytes",
    "checkpoint.": "bytes",
    "state.elements": "elements",
    "state.": "bytes",
    "flops.": "FLOPs",
}
"""Units of line ids that have no friendly name, by their beginning."""

_ESTIMATE_UNITS = {
    "_share": "share",
    "_tokens_per_second": "tokens/s",
    "_tokens_per_second_per_user": "tokens/s",
    ".expected_low": "tokens/s",
    ".expected_high": "tokens/s",
    "_seconds": "seconds",
    "_usd_per_million_tokens": "dollars",
    "_usd_per_hour": "dollars",
    "_usd": "dollars",
    "_watt_hours_per_million_tokens": "watt-hours",
    "_grams_co2_per_million_tokens": "grams",
}
"""Units of the lines of speed and cost, by their end."""

_TOKENS = re.compile(r"\d[\d_]*(\.\d+)?\s*([kKmM]i?)?")

KEYS = {
    "context": "context",
    "prompt": "prompt",
    "batch": "batch",
    "quant": "quant",
    "kv": "kv_dtype",
    "gpu": "gpu",
}
"""Settings that can be named: `batch=16`, `kv=fp8`."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Under which a figure is taken; None is moecalc's own default."""

    context: int | None = None
    prompt: int | None = None
    batch: int | None = None
    quant: str | None = None
    kv_dtype: str | None = None
    gpu: str | None = None

    @property
    def quant_name(self) -> str | None:
        """The quantization, None for weights as released."""
        return None if self.quant is None or self.quant.strip().lower() == "released" else self.quant

    def over(self, other: "Settings") -> "Settings":
        """These, and the other's where nothing is set here."""
        own = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(other, **own)


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure with its own settings, as it was typed."""

    text: str
    kind: Kind
    settings: Settings = Settings()


def parse_measure(text: str) -> Measure:
    """The figure that a limit's name means.

    Settings are a context (`32k`), a quantization (`q4_k_m`) or devices (`8xh100`), in any order, or named ones
    (`batch=16`). Raises InputError for a name that is no figure's, with the nearest, for a setting given twice, and
    for devices where the figure has none.
    """
    name, _, settings = text.strip().partition("@")
    kind = find_kind(name.strip())
    chosen: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in settings.split(","))):
        field, value = _setting(part)
        if field in chosen:
            raise InputError(
                f"`{text}` names {field} twice", hint=f"keep one of `{chosen[field]}` and `{part}`"
            )
        chosen[field] = value
    if "gpu" in chosen and not kind.needs_devices:
        raise InputError(
            f"`{name.strip()}` is not of devices, and `{text}` names some",
            hint=f"write `fits: {chosen['gpu']}` for whether they hold the model",
        )
    return Measure(text=text.strip(), kind=kind, settings=Settings(**chosen))  # type: ignore[arg-type] # see _setting


def find_kind(name: str) -> Kind:
    """What a friendly name or a line id measures. Raises InputError with the nearest names."""
    folded = {known.casefold(): kind for known, kind in FRIENDLY.items()}
    found = folded.get(" ".join(name.split()).casefold())
    if found is not None:
        return found
    known_lines = {kind.line: kind for kind in FRIENDLY.values()}
    if name in known_lines:
        return known_lines[name]
    for beginning, unit in _LINE_UNITS.items():
        if name.startswith(beginning) or name == beginning:
            return Kind(name, unit)
    if name.startswith(("speed.", "cost.", "energy.", "experts.")):
        for end, unit in _ESTIMATE_UNITS.items():
            if name.endswith(end):
                return Kind(name, unit, estimate=True)
    near = did_you_mean(name, [*FRIENDLY, *known_lines], n=2)
    words = " or ".join(f"`{word}`" for word in near)
    raise InputError(
        f"unknown limit `{name}`",
        hint=f"did you mean {words}?" if near else f"limits: {', '.join(FRIENDLY)}, or a line id of `--json`",
    )


def _setting(part: str) -> tuple[str, object]:
    key, equals, value = (word.strip() for word in part.partition("="))
    if equals:
        if key not in KEYS:
            near = did_you_mean(key, KEYS, n=1)
            raise InputError(
                f"unknown setting `{key}`",
                hint=f"did you mean `{near[0]}={value}`?" if near else f"settings: {', '.join(KEYS)}",
            )
        return KEYS[key], _value(key, value)
    if _TOKENS.fullmatch(part):
        return "context", parse_tokens(part)
    if is_quantization(part):
        return "quant", part
    if _names_devices(part):
        return "gpu", part
    raise InputError(
        f"`@{part}` is no context, quantization or device",
        hint="settings behind `@` are such as `32k`, `q4_k_m` or `8xh100`, or named: `batch=16`, `kv=fp8`",
    )


def _value(key: str, value: str) -> object:
    if key in {"context", "prompt"}:
        return parse_tokens(value)
    if key == "batch":
        if not (value.isascii() and value.isdecimal() and 0 < len(value) < 10 and int(value)):
            raise InputError(f"`batch={value}` is no number of sequences", hint="type `batch=16`")
        return int(value)
    return value


def is_quantization(name: str) -> bool:
    """Whether `--quant` takes the name."""
    from moecalc.specs.gguf_mixtures import find_mixture
    from moecalc.specs.recipes import find_recipe

    # Mixtures first: recipes are files that would all be read.
    return name.lower() == "released" or find_mixture(name) is not None or find_recipe(name) is not None


def _names_devices(text: str) -> bool:
    from moecalc.specs import fleet

    try:
        fleet.parse(text)
    except InputError:
        return False
    return True
