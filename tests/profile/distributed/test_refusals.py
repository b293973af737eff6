"""What a rank cannot be built of: attention of which a part of the heads is not the part of the result."""

from types import SimpleNamespace

import pytest
import torch

from moecalc.cli import ranks
from moecalc.errors import InputError
from moecalc.profile.distributed import measuring
from moecalc.profile.distributed.measuring import AskedOfRanks, RankError
from moecalc.profile.distributed.network import build_rank
from moecalc.sources.hf_config import read_config
from moecalc.specs.plan import Plan
from moecalc.specs.routing import UNIFORM_SKEW
from tests.oracle.families import (
    cpmant,
    deepseek_v4,
    diffllama,
    doge,
    gemma4_text,
    hrm_text,
    jetmoe,
    mllama,
)
from tests.profile.measure.models import DENSE, model
from tests.profile.measure.test_out_of_memory import failing

READING_EACH_OTHER = [
    pytest.param({**diffllama.TINY, "num_key_value_heads": 4}, id="differential"),
    pytest.param(doge.TINY, id="dynamic_mask"),
]


@pytest.mark.parametrize("config", READING_EACH_OTHER)
def test_heads_that_read_each_other_are_not_split(config):
    architecture, group = read_config(config).architecture, SimpleNamespace(rank=0, size=2)
    with pytest.raises(InputError, match="`--tp 2`: attention whose heads read each other") as caught:
        build_rank(architecture, Plan(tensor=2), group, dtype=torch.float32, device="meta")
    assert "moecalc speed" in str(caught.value.hint)


WITH_EXPERTS = {**gemma4_text.TINY, **gemma4_text.VARIANTS[1]}
ALONE = [
    pytest.param(WITH_EXPERTS, Plan(tensor=2), "beside", id="experts-beside"),
    pytest.param(deepseek_v4.TINY, Plan(expert=2, data=2), "streams", id="hyper-connections"),
    pytest.param(mllama.TINY, Plan(tensor=2), "mixer_gate", id="cross-attention"),
    pytest.param(jetmoe.TINY, Plan(expert=2, data=2), "experts of heads", id="mixture-of-attention"),
    pytest.param(hrm_text.TINY, Plan(tensor=2), "loop", id="loop"),
    pytest.param(cpmant.TINY, Plan(tensor=1, data=2), "score_bias", id="score-biases"),
]


@pytest.mark.parametrize(("config", "plan", "said"), ALONE)
def test_parts_that_no_rank_exchanges_are_not_built(config, plan, said):
    architecture, group = read_config(config).architecture, SimpleNamespace(rank=0, size=2)
    with pytest.raises(InputError, match=f"is not built in parts: {said}") as caught:
        build_rank(architecture, plan, group, dtype=torch.float32, device="meta")
    assert "moecalc speed" in str(caught.value.hint)


def test_a_rank_that_runs_out_of_memory_says_so_itself(monkeypatch):
    joined: list[dict[str, object]] = []
    monkeypatch.setattr(measuring, "_found", failing(torch.OutOfMemoryError("CUDA out of memory")))
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda **how: joined.append(how))
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: joined.append({}))
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    for name, value in (
        ("RANK", "1"),
        ("LOCAL_RANK", "1"),
        ("WORLD_SIZE", "2"),
        ("MASTER_ADDR", "localhost"),
    ):
        monkeypatch.setenv(name, value)
    asked = AskedOfRanks(
        plan=Plan(tensor=2),
        cpu=True,
        batch=64,
        prompt=8,
        context=16,
        dtype="fp32",
        repeats=1,
        seed=0,
        skew=UNIFORM_SKEW,
    )

    @ranks.said_once
    def command(**_: object) -> int:
        measuring.measure_ranks(model(DENSE), asked)
        return 0

    with pytest.raises(RankError, match="rank 1 ran out of memory on `cpu` at batch 64"):
        command(tp=2)
    assert joined == [{"backend": "gloo"}, {}]  # and leaves the others


def test_nccl_is_told_its_gpu():
    gpu = torch.device("cuda", 3)
    assert measuring.joining_by(gpu) == {"backend": "nccl", "device_id": gpu}
