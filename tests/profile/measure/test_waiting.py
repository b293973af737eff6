"""No decode step waits for the device, nor has shapes that depend on what it computed: it can be made a graph.

Held by torch's fake tensors, which have shapes and no values: whatever asks for one (`item`, `tolist`, a boolean mask,
`nonzero`) raises. Experts are run by a loop here, which is what needs the most to be known.
"""

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)

from moecalc.ir.rows import Pool
from moecalc.profile.builder import build, grouped
from moecalc.profile.builder.routing import Forced
from moecalc.sources.hf_config import read_config
from moecalc.specs.routing import UNIFORM_SKEW
from tests.oracle.cases import MODULES
from tests.oracle.families import longcat_flash
from tests.profile.builder.test_types import BUILT, VARIANTS

CASES = [pytest.param(MODULES[name].TINY, id=name) for name in BUILT] + VARIANTS


def decode(config: dict[str, Any], skew: Any = UNIFORM_SKEW) -> tuple[int, ...]:
    architecture = read_config(config).architecture
    with FakeTensorMode():
        network = build(architecture, dtype=torch.bfloat16, device="cpu", routing=skew)
        cache = network.new_state(2, 64)
        network.fill(cache, 63)
        return tuple(network.decode(torch.zeros(2, 1, dtype=torch.int64), cache).shape)


@pytest.fixture(autouse=True)
def _loops(monkeypatch):
    monkeypatch.setattr(grouped, "_offered", lambda *_: False)


@pytest.mark.parametrize("config", CASES)
def test_a_decode_step_asks_the_device_for_nothing(config):
    assert decode(config)[0] == 2


def test_a_routers_own_choice_is_asked_for():
    """What the forced choice spares: without it the same step waits."""
    with pytest.raises((DataDependentOutputException, DynamicOutputShapeException)):
        decode(longcat_flash.TINY, skew=None)


@pytest.mark.parametrize("null", [0, 3])
@pytest.mark.parametrize("tokens", [1, 7, 64])
def test_what_the_host_knows_of_a_forced_choice_is_what_the_device_would_tell(null, tokens):
    pool = Pool(experts=8, top_k=2, null_experts=null)
    for layer in range(3):
        drawn = Forced(UNIFORM_SKEW, seed=5).drawn(pool, layer, tokens, torch.device("cpu"))
        by_expert = drawn.chosen.flatten().sort(stable=True).values
        assert list(drawn.ends) == grouped.ends_of(by_expert, 8).tolist()
        assert drawn.ends[-1] == int((drawn.chosen < 8).sum())
