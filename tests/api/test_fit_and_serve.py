"""One budget: `fit --engine X` and `serve --engine X` give the same verdict, parts and limits, whatever the plan."""

from itertools import product
from typing import Any

import pytest

from moecalc.api.fitting import fit
from moecalc.api.fleets import fleet_of
from moecalc.api.serving import serve
from moecalc.calc.deploy.budget import MOST_SEQUENCES
from moecalc.calc.deploy.fit_lines import fit_report
from moecalc.calc.serving.serving_lines import serving_report
from moecalc.calc.serving.serving_words import launch_command
from moecalc.errors import MoecalcError
from moecalc.specs.fleet import Fleet
from moecalc.specs.plan import Plan

MODELS = (
    "llama-3.1-8b",  # dense
    "qwen3-235b-a22b",  # experts, fewer key-value heads than ranks
    "deepseek-v3",  # latents, FP8 blocks
    "gemma-3-27b",  # windows, a vision tower, a tied head
    "gpt-oss-120b",  # windows, experts in MXFP4
    "qwen3-next-80b-a3b",  # recurrent layers
    "deepseek-v4-flash",  # compressed states, whose layout no log of an engine shows
)
DEVICES = ("h100", "8xh100", "2xrtx-3090", "m4-max", "rtx-4090 + rtx-3060-12gb")
PLANS = (
    None,
    Plan(tensor=2),
    Plan(tensor=8),
    Plan(tensor=4, pipeline=2),
    Plan(pipeline=2),
    Plan(tensor=8, expert=8),
    Plan(tensor=4, data=2, expert=8),
    Plan(tensor=8, expert=8, redundant_experts=8),
    Plan(tensor=8, expert=4),
    Plan(tensor=8, attention_data=8),
    Plan(tensor=8, decode_context=8),
)
PARTS = ("memory.weights_bytes", "memory.activation_bytes", "memory.overhead_bytes")


def devices(gpu: str) -> Fleet:
    found = fleet_of(gpu, None)
    assert found is not None
    return found


def answer(command: Any, name: str, gpu: str, options: dict[str, Any]) -> Any:
    """What the command finds, or its error."""
    try:
        return command(name, devices(gpu), **options)
    except MoecalcError as error:
        return error


def words(error: Any) -> tuple[type, str, str | None]:
    assert isinstance(error, MoecalcError)
    return type(error), error.message, error.hint


def cases() -> list[tuple[str, str, Plan | None]]:
    grid = product(MODELS, DEVICES, PLANS)
    return [row for row in grid if row[2] is None or row[2].devices == devices(row[1]).count]


@pytest.mark.parametrize(
    ("engine", "quant", "sequences"),
    [("vllm", None, 1), ("vllm", None, 4), ("llama.cpp", "q4_k_m", 3), ("generic", None, 4)],
)
def test_fit_and_serve_agree(engine: str, quant: str | None, sequences: int) -> None:
    verdicts = set()
    for name, gpu, plan in cases():
        case = f"{name} on {gpu}, {plan and plan.words}, {engine}"
        asked = {"engine": engine, "quant": quant or "released", "plan": plan, "context": 8192}
        fitted = answer(fit, name, gpu, asked | {"sequences": sequences})
        if isinstance(fitted, MoecalcError):
            assert words(answer(serve, name, gpu, asked)) == words(fitted), case
            verdicts.add(type(fitted).__name__)
            continue
        chosen = fitted.holding.plan
        # vLLM's `--max-num-seqs` is what it steps with, not what must fit; others are given what is held at once.
        running = None if engine == "vllm" else -(-sequences // chosen.data)
        served = serve(
            name, devices(gpu), engine=engine, quant=quant, plan=chosen, context=8192, sequences=running
        )
        most = served.state.max_sequences * chosen.data
        if engine == "vllm":
            assert fitted.fits == (served.state.fits and most >= sequences), case
            longest = served.state.max_context or None
            assert sequences > 1 or fitted.max_context == longest, case
        else:
            assert fitted.fits == served.state.fits, case
            assert fitted.max_context == (served.state.max_context or None), case
        assert fitted.max_sequences == (min(most, MOST_SEQUENCES) or None), case
        ours, theirs = (
            {line.id: line.value for line in report.models[0].lines}
            for report in (fit_report(fitted), serving_report(served))
        )
        assert {part: ours[part] for part in PARTS} == {part: theirs[part] for part in PARTS}, case
        assert set(fitted.warnings) == set(served.warnings) - {_ENCODED}, case
        verdicts.add(fitted.fits)
    assert {True, False} <= verdicts
    assert "InputError" in verdicts or engine == "generic"


_ENCODED = "images and sound take memory of their own while they are encoded, which is not counted"


@pytest.mark.parametrize(
    ("name", "gpu", "options"),
    [
        ("deepseek-v3", "8xh200", {"engine": "llama.cpp"}),
        ("deepseek-v3", "8xh200", {"engine": "vllm", "plan": Plan(tensor=8, expert=4)}),
        ("deepseek-v3", "8xh200", {"engine": "vllm", "plan": Plan(tensor=8, attention_data=8)}),
        ("deepseek-v3", "16xh200", {"engine": "vllm", "plan": Plan(tensor=8, data=2)}),
        ("deepseek-v4-flash", "8xh200", {"engine": "vllm"}),
        ("llama-3-8b", "h100", {"engine": "llama.cpp", "quant": "awq"}),
        ("mixtral-8x7b", "h100", {"quant": "q4_k_m", "gpu_memory_utilization": 0.5}),
    ],
)
def test_what_serve_refuses_fit_refuses_in_the_same_words(
    name: str, gpu: str, options: dict[str, Any]
) -> None:
    fitted, served = (answer(command, name, gpu, options) for command in (fit, serve))
    assert words(fitted) == words(served)


def test_unequal_cards_are_dealt_layers_alike() -> None:
    cards = devices("rtx-4090 + rtx-3060-12gb")
    fitted = fit("mixtral-8x7b", cards, quant="q4_k_m", context=8192)
    served = serve("mixtral-8x7b", cards, quant="q4_k_m", context=8192)
    assert fitted.holding.plan.stages == served.plan.stages == (23, 9)
    assert fitted.fits
    assert served.state.fits


def test_a_tables_own_memory_is_the_devices_where_they_share_it() -> None:
    fitted = fit("llama-3.1-8b", devices("m4-max"), quant="q4_k_m")
    served = serve("llama-3.1-8b", devices("m4-max"), quant="q4_k_m")
    assert fitted.ranks[0].weight_bytes == served.budgets[0].weight_bytes
    beside = serve("llama-3.1-8b", devices("h100"), quant="q4_k_m")
    # 128,256 x 4,096 in Q4_K, 4.5 bits for each: what only the memory of the machine holds beside a GPU
    table = 128_256 * 4096 * 144 // 256
    assert served.budgets[0].weight_bytes - beside.budgets[0].weight_bytes == table


@pytest.mark.parametrize(
    ("name", "cards", "layers"),
    [
        ("llama-3.1-70b", "2xrtx-3090", (40, 40)),
        ("mixtral-8x7b", "rtx-4090 + rtx-3060-12gb", (23, 9)),
        ("qwen3-32b", "3xrtx-3060-12gb", (21, 22, 21)),
    ],
)
def test_a_tensor_split_deals_the_layers_that_were_counted(
    name: str, cards: str, layers: tuple[int, ...]
) -> None:
    """llama.cpp gives slot `il` of layers and head to the first device whose share ends above il / slots.

    `std::upper_bound(splits, float(il) / (n_layer + 1))` in src/llama-model.cpp, ggml-org/llama.cpp.
    """
    served = serve(name, devices(cards), quant="q4_k_m", context=8192)
    fitted = fit(name, devices(cards), quant="q4_k_m", context=8192)
    assert served.stage_layers == layers
    launch = launch_command(served) or ""
    split = [int(share) for share in launch.partition("--tensor-split ")[2].split()[0].split(",")]
    ends = [sum(split[: place + 1]) / sum(split) for place in range(len(split))]
    slots = sum(layers) + 1
    dealt = [sum(end <= slot / slots for end in ends) for slot in range(slots)]
    assert [dealt.count(place) for place in range(len(split))] == [*layers[:-1], layers[-1] + 1]
    assert "--tensor-split " + ",".join(map(str, split)) in (fitted.launch or "")


def test_both_deal_layers_unevenly_where_equally_many_do_not_fit() -> None:
    asked = {"engine": "llama.cpp", "quant": "q8_0", "context": 8192}
    fitted, served = (command("deepseek-v3", devices("10xh100"), **asked) for command in (fit, serve))
    assert fitted.fits
    assert served.state.fits
    assert fitted.holding.plan == served.plan
    assert sum(served.plan.stages) == 61
    typed = fit("deepseek-v3", devices("10xh100"), **asked, plan=Plan(pipeline=10))
    assert not typed.fits
    assert typed.evener is not None
    again = fit("deepseek-v3", devices("10xh100"), **asked, plan=typed.evener)
    assert again.fits
    assert again.evener is None
