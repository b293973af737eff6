"""What layers are measured on top of: the same network without them is what is built with none."""

from collections import Counter

import pytest
import torch

from moecalc.profile.builder import Network, build
from moecalc.profile.builder.counters import count
from moecalc.profile.builder.plan import kinds
from tests.oracle.cases import MODULES
from tests.profile.builder.test_types import BUILT, architecture_of

WHOLE = {"hrm_text", "inkling2_text"}
"""Types of which no layer stands for others, so that they are run whole: stacks in a loop, residuals that grow."""


def weights_of(network: Network) -> Counter:
    return Counter(
        (stored.place, stored.row.role, tuple(stored.tensor.shape)) for stored in network.weights()
    )


def flops_of(network: Network) -> int:
    ids = torch.zeros(2, 5, dtype=torch.long, device="meta")
    state = network.new_state(2, 8)
    assert not list(state.tensors())
    return count(lambda: network.prefill(ids, state)).flops


@pytest.mark.parametrize("model_type", sorted(set(BUILT) - WHOLE))
def test_a_network_without_its_layers_is_one_that_is_built_with_none(model_type):
    architecture = architecture_of(MODULES[model_type].TINY)
    none = build(architecture, dtype=torch.float32, device="meta", layers=())
    layered = build(architecture, dtype=torch.float32, device="meta", layers=(kinds(architecture)[0].name,))
    before = weights_of(layered)
    bare = layered.without_layers()
    assert weights_of(bare) == weights_of(none)
    assert flops_of(bare) == flops_of(none) > 0
    assert weights_of(layered) == before != weights_of(bare)
    assert len(layered.layers) == 1
