"""The engines' files: all load, every number says where it was read, templates take what they are given."""

from pathlib import Path

import pytest
import yaml

from moecalc.errors import InputError
from moecalc.specs import engines
from moecalc.specs.engines import engine_names, find_engine

GIB = 2**30


def test_generic_comes_last_and_says_that_it_is_none() -> None:
    assert engine_names() == ["llama.cpp", "vllm", "generic"]
    assert "no engine" in (find_engine("generic").note or "")


@pytest.mark.parametrize("name", engine_names())
def test_every_number_has_a_source(name: str) -> None:
    def check(part: object, where: str) -> int:
        if isinstance(part, dict):
            if "value" in part:
                assert len(part["source"]) > 10, where
                return 1
            return sum(check(value, f"{where}.{key}") for key, value in part.items())
        return sum(check(value, where) for value in part) if isinstance(part, list) else 0

    path = Path(engines.__file__).parent / "data" / "engines" / f"{name}.yaml"
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert check(raw, name) >= 2
    assert all(tier["source"] for tier in raw["steps"])


def test_names_are_forgiven_and_unknown_ones_told_apart() -> None:
    assert find_engine(" vLLM ") is find_engine("vllm")
    with pytest.raises(InputError, match="no figures for engine `sglang`") as told:
        find_engine("sglang")
    assert "generic" in (told.value.hint or "")
    with pytest.raises(InputError) as near:
        find_engine("vlm")
    assert "did you mean `vllm`" in (near.value.hint or "")


def test_vllms_scheduler_defaults_by_device() -> None:
    """get_batch_defaults: 70 GiB and more, but for an A100, take larger steps; 160 GiB and more, larger still."""
    vllm = find_engine("vllm")
    sizes = {
        "h200-sxm": (vllm.tier(139 * GIB, "h200-sxm").batched_tokens, 8192),
        "b200": (vllm.tier(178 * GIB, "b200").batched_tokens, 16384),
        "a100": (vllm.tier(79 * GIB, "a100-sxm-80gb").batched_tokens, 2048),
        "l4": (vllm.tier(22 * GIB, "l4").batched_tokens, 2048),
    }
    assert all(found == said for found, said in sizes.values())


def test_a_parallel_size_that_no_engine_has_is_none_of_its_splits() -> None:
    assert find_engine("llama.cpp").splits == ("pipeline",)
    assert "attention_data" not in find_engine("vllm").splits
