"""What a rank cannot be built of: attention of which a part of the heads is not the part of the result."""

from types import SimpleNamespace

import pytest
import torch

from moecalc.errors import InputError
from moecalc.profile.distributed.network import build_rank
from moecalc.sources.hf_config import read_config
from moecalc.specs.plan import Plan
from tests.oracle.families import deepseek_v4, diffllama, doge, gemma4_text, jetmoe, mllama

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
]


@pytest.mark.parametrize(("config", "plan", "said"), ALONE)
def test_parts_that_no_rank_exchanges_are_not_built(config, plan, said):
    architecture, group = read_config(config).architecture, SimpleNamespace(rank=0, size=2)
    with pytest.raises(InputError, match=f"is not built in parts: {said}") as caught:
        build_rank(architecture, plan, group, dtype=torch.float32, device="meta")
    assert "moecalc speed" in str(caught.value.hint)
