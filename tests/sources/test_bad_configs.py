"""Configs that no model has: each is an InputError that names the key and its value, and never anything else."""

import json
import resource
import subprocess
import sys
from typing import Any

import pytest

from moecalc.api.loading import load
from moecalc.errors import EXIT_BAD_INPUT, InputError
from moecalc.sources.hf_config import find_family, read_config
from tests.console import ROOT
from tests.oracle.cases import MODULES

LLAMA = {
    "model_type": "llama",
    "vocab_size": 128,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "mixtral": {**LLAMA, "model_type": "mixtral", "num_local_experts": 8, "num_experts_per_tok": 2},
    "qwen3_moe": {**LLAMA, "model_type": "qwen3_moe", "num_experts": 8, "num_experts_per_tok": 2},
    "deepseek_v3": {
        **LLAMA,
        "model_type": "deepseek_v3",
        "num_key_value_heads": 4,
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
    },
    "gemma3_text": {**LLAMA, "model_type": "gemma3_text", "layer_types": ["full_attention"] * 4},
    "qwen3_next": {
        **LLAMA,
        "model_type": "qwen3_next",
        "layer_types": ["linear_attention", "full_attention"] * 2,
        "num_experts": 8,
        "num_experts_per_tok": 2,
    },
    "jamba": {**LLAMA, "model_type": "jamba", "num_experts": 8, "num_experts_per_tok": 2},
    "gpt_oss": {
        **LLAMA,
        "model_type": "gpt_oss",
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "layer_types": ["full_attention"] * 4,
    },
    "mamba2": {"model_type": "mamba2", "vocab_size": 128, "hidden_size": 64, "num_hidden_layers": 4}
    | {"num_heads": 8, "head_dim": 16, "expand": 2},
    "gpt2": {"model_type": "gpt2", "vocab_size": 128, "n_embd": 48, "n_layer": 3, "n_head": 3},
}
SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "n_embd", "n_layer")
HEADS = ("num_attention_heads", "num_heads", "n_head")
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
NO_SIZE = ["64", "", 0, -1, 1.5, float("nan"), float("inf"), 2**70, 10**400, True, [], [64], {}, {"size": 64}]


NO_EXPERTS_IS_DENSE = {"qwen3_moe", "qwen3_next"}
"""Types whose `num_experts: 0` is a dense model."""


def cases(keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """(model type, key) wherever a config holds one of the keys."""
    return [(name, key) for name, config in CONFIGS.items() for key in keys if key in config]


def refused(config: Any) -> str:
    """The message with which a config is refused."""
    with pytest.raises(InputError) as error:
        read_config(config)
    assert error.value.exit_code == EXIT_BAD_INPUT
    assert len(error.value.message) < 400, "a message is for reading"
    return error.value.message


def names_a_key_if_refused(config: Any) -> None:
    """Read a config; fail on any error but one that names a key."""
    refusal = None
    try:
        read_config(config).architecture.lower_to_ledger()
    except InputError as error:
        refusal = error.message
    assert refusal is None or "`" in refusal, (refusal, config)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_configs_are_good_before_they_are_spoilt(name):
    assert read_config(CONFIGS[name]).unread == ()


@pytest.mark.parametrize("value", NO_SIZE, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize(("name", "key"), cases(SIZES + HEADS + EXPERTS))
def test_a_size_that_is_none_is_refused_by_name_and_value(name, key, value):
    if key in EXPERTS and value == 0 and name in NO_EXPERTS_IS_DENSE:
        pytest.skip("a dense model")
    message = refused({**CONFIGS[name], key: value})
    assert key in message
    assert repr(value)[:20] in message


# DeepSeek's heads share one latent and divide nothing.
@pytest.mark.parametrize(
    ("name", "key"), [case for case in cases(("num_attention_heads", "n_head")) if case[0] != "deepseek_v3"]
)
def test_heads_that_do_not_divide_are_refused(name, key):
    config = {k: v for k, v in CONFIGS[name].items() if k != "head_dim"} | {key: 7}
    message = refused(config)
    assert "heads" in message
    assert "7" in message


@pytest.mark.parametrize(("name", "key"), cases(EXPERTS))
def test_more_experts_per_token_than_there_are_is_refused(name, key):
    message = refused({**CONFIGS[name], "num_experts_per_tok": 9})
    assert "9" in message
    assert "top_k" in message or "num_experts_per_tok" in message


@pytest.mark.parametrize(
    "layer_types", [["full_attention"], ["full_attention"] * 5, ["nonsense"] * 4, "x", 4, {}]
)
@pytest.mark.parametrize("name", ["gemma3_text", "qwen3_next", "gpt_oss"])
def test_wrong_lists_of_layers_are_refused(name, layer_types):
    assert "layer_types" in refused({**CONFIGS[name], "layer_types": layer_types})


NEMOTRON = MODULES["nemotron_h"].TINY
LFM2 = MODULES["lfm2"].TINY


@pytest.mark.parametrize(
    ("config", "key", "value", "hint"),
    [
        ({**CONFIGS["deepseek_v3"], "n_group": 3}, "n_group", "3", "a divisor of the 8 experts"),
        ({**NEMOTRON, "n_group": 4}, "n_group", "4", "a divisor of the 6 experts"),
        ({**NEMOTRON, "num_hidden_layers": 7}, "num_hidden_layers", "7", "names every layer once"),
        (
            {
                **NEMOTRON,
                "layers_block_type": None,
                "hybrid_override_pattern": "M-M*",
                "num_hidden_layers": 5,
            },
            "num_hidden_layers",
            "5",
            "names every layer once",
        ),
        (
            {**LFM2, "layer_types": None, "num_hidden_layers": 4, "full_attn_idxs": [1, 4]},
            "full_attn_idxs",
            "[1, 4]",
            "from 0 to 3",
        ),
        (
            {**LFM2, "layer_types": None, "num_hidden_layers": 4, "full_attn_idxs": [-1]},
            "full_attn_idxs",
            "[-1]",
            "from 0 to 3",
        ),
        (
            {**CONFIGS["gemma3_text"], "layer_types": "full_attention"},
            "layer_types",
            "'full_attention'",
            "a list",
        ),
    ],
)
def test_what_contradicts_another_key_is_named_with_what_is_allowed(config, key, value, hint):
    with pytest.raises(InputError) as error:
        read_config(config)
    assert error.value.message.startswith(f"`{key}` is {value}")
    assert hint in error.value.hint


def test_groups_that_the_choice_of_experts_ignores_need_not_divide():
    config = {**CONFIGS["deepseek_v3"], "n_group": 3, "topk_method": "greedy"}
    assert read_config(config).architecture


def test_a_known_type_with_keys_of_a_later_release():
    """Kimi K3 shares `kimi_linear` and has more in it: what nobody reads is named, and refused with `strict`."""
    config = {
        "model_type": "kimi_linear",
        "num_hidden_layers": 4,
        "linear_attn_config": {"kda_layers": [1, 2, 3], "full_attn_layers": [4], "gate_lora_rank": 7},
        "attn_res_block_size": 4,
        "expert_latent_size": 64,
    }
    unread = ("attn_res_block_size", "expert_latent_size", "linear_attn_config.gate_lora_rank")
    assert set(read_config(config).unread) == set(unread)
    (warning,) = [warning for warning in load(config).warnings if "nobody read" in warning]
    assert all(f"`{key}`" in warning for key in unread)
    with pytest.raises(InputError, match="keys nobody read") as error:
        load(config, strict=True)
    assert all(f"`{key}`" in error.value.message for key in unread)


@pytest.mark.parametrize("value", ["yes", 1, 0, "false", [True], float("nan")], ids=repr)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_flag_that_is_neither_true_nor_false_is_refused(name, value):
    message = refused({**CONFIGS[name], "tie_word_embeddings": value})
    assert "tie_word_embeddings" in message
    assert repr(value) in message


@pytest.mark.parametrize(
    "config", [[], [LLAMA], "llama", 7, None, True, {}, {"model_type": None}, {"model_type": 7}]
)
def test_what_is_no_config_is_refused(config):
    assert "config" in refused(config) or "model_type" in refused(config)


@pytest.mark.parametrize(
    "model_type", ["", ".", "..", "__init__", "_classic", "llama.py", "os", "../llama", "x" * 5000]
)
def test_a_type_nobody_reads_is_refused(model_type):
    assert "model_type" in refused({**LLAMA, "model_type": model_type})


@pytest.mark.parametrize("name", ["gemma3", "qwen3_5", "llava"])
@pytest.mark.parametrize(
    "text", [[], "x", {}, {"model_type": 7}, {"model_type": "bert"}, {"model_type": "gemma3"}]
)
def test_a_whole_without_a_language_model_is_read_or_refused(name, text):
    names_a_key_if_refused({"model_type": name, "text_config": text})


@pytest.mark.parametrize("layers", [10_001, 2**20, 2**39])
def test_more_layers_than_any_model_has_are_refused_at_once(layers):
    assert "num_hidden_layers" in refused({**LLAMA, "num_hidden_layers": layers})


ODD = [
    "64",
    0,
    -1,
    1.5,
    float("nan"),
    float("inf"),
    2**39,
    2**70,
    True,
    None,
    [],
    [None],
    [[1]],
    {},
    {"0": {"x": 1}},
]


@pytest.mark.parametrize("model_type", sorted(MODULES))
def test_no_family_fails_on_an_odd_value_of_any_key(model_type):
    base = MODULES[model_type].TINY
    keys = {**find_family(model_type).DEFAULTS, **base} if find_family(model_type) else base
    for key in keys.keys() - {"model_type"}:
        spoilt = (
            [[odd] * len(keys[key]) for odd in (None, -1, "x", {})] if isinstance(keys[key], list) else []
        )
        for value in ODD + spoilt:
            names_a_key_if_refused({**base, key: value})


FILES = {
    "a list": json.dumps([LLAMA]),
    "empty": "",
    "an empty mapping": "{}",
    "not JSON": "{'model_type': 'llama'}",
    "cut off": json.dumps(LLAMA)[:-20],
    "nested to a megabyte": '{"a":' * 2**18,
    "brackets": "[" * 2**20,
    "a megabyte of nesting, closed": '{"model_type": "llama", "a": ' + "[" * 2**19 + "]" * 2**19 + "}",
    "NaN": '{"model_type": "llama", "hidden_size": NaN}',
    "infinite": '{"model_type": "llama", "hidden_size": 1e999}',
    "numbers as strings": json.dumps({**LLAMA, "hidden_size": "64"}),
    "many digits": '{"model_type": "llama", "hidden_size": ' + "9" * 10**6 + "}",
    "absurd": json.dumps({**LLAMA, "hidden_size": 2**70}),
    "no heads": json.dumps({**LLAMA, "num_attention_heads": 0}),
    "an encoder": json.dumps({"model_type": "bert"}),
}


def limited() -> None:
    """A gibibyte of address space for the process: room for Python, not for an accident."""
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))


@pytest.mark.parametrize("name", FILES)
def test_the_command_says_so_in_bounded_memory(name, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(FILES[name], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "moecalc", "show", str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
        check=False,
        preexec_fn=limited,
    )
    assert done.returncode == EXIT_BAD_INPUT, done.stderr[-500:]
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 1000
    assert done.stdout == ""
