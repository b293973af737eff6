"""`--quant`, `--kv-dtype` and `moecalc formats` as typed."""

import json

import pytest

from tests.console import run


def lines_of(command):
    done = run(command)
    assert done.returncode == 0, done.stderr
    return {line["id"]: line for line in json.loads(done.stdout)["models"][0]["lines"]}


def test_a_recipe_is_named_beside_its_bytes():
    weights = lines_of("moecalc show mixtral-8x7b --quant awq --json")["weights.bytes"]
    assert (weights["value"], weights["label"]) == (24_653_602_816, "weights, awq")
    # 24,653,602,816 bytes x 8 / 46,702,792,704 parameters
    assert weights["note"] == "4.22 bits per weight; awq-int4-g128; bf16: embedding, router, head"


def test_a_quantized_cache_is_counted_with_its_scales():
    # Llama 3.1 8B: 34 bytes for each 32 of 2 x 32 layers x 1,024 elements
    state = lines_of("moecalc show llama-3.1-8b --kv-dtype q8_0 --json")["state.bytes_per_token"]
    assert state["value"] == 2 * 32 * 1024 * 34 // 32


@pytest.mark.parametrize(
    ("command", "message", "hint"),
    [
        ("show mixtral-8x7b --quant awqq", "unknown quantization `awqq`", "did you mean `awq`?"),
        ("show mixtral-8x7b --dtype q4_k_m", "`q4_k_m` is a recipe", "type `--quant q4_k_m`"),
        ("show mixtral-8x7b --dtype bf16 --quant awq", "exclude each other", "`--dtype` stores every weight"),
        ("show 70B-A12B --quant awq", "only counts are known", "`--dtype` takes a plain format"),
        ("show mixtral-8x7b --kv-dtype awq-int4-g128", "is no format of a KV cache", "formats of a cache: "),
        ("explain gpt-oss-20b memory --quant awq", "`awq` takes whole groups of 128", "`awq-g64`"),
        ("hardware zzz", "no device matches `zzz`", "`moecalc hardware` lists all"),
        ("formats nothing-like-it", "no format matches `nothing-like-it`", "`moecalc formats` lists all"),
    ],
)
def test_what_cannot_be_is_said(command, message, hint):
    done = run(f"moecalc {command}")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


def test_formats_lists_recipes_mixtures_and_caches():
    done = run("moecalc formats", columns=160)
    assert done.returncode == 0
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    assert {"awq", "gptq", "nf4-dq", "fp8-block128", "mxfp4-experts", "q4_k_m", "mxfp4_moe"} <= rows.keys()
    assert rows["mxfp4-experts"].split()[1] == "4.25"
    assert "q8_0, q5_1" in done.stdout


def test_few_formats_are_shown_with_their_sources():
    done = run("moecalc formats gptq")
    assert "gptq[-int4|2|3|8][-g128|32|64|256|512|1024]" in done.stdout
    assert "source: github:ModelCloud/GPTQModel" in done.stdout


def test_formats_for_programs():
    found = json.loads(run("moecalc formats awq --json").stdout)
    (awq,) = (entry for entry in found["formats"] if entry["name"] == "awq")
    assert awq["choices"] == {"group": [128, 64, 32]}
    assert awq["keeps"].keys() >= {"head", "router", "embedding"}
    assert "q8_0" in found["kv_formats"]


def test_a_mixture_has_no_bits_of_its_own():
    # Q4_K_M of Llama 3.1 8B is 4.89 bits per weight, Q4_K_S 4.67 (llama.cpp, tools/quantize/README.md): no one type's.
    found = json.loads(run("moecalc formats --json").stdout)["formats"]
    bits = {entry["name"]: entry["bits_per_weight"] for entry in found}
    assert bits["q4_k_m"] is bits["q4_k_s"] is bits["q3_k_l"] is None
    assert bits["awq"] > 4
    shown = run("moecalc formats q4_k_m").stdout
    assert shown.splitlines()[1].split()[:2] == ["q4_k_m", "-"]
    assert "`moecalc show MODEL --quant q4_k_m`" in " ".join(shown.split())
