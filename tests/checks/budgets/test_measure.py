"""Names of limits: friendly ones, line ids, settings."""

import pytest

import moecalc
from moecalc.checks.budgets.measure import FRIENDLY, Settings, find_kind, parse_measure
from moecalc.errors import InputError


@pytest.mark.parametrize(
    ("text", "line", "settings"),
    [
        ("total", "params.total", Settings()),
        ("Active", "params.active.all", Settings()),
        ("weights@q4_k_m", "weights.bytes", Settings(quant="q4_k_m")),
        ("weights@released", "weights.bytes", Settings(quant="released")),
        ("weights@gptq-g32", "weights.bytes", Settings(quant="gptq-g32")),
        ("vram@32k, kv=fp8", "budget.vram_bytes", Settings(context=32768, kv_dtype="fp8")),
        ("kv/token", "state.bytes_per_token", Settings()),
        ("state@4096,batch=16", "state.bytes", Settings(context=4096, batch=16)),
        ("flops/token@8k", "flops.decode_per_token", Settings(context=8192)),
        ("prefill  flops@prompt=1M", "flops.prefill", Settings(prompt=2**20)),
        ("params.mtp", "params.mtp", Settings()),
        ("cost/mtok@8xh100", "cost.output_usd_per_million_tokens", Settings(gpu="8xh100")),
        (
            "decode tok/s@2xrtx-4090 + rtx-3090,q4_k_m",
            "speed.decode.expected_tokens_per_second",
            Settings(gpu="2xrtx-4090 + rtx-3090", quant="q4_k_m"),
        ),
    ],
)
def test_read(text, line, settings):
    measure = parse_measure(text)
    assert (measure.kind.line, measure.settings) == (line, settings)


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("totl", "unknown limit `totl`", "did you mean `total`?"),
        ("flops/tokens", "unknown limit `flops/tokens`", "`flops/token`"),
        ("xyzzy", "unknown limit `xyzzy`", "limits: total, active"),
        ("", "unknown limit ``", "limits: total"),
        ("vram@32k,64k", "names context twice", "keep one of `32768` and `64k`"),
        ("vram@fast", "`@fast` is no context, quantization or device", "`q4_k_m`"),
        ("vram@batc=4", "unknown setting `batc`", "did you mean `batch=4`?"),
        ("vram@batch=0", "is no number of sequences", "batch=16"),
        ("vram@batch=x", "is no number of sequences", "batch=16"),
        ("vram@8xh100", "`vram` is not of devices", "`fits: 8xh100`"),
        ("fits@8xh100", "`fits` is not of devices", "`fits: 8xh100`"),
        ("speed.decode.nothing", "unknown limit", None),
    ],
)
def test_refused(text, said, hint):
    with pytest.raises(InputError) as caught:
        parse_measure(text)
    assert said in caught.value.message
    assert hint is None or hint in caught.value.hint


def test_every_public_line_can_be_limited_in_its_unit():
    for line in moecalc.load("deepseek-v3").lines():
        assert find_kind(line["id"]).unit == line["unit"], line["id"]
        assert not find_kind(line["id"]).estimate


def test_every_line_of_speed_and_cost_can_be_limited_in_its_unit():
    from moecalc.api.cost import cost
    from moecalc.api.speed import speed
    from moecalc.calc.cost.cost_lines import cost_report
    from moecalc.calc.speed.speed_lines import speed_report
    from moecalc.specs.fleet import parse

    spelt = {"tokens/s": "tokens/s", "s": "seconds", "USD": "dollars", "share": "share", "Wh": "watt-hours"}
    devices = parse("8xh200")
    reports = speed_report(speed("deepseek-v3", devices)), cost_report(cost("deepseek-v3", devices))
    for line in (line for report in reports for line in report.models[0].lines):
        kind = find_kind(line.id)
        assert kind.unit == spelt[line.unit], line.id
        assert kind.estimate


def test_friendly_names_of_estimates_are_lines_that_exist():
    assert {kind.line for kind in FRIENDLY.values() if kind.estimate} == {
        "fit.fits",
        "speed.decode.expected_tokens_per_second",
        "speed.decode.ceiling_tokens_per_second",
        "speed.prefill.expected_tokens_per_second",
        "speed.ttft_seconds",
        "cost.output_usd_per_million_tokens",
        "cost.input_usd_per_million_tokens",
    }


def test_own_settings_go_before_those_of_the_model():
    own, model = Settings(context=8192), Settings(context=4096, quant="awq")
    assert own.over(model) == Settings(context=8192, quant="awq")
