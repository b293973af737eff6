"""What a rank cannot be built of: attention of which a part of the heads is not the part of the result."""

from types import SimpleNamespace

import pytest
import torch

from moecalc.errors import InputError
from moecalc.profile.distributed.network import build_rank
from moecalc.sources.hf_config import read_config
from moecalc.specs.plan import Plan
from tests.oracle.families import diffllama, doge

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
