"""`moecalc fit` as typed: exit codes, bad input, widths."""

import json

import pytest

from tests.console import run


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("moecalc fit gpt-oss-20b --gpu h100 --quant released,bf16 --require", 0),
        ("moecalc fit deepseek-v3 --gpu h100 --quant released,bf16", 0),
        ("moecalc fit deepseek-v3 --gpu h100 --quant released,bf16 --require", 1),
        ("moecalc fit qwen3-30b-a3b --vram 12GiB --ram 32GiB --quant q4_k_m,q2_k --require", 0),
        ("moecalc fit gpt-4 --gpu h100", 0),
        ("moecalc fit gpt-4 --gpu h100 --require", 1),
        ("moecalc fit 70B-A12B --gpu 8xh100", 0),
        ("moecalc fit 70B-A12B --gpu 8xh100 --require", 3),
        ("moecalc fit gemini-1.5-pro --gpu 8xh100", 3),
        ("moecalc fit gpt-4", 3),
    ],
)
def test_not_fitting_is_an_answer_unless_it_is_required(command: str, code: int) -> None:
    assert run(command).returncode == code


@pytest.mark.parametrize(
    ("command", "message", "hint"),
    [
        ("--gpu h1000", "unknown accelerator `h1000`", "did you mean `h100-sxm`"),
        ("--gpu local+h100", "joins `local`, which is all of this machine", "name every device"),
        ("--gpu 8xh100 --tp 1", "the plan is of 1 device, and `--gpu` names 8", "`--pp 8` or `--dp 8`"),
        (
            "--gpu h100 --quant q4_k_m --gpu-memory-utilization 0.5",
            "has no share of memory",
            "leave `--gpu-memory-utilization` out",
        ),
        ("--vram -3GiB", "`--vram -3GiB` is negative", "above 0"),
        ("--vram 12", "size `12` has no unit", "type `12GiB`"),
        ("--gpu 8xh100 --tp 3", "makes 3 devices", "number of devices"),
        ("--gpu 3xh100 --tp 3", "64 heads cannot be dealt to 3 ranks", "1, 2, 4, 8"),
        ("--gpu 8xh100 --ep 8", "deals experts out over the ranks", "`--tp 8 --ep 8`"),
        ("--gpu 8xh100 --tp 8 --ep 3", "`--ep 3` does not divide", "1, 2, 4, 8"),
        ("--gpu 2xh100 --stages 10,x", "`--stages 10,x` is no list", "`--stages 16,15,15,15`"),
        ("--gpu 8xh100 --sp", "`--sp` splits tokens over tensor-parallel ranks", "`--tp 8 --sp`"),
        ("--gpu h100 --tp 0", "`--tp` is 0", "from 1"),
        ("--gpu h100 --quant awq,", "misses a name", "`--quant awq,q4_k_m`"),
        ("--gpu h100 --quant awq", "takes whole groups of 128", "`awq-g64`"),
        ("--gpu h100 --sequences -3", "`sequences` is -3", "from 1"),
        ("--gpu h100 --gpu-memory-utilization 1.5", "`--gpu-memory-utilization` is 1.5", "at most 1"),
        ("--gpu h100 --utilization 0.9", "no such option: --utilization", "is `--gpu-memory-utilization`"),
        ("--ram 64GiB", "`--ram` needs devices", "`--gpu 8xh100`"),
        ("--require", "`--require` needs devices", "`--gpu 8xh100`"),
        ("--tp 8", "a plan needs devices", "`--gpu 8xh100`"),
        ("--json --markdown --gpu h100", "--json", ""),
    ],
)
def test_bad_input_is_one_error_with_a_hint(command: str, message: str, hint: str) -> None:
    done = run(f"moecalc fit gpt-oss-20b {command}")
    assert done.returncode == 2
    assert message in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize(
    "command",
    [
        "fit deepseek-v3 --gpu 2xrtx-4090 --ram 512GiB --quant q4_k_m,q2_k",
        "fit mixtral-8x22b --quant q4_k_m,awq",
        "fit kimi-k2 --gpu 16xb200 --explain --quant released,fp8",
        "fit gemma-3-27b --gpu 'rtx-4090 + rtx-3090' --explain --quant bf16,q8_0",
    ],
)
def test_no_line_of_prose_is_wider_than_the_terminal(command: str, columns: int) -> None:
    done = run(f"moecalc {command}", columns)
    assert done.returncode == 0, done.stderr
    headers = ("quantization", "stage")
    prose = [line for line in done.stdout.splitlines() if not line.startswith(headers)]
    wide = [
        line for line in prose if len(line) > columns and line.startswith((" ", "assumed", "memory", "fits"))
    ]
    assert not wide


def test_markdown_says_what_the_text_says() -> None:
    done = run("moecalc fit qwen3-30b-a3b --vram 12GiB --ram 32GiB --quant q4_k_m,q2_k --markdown")
    assert "**qwen3-30b-a3b on a 12 GiB device**: fits with the experts of" in done.stdout
    assert "| RAM | usable | 34,359,738,368 | 32.0 |" in " ".join(done.stdout.split("\n"))


def test_warnings_of_json_go_to_stderr() -> None:
    done = run("moecalc fit llama-13b --gpu h100 --context 4k --quant fp16,bf16 --json")
    assert json.loads(done.stdout)["warnings"] == ["context 4,096 is beyond the trained length of 2,048"]
    assert "beyond the trained length" in done.stderr


@pytest.mark.parametrize(
    "option", ["--tp 8", "--context 8k", "--engine vllm", "--kv-dtype fp8", "--sequences 4"]
)
def test_what_needs_shapes_is_refused_of_two_numbers(option: str) -> None:
    done = run(f"moecalc fit 70B-A12B --gpu 8xh100 {option}")
    assert done.returncode == 2
    assert "needs shapes, and of `70B-A12B` only counts are known" in done.stderr


def test_the_decode_ceiling_beside_ram_is_that_of_speed() -> None:
    options = "qwen3-30b-a3b --quant q4_k_m --context 32k --vram 12GiB --ram 32GiB"
    rates = "--bandwidth 360GB/s --ram-bandwidth 50GB/s"
    fitted = json.loads(run(f"moecalc fit {options} {rates} --json").stdout)
    sped = json.loads(run(f"moecalc speed {options} {rates} --json").stdout)
    lines = {line["id"]: line["value"] for line in sped["models"][0]["lines"]}
    ceiling = fitted["offload"]["decode_ceiling_tokens_per_second"]
    assert ceiling == pytest.approx(lines["speed.decode.ceiling_tokens_per_second"], rel=1e-12)
    said = " ".join(run(f"moecalc fit {options} {rates}").stdout.split())
    assert f"decode ceiling: {ceiling:.3g} tokens/s for 1 sequence of 32,768 tokens, uniform routing" in said
    unknown = run(f"moecalc fit {options}").stdout
    assert "decode ceiling: not known without bandwidths; `--ram-bandwidth 80GB/s`" in unknown


def test_every_command_that_takes_a_plan_splits_tokens_too() -> None:
    for command in ("fit", "speed", "cost", "serve --engine generic"):
        done = run(f"moecalc {command} deepseek-v3 --gpu 8xh200 --tp 8 --sp --context 8k", 200)
        assert done.returncode == 0, done.stderr
        assert "--tp 8 --sp" in done.stdout
    refused = run("moecalc serve deepseek-v3 --gpu 8xh200 --tp 8 --sp")
    assert "vllm has no `--sp` that its logs back" in refused.stderr


def test_an_unlisted_device_is_called_by_its_size() -> None:
    done = run("moecalc fit gpt-oss-20b --gpu 2xunlisted --vram 24GiB --quant released,bf16")
    assert done.stdout.startswith("gpt-oss-20b on 2x 24 GiB device")
    assert "unlisted" not in done.stdout


def test_rows_that_a_share_of_memory_leaves_out_are_said() -> None:
    done = run("moecalc fit gpt-oss-20b --gpu h100 --gpu-memory-utilization 0.5")
    assert done.returncode == 0
    assert "q4_k_m" not in done.stdout
    assert "GGUF mixtures are left out: llama.cpp has no share of memory to be told" in " ".join(
        done.stdout.split()
    )
    assert (
        "left out"
        not in run("moecalc fit gpt-oss-20b --gpu h100 --gpu-memory-utilization 0.5 --engine vllm").stdout
    )


@pytest.mark.parametrize("columns", [80, 100, 160])
def test_only_columns_that_are_shown_are_explained(columns: int) -> None:
    shown = run("moecalc fit mixtral-8x22b --quant q4_k_m,awq", columns).stdout
    header = next(line for line in shown.splitlines() if line.startswith("quantization"))
    for column in ("cheapest", "fewest", "one machine"):
        assert (f"{column}: " in shown) == (column in header)


def test_thousands_of_gib_are_still_gib() -> None:
    # The catalogue gives a socket 6 TB, "the most that a socket takes": 6 x 10^12 / 2^30 = 5,588 GiB.
    done = run("moecalc fit gpt-oss-20b --gpu epyc-9654 --quant q4_k_m,q2_k")
    assert "of 5,588 GiB" in done.stdout


def test_more_bits_that_fit_with_ram_are_named_beside_those_that_fit_without() -> None:
    done = run("moecalc fit deepseek-v3 --gpu 8xrtx-4090 --ram 1024GiB", 200)
    assert "does not fit but with experts in RAM by ktransformers" in done.stdout
    assert "--tensor-parallel-size 8 --kt-method FP8 --kt-num-gpu-experts" in done.stdout
    assert "most bits that fit with RAM: `--quant q8_0`" in done.stdout
    assert "most bits that fit: " not in done.stdout


def test_sequence_parallel_ranks_share_the_stream_of_a_step() -> None:
    def activations(options: str) -> int:
        done = run(f"moecalc fit deepseek-v3 --gpu 8xh200 --tp 8 {options} --json")
        lines = json.loads(done.stdout)["models"][0]["lines"]
        return next(line["value"] for line in lines if line["id"] == "memory.activation_bytes")

    # Residual and norm of 2,048 x 7,168 in 16 bits, on each of 8 ranks: 7/8 of them go (arXiv 2205.05198, 4.2.2).
    assert activations("") - activations("--sp") == 8 * (2 * 2048 * 7168 * 2) * 7 // 8
