"""`moecalc serve` as typed: the engine's words, the command to paste, bad input, exit codes."""

import json
import shlex

import jsonschema
import pytest

from tests.console import ROOT, run

SERVE = "moecalc serve"
IDS = [
    "memory.weights_bytes",
    "memory.state_bytes",
    "memory.activation_bytes",
    "memory.overhead_bytes",
    "memory.total_bytes",
    "memory.rank_max_bytes",
    "serve.available_bytes",
    "serve.cache_tokens",
    "serve.concurrency",
    "serve.request_logical_bytes",
    "serve.request_reserved_bytes",
    "serve.request_naive_bytes",
    "fit.fits",
    "fit.max_context",
    "fit.max_sequences",
    "fit.gpus",
]


def answer(command):
    done = run(f"{SERVE} {command} --json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_qwen3_235b_on_8_gpus():
    found = answer("qwen3-235b-a22b --gpu 8xh100 --tp 8 --engine vllm --context 32k --max-num-seqs 256")
    lines = {line["id"]: line for line in found["models"][0]["lines"]}
    assert list(lines) == IDS
    logical = 2 * 94 * 4 * 128 * 2 * 32_768  # keys and values of 94 layers x 4 heads x 128 in 2 bytes
    assert lines["serve.request_logical_bytes"]["value"] == logical
    assert lines["serve.request_reserved_bytes"]["value"] == 2 * logical  # 4 heads on 8 ranks
    assert lines["serve.request_naive_bytes"]["value"] == 2 * 94 * 4096 * 2 * 32_768
    tokens = lines["serve.cache_tokens"]["value"]
    per_token = 2 * 94 * 1 * 128 * 2
    assert tokens == lines["serve.available_bytes"]["value"] // (16 * per_token) * 16
    assert lines["serve.concurrency"]["value"] == pytest.approx(tokens / 32_768)
    assert lines["fit.max_sequences"]["value"] == tokens // 32_768
    assert lines["memory.overhead_bytes"]["basis"] == "assumed"
    assert all(part["source"] for part in found["assumed"].values())
    assert f"GPU KV cache size: {tokens:,} tokens" in found["log"]


@pytest.mark.parametrize("command", ["mamba-2.8b --gpu h100", "gemma-3-27b --gpu 2xrtx-3090 --quant q4_k_m"])
def test_json_satisfies_the_report_schema(command):
    schema = json.loads((ROOT / "moecalc" / "render" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(answer(command))


def test_the_command_says_what_was_computed():
    told = (
        "deepseek-v3 --gpu 16xh200 --tp 8 --dp 2 --ep 16 --redundant-experts 32 --context 16k --max-num-seqs 64 "
        "--max-num-batched-tokens 4k --gpu-memory-utilization 0.9 --kv-dtype fp8 --speculate"
    )
    words = shlex.split(answer(told)["launch"])
    assert words[:3] == ["vllm", "serve", "deepseek-ai/DeepSeek-V3"]
    options = dict(zip(words, [*words[1:], ""], strict=True))
    assert "--enable-expert-parallel" in words
    assert "--enable-eplb" in words
    assert json.loads(options["--eplb-config"]) == {"num_redundant_experts": 32}
    assert json.loads(options["--speculative-config"]) == {"method": "mtp", "num_speculative_tokens": 1}
    said = {
        "--tensor-parallel-size": "8",
        "--data-parallel-size": "2",
        "--max-model-len": "16384",
        "--max-num-seqs": "64",
        "--max-num-batched-tokens": "4096",
        "--gpu-memory-utilization": "0.9",
        "--kv-cache-dtype": "fp8",
    }
    assert {name: options[name] for name in said} == said


def test_a_pasted_command_is_the_one_of_the_answer():
    command = "qwen3-next-80b-a3b --gpu 4xh100 --tp 2 --pp 2"
    done = run(f"{SERVE} {command}", columns=60)
    text = done.stdout[done.stdout.index("vllm serve") :].split("\n\n")[0]
    assert shlex.split(text.replace("\\\n", "")) == shlex.split(answer(command)["launch"])
    assert max(map(len, text.splitlines())) <= 60


def test_stages_that_were_chosen_are_told_to_vllm():
    found = answer("deepseek-v3 --gpu 16xh200 --tp 8 --pp 2 --stages 40,21 --context 32k")
    # vllm/distributed/utils.py, get_pp_indices: `VLLM_PP_LAYER_PARTITION` overrules an even deal of layers
    assert found["launch"].startswith("VLLM_PP_LAYER_PARTITION=40,21 vllm serve ")
    assert [rank["layers"] for rank in found["ranks"]] == [40, 21]
    assert any("16 GPUs stand in several machines" in note for note in found["notes"])
    even = answer("deepseek-v3 --gpu 16xh200 --tp 8 --pp 2 --context 32k")
    assert even["launch"].startswith("vllm serve ")


def test_a_context_that_vllm_refuses_is_allowed_in_so_many_words():
    long = answer("llama-3-8b --gpu h200 --context 64k --max-num-seqs 16")
    assert long["launch"].startswith("VLLM_ALLOW_LONG_MAX_MODEL_LEN=1 vllm serve ")
    assert "VLLM_ALLOW" not in answer("llama-3-8b --gpu h200 --context 8k")["launch"]


def test_what_does_not_start_has_no_command():
    assert answer("llama-3-8b --gpu h200 --context 1m")["launch"] is None
    cut = answer("qwen3-235b-a22b --gpu 8xh100 --tp 8 --quant fp8-block128 --context 32k")
    assert cut["launch"] is None
    assert "192 wide on a rank, no whole blocks of 128" in cut["warnings"][0]
    assert answer("qwen3-235b-a22b --gpu 8xh100 --tp 8 --ep 8 --quant fp8-block128 --context 32k")["launch"]


def test_the_samplers_copies_are_said_with_range_and_source():
    found = answer("gemma-3-27b --gpu h100 --context 64k")
    copies = found["assumed"]["copies of the logits"]
    assert (copies["copies"], copies["low"], copies["high"]) == (7, 2.6, 7)
    assert "RTX 4080" in copies["source"]
    peak = next(line for line in found["models"][0]["lines"] if line["id"] == "memory.activation_bytes")
    stream, logits = 2 * 8192 * 5376 * 2, 1024 * 262_208 * 4
    assert (peak["value"], peak["high"]) == (stream + 7 * logits, stream + 7 * logits)
    assert peak["low"] == -(-(10 * stream + 26 * logits) // 10)
    shown = run(f"{SERVE} gemma-3-27b --gpu h100 --context 64k", columns=200).stdout
    assert "logits in float32, 7 times (assumed), logs have 2.76 to 7.17" in shown
    assert "copies of the logits at the sampler's peak, 7, assumed: vLLM 0.26 log" in shown


def test_a_narrow_terminal_keeps_what_each_figure_rests_on():
    command = f"{SERVE} qwen3-235b-a22b --gpu 8xh100 --tp 8 --context 32k"
    narrow, wide = (run(command, columns=columns).stdout for columns in (80, 200))
    assert max(map(len, narrow.split("in vllm's own log")[0].splitlines())) <= 80
    words = " ".join(narrow.split())
    for said in (
        "0.92 of it",
        "estimate: a step of 8,192 tokens",
        "assumed, logs have 0.11 to 0.96",
        "routed ",
    ):
        assert said in " ".join(wide.split())
        assert said in words


def test_llama_cpp_has_a_buffer_for_every_sequence():
    found = answer(
        "qwen3-30b-a3b --gpu rtx-5090 --quant q4_k_m --context 32k --max-num-seqs 2 --kv-dtype q8_0"
    )
    # 48 layers x 4 heads x 128 x (keys and values) at 34 bytes for 32, 2 x 32,768 cells
    assert "llama_kv_cache:      CUDA0 KV buffer size =  3264.00 MiB" in found["log"]
    assert found["launch"] == (
        "llama-server -m qwen3-30b-a3b-Q4_K_M.gguf -ngl 99 -fa on -c 65536 -np 2 -ctk q8_0 -ctv q8_0"
    )
    assert found["engine"] == "llama.cpp"


def test_a_tied_head_on_the_last_gpu_is_stored_as_the_embedding_is():
    found = answer("gemma-3-27b --gpu 2xrtx-3090 --quant q4_k_m --context 8k")
    head = 262_208 * 5376 * 210 // 256  # Q6_K
    first, last = (rank["weights_bytes"] for rank in found["ranks"])
    assert last - first == pytest.approx(head, rel=0.08)  # the stages' layers differ in a few Q6_K tensors


def test_generic_says_that_it_is_no_engine():
    done = run(f"{SERVE} gpt-oss-120b --gpu h100 --engine generic --context 8k")
    assert "generic is no engine" in done.stdout
    assert "own log" not in done.stdout
    assert answer("deepseek-v4-flash --gpu 8xh200 --engine generic --context 8k")["launch"] is None


def test_what_does_not_fit_is_an_answer_and_fails_where_it_is_required():
    command = f"{SERVE} mixtral-8x7b --gpu 2xrtx-4090"
    assert run(command).returncode == 0
    required = run(f"{command} --require")
    assert required.returncode == 1
    assert "does not fit: each GPU lacks" in required.stdout


def test_other_sizes_leave_the_rest_to_tensor_parallelism():
    assert answer("deepseek-v3 --gpu 8xh200 --ep 8 --context 8k")["plan"] == "--tp 8 --ep 8"
    assert answer("mixtral-8x7b --gpu 4xh100 --pp 2")["plan"] == "--tp 2 --pp 2"


def test_markdown_has_the_log_and_the_command():
    done = run(f"{SERVE} gpt-oss-20b --gpu h100 --markdown")
    assert done.returncode == 0
    assert "| left for state |" in done.stdout
    assert "```text\nModel loading took" in done.stdout
    assert "```sh\nvllm serve openai/gpt-oss-20b" in done.stdout


def test_a_context_beyond_the_trained_one_is_a_warning():
    done = run(f"{SERVE} mixtral-8x7b --gpu 4xh100 --context 100k --json")
    assert done.returncode == 0
    assert "beyond the trained length of 32,768" in done.stderr


def test_what_is_no_gpu_is_called_a_device():
    done = run("moecalc serve qwen3-30b-a3b --gpu epyc-9004 --engine generic")
    assert done.returncode == 0
    assert "GiB of each device are left for state" in " ".join(done.stdout.split())
    assert "GPU" not in done.stdout
    assert "of each GPU are left" in " ".join(run("moecalc serve mixtral-8x7b --gpu 4xh100").stdout.split())


@pytest.mark.parametrize(
    ("command", "code", "message", "hint"),
    [
        ("mixtral-8x7b", 2, "no devices to serve on", "--gpu 8xh100"),
        (
            "mixtral-8x7b --gpu epyc-9004",
            2,
            "vllm is not planned on `epyc-9004`: its build for processors",
            "`--engine llama.cpp`",
        ),
        ("mixtral-8x7b --gpu m2-ultra --engine vllm", 2, "does not use the GPU", "`--engine generic`"),
        ("mixtral-8x7b --gpu h1000", 2, "unknown accelerator `h1000`", "did you mean `h100-sxm`"),
        ("mixtral-8x7b --gpu 6xh100", 2, "32 heads cannot be dealt to 6 ranks", "1, 2, 4, 8, 16, 32"),
        ("mixtral-8x7b --gpu 8xh100 --tp 4", 2, "makes 4 devices, and `--gpu` names 8", "number of devices"),
        ("mixtral-8x7b --gpu 2xh100 --engine sglang", 2, "no figures for engine `sglang`", "llama.cpp, vllm"),
        ("mixtral-8x7b --gpu 2xh100 --engine llama.cpp --tp 2", 2, "llama.cpp has no `--tp`", "has `--pp`"),
        ("mixtral-8x7b --gpu 8xh100 --tp 4 --dp 2", 2, "spreads the experts over all ranks", "`--ep 8`"),
        ("mixtral-8x7b --gpu 8xh100 --tp 8 --ep 2", 2, "= 8 ranks, not 2", "type `--ep 8`"),
        ("mixtral-8x7b --gpu 4xh100 --gpu-memory-utilization 1.5", 2, "is 1.5", "at most 1"),
        (
            "mixtral-8x7b --gpu h100 --quant q4_k_m --gpu-memory-utilization 0.9",
            2,
            "takes what it needs",
            "leave",
        ),
        ("mixtral-8x7b --gpu 4xh100 --max-num-seqs -1", 2, "`sequences` is -1", "from 1"),
        (
            "mixtral-8x7b --gpu 4xh100 --max-num-batched-tokens 64 --max-num-seqs 128",
            2,
            "is less than",
            "token",
        ),
        ("mixtral-8x7b --gpu 4xh100 --kv-dtype q8_0", 2, "vllm has no cache in `q8_0`", "fp8"),
        ("mixtral-8x7b --gpu 4xh100 --quant awqq", 2, "unknown quantization `awqq`", "did you mean `awq`?"),
        ("llama-3-8b --gpu 2xh100 --tp 2 --redundant-experts 3", 2, "no routed experts", "leave"),
        ("deepseek-v3 --gpu 8xh200 --tp 8 --redundant-experts 32", 2, "dealt out whole", "add `--ep 8`"),
        ("deepseek-v3 --gpu 8xh200 --ep 8 --redundant-experts 1", 2, "makes 257 experts", "experts 8`"),
        ("deepseek-v3 --gpu 8xh200 --ep 8 --redundant-experts 2000", 2, "all 256 experts", "at most 1,792"),
        ("llama-3-8b --gpu h100 --quant awq --engine llama.cpp", 2, "has no `awq-int4-g128`", "--quant q8_0"),
        (
            "qwen3-30b-a3b --gpu h100 --quant fp8 --engine llama.cpp",
            2,
            "`--quant fp8` stores",
            "--quant q8_0",
        ),
        ("mixtral-8x7b --gpu 4xh100 --speculate", 2, "no multi-token-prediction module", "leave"),
        ("deepseek-v3 --gpu 8xh200 --engine llama.cpp", 2, "has no `fp8-block128`", "--quant q8_0"),
        (
            "gemma-3-27b --gpu h200 --engine generic --swa-full",
            2,
            "no more than the windows",
            "--engine vllm",
        ),
        ("gpt-4 --gpu 8xh200", 3, "has no known architecture", "moecalc show gpt-4"),
        ("deepseek-v4-flash --gpu 8xh200", 3, "not known from its logs", "--engine generic"),
    ],
)
def test_what_cannot_be_is_said(command, code, message, hint):
    done = run(f"{SERVE} {command}")
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
