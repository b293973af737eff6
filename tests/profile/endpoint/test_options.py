"""Options of a run here beside `--endpoint`, and the other way round: refused by name, never passed over."""

import pytest

from moecalc.cli import profile
from moecalc.errors import InputError

URL = {"url": "http://127.0.0.1:9", "served": "tiny"}
OF_A_RUN = {
    "model": "gpt2",
    "cpu": True,
    "context": "128",
    "batch": "1",
    "dtype": "fp32",
    "layers": "all",
    "routing": "zipf:1",
    "repeat": 3,
    "seed": 0,
    "via": "transformers",
    "trace": "trace.json",
    "calibrate": True,
}
OF_A_SERVER = {
    "served": "tiny",
    "like": "gpt2",
    "concurrency": "1",
    "output": "16",
    "requests": 4,
    "seconds": 1.0,
    "timeout": 1.0,
    "kv_dtype": "fp8",
    "engine": "vllm",
}
OF_AN_EXPECTATION = {"tp": 2, "quant": "fp8", "kv_dtype": "fp8", "engine": "vllm"}


@pytest.mark.parametrize("option", OF_A_RUN)
def test_beside_a_server_what_is_of_a_run_here(option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is not about a served model") as caught:
        profile.command(**URL, **{option: OF_A_RUN[option]})
    assert option in caught.value.message.lower()


@pytest.mark.parametrize("option", OF_A_SERVER)
def test_without_a_server_what_is_of_one(option):
    with pytest.raises(InputError, match="is about a served model") as caught:
        profile.command("gpt2", cpu=True, **{option: OF_A_SERVER[option]})
    assert "--endpoint" in caught.value.hint


@pytest.mark.parametrize("option", OF_AN_EXPECTATION)
def test_without_an_expectation_what_is_of_one(option):
    with pytest.raises(InputError, match="is about what is expected of a server") as caught:
        profile.command(**URL, **{option: OF_AN_EXPECTATION[option]})
    assert f"--{option.replace('_', '-')}" in caught.value.message
    assert "--like" in caught.value.hint
