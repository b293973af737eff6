"""The functions of `import moecalc` answer what the commands print with `--json`."""

import json
import subprocess
import sys

import pytest

import moecalc
from moecalc.cli.run import run
from moecalc.errors import InputError

CALLS = {
    "fit qwen3-235b-a22b --gpu 8xh100 --tp 4 --pp 2 --ep 4 --quant fp8": lambda: moecalc.fit(
        "qwen3-235b-a22b", "8xh100", plan={"tp": 4, "pp": 2, "ep": 4}, quant="fp8"
    ),
    "fit qwen3-30b-a3b --vram 12GiB --ram 64GiB --quant q4_k_m --context 8k": lambda: moecalc.fit(
        "qwen3-30b-a3b", moecalc.devices(vram="12GiB", ram="64GiB"), quant="q4_k_m", context=8192
    ),
    "serve deepseek-v3 --gpu 16xh200 --tp 8 --pp 2 --stages 31,30": lambda: moecalc.serve(
        "deepseek-v3", "16xh200", plan={"tp": 8, "stages": (31, 30)}
    ),
    "serve mixtral-8x7b --gpu 2xh100 --max-num-seqs 64": lambda: moecalc.serve(
        "mixtral-8x7b", "2xh100", sequences=64
    ),
    "speed mixtral-8x7b --gpu 2xh100 --tp 2 --batch 16 --context 2k": lambda: moecalc.speed(
        "mixtral-8x7b", "2xh100", plan={"tp": 2}, batch=16, context=2048
    ),
    "speed gpt-oss-120b --gpu h100 --skew zipf:1": lambda: moecalc.speed(
        "gpt-oss-120b", "h100", skew="zipf:1"
    ),
    "cost mixtral-8x7b --gpu 2xh100 --price 2.5": lambda: moecalc.cost("mixtral-8x7b", "2xh100", price="2.5"),
    "cost deepseek-v3 --gpu 8xh200 --request in=8k,out=1k": lambda: moecalc.cost(
        "deepseek-v3", "8xh200", request="in=8k,out=1k"
    ),
    "speed deepseek-v3 --gpu 8xh200 --batch 1,32 --speculate 1 --accept 0.85": lambda: moecalc.speed(
        "deepseek-v3", "8xh200", speculate=1, accept=0.85, speculate_at=(1, 32)
    ),
    "speed llama-3.1-8b --gpu h100,mi300x --slo ttft<1s,tpot<20ms": lambda: moecalc.sweep(
        "llama-3.1-8b", ["h100", "mi300x"], slo="ttft<1s,tpot<20ms"
    ),
    "speed mixtral-8x7b --gpu 2xh100 --batch 1,16 --served": lambda: moecalc.sweep(
        "mixtral-8x7b", moecalc.devices("2xh100"), batches=(16, 1), served=True
    ),
    "cost llama-3.1-8b --gpu h100,2xh200 --batch 1..64 --slo high:tpot<20ms": lambda: moecalc.sweep(
        "llama-3.1-8b", "h100,2xh200", batches="1..64", slo="high:tpot<20ms", in_dollars=True
    ),
    "cost mixtral-8x7b --gpu 2xh100 --batch 1,16 --price 2.5 --utilization 50% --tp 2": lambda: moecalc.sweep(
        "mixtral-8x7b", "2xh100", batches=[1, 16], price="2.5", utilization="50%", plan={"tp": 2}
    ),
    "accuracy": moecalc.accuracy,
    "routing deepseek-v3 --batch 1,32 --ep 8": lambda: moecalc.routing("deepseek-v3", batch=(1, 32), ranks=8),
    "routing mixtral-8x7b --skew zipf:1": lambda: moecalc.routing("mixtral-8x7b", skew="zipf:1"),
    "train mixtral-8x7b --tokens 2T --gpu 256xh100 --tp 2 --pp 4 --ep 8": lambda: moecalc.train(
        "mixtral-8x7b", "256xh100", {"tp": 2, "pp": 4, "ep": 8}, tokens=2 * 10**12
    ),
    "train llama-3.1-8b --tokens 1T --gpu 8xh100 --lora r=16 --zero 3": lambda: moecalc.train(
        "llama-3.1-8b", "8xh100", {"zero": 3}, tokens=10**12, lora="r=16"
    ),
    "scaling mixtral-8x7b --gpu-hours 1M --gpu h100": lambda: moecalc.scaling(
        ["mixtral-8x7b"], gpu_hours=10**6, gpu="h100"
    ),
    "scaling --compute 1e24": lambda: moecalc.scaling(compute=10**24),
    "design --like mixtral-8x7b --experts 4..16 --active 13B --gpu h100": lambda: moecalc.design(
        "mixtral-8x7b", {"experts": "4..16"}, active="13B", gpu="h100"
    ),
    "design --like qwen3-30b-a3b --top-k 4,8": lambda: moecalc.design("qwen3-30b-a3b", {"top_k": "4,8"}),
}


@pytest.mark.parametrize("command", CALLS)
def test_the_same_as_json(command, capsys):
    assert run([*command.split(), "--json"]) == 0
    answer = CALLS[command]()
    assert moecalc.as_dict(answer) == json.loads(capsys.readouterr().out)
    assert type(answer).__name__ in repr(answer)
    assert len(repr(answer)) < 120  # a notebook shows it: a sweep has millions of characters


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: moecalc.fit("mixtral-8x7b", "8xh100", plan={"tensor": 8}), "a plan has no `tensor`"),
        (lambda: moecalc.fit("mixtral-8x7b", "8xh100", plan="tp=8"), "`plan` is 'tp=8'"),
        (lambda: moecalc.fit("mixtral-8x7b", "8xh100", plan={"tp": "8"}), "`--tp` is '8'"),
        (lambda: moecalc.fit("mixtral-8x7b", "8xh100", plan={"stages": "a,b"}), "is no list of layers"),
        (lambda: moecalc.fit("mixtral-8x7b", 8), "8 names no devices"),
        (lambda: moecalc.routing("mixtral-8x7b", ranks=8, gpu=3), "3 is no name of an accelerator"),
        (lambda: moecalc.routing("mixtral-8x7b", quant=4), "4 is no name of a recipe"),
        (lambda: moecalc.fit("mixtral-8x7b", "h100", quant=[4]), "4 is no name of a recipe"),
        (moecalc.devices, "no devices are named"),
        (lambda: moecalc.serve("mixtral-8x7b", "8xh1000"), "h1000"),
        (lambda: moecalc.sweep("mixtral-8x7b", []), "no devices to choose among"),
        (lambda: moecalc.sweep("mixtral-8x7b", ["h100", 8]), "8 names no devices"),
        (lambda: moecalc.sweep("mixtral-8x7b", "2xh100", batches=()), "no batches"),
        (lambda: moecalc.sweep("mixtral-8x7b", "2xh100", batches=16), "16"),
        (lambda: moecalc.sweep("mixtral-8x7b", "2xh100", batches=[1.5]), "1.5"),
        (
            lambda: moecalc.train("mixtral-8x7b", "8xh100", {"tp": 3}, tokens=10**9),
            "does not divide 8 devices",
        ),
        (lambda: moecalc.train("mixtral-8x7b", "8xh100", {"tp": 2.0}, tokens=10**9), "`--tp` is 2.0"),
        (lambda: moecalc.train("mixtral-8x7b", "8xh100", {"dp": 8}, tokens=10**9), "a plan has no `dp`"),
        (lambda: moecalc.train("mixtral-8x7b", "8xh100", tokens="1T"), "1T"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_as_dict_is_of_answers():
    with pytest.raises(TypeError, match="no answer of"):
        moecalc.as_dict({"model": "mixtral-8x7b"})


def test_importing_moecalc_loads_nothing_heavy():
    heavy = {"rich", "typer", "numpy", "torch", "huggingface_hub", "msgspec", "yaml"}
    program = f"import sys, moecalc; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
