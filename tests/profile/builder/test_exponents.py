"""Recurrences that carry an exponent beside their state: what no ordinary weights reach, held against transformers."""

import pytest
import torch
from transformers.models.xlstm.modeling_xlstm import mlstm_recurrent_step_native

from moecalc.profile.builder import build
from moecalc.profile.builder.mlstm import normalised
from moecalc.sources.hf_config import read_config
from tests.oracle.families import rwkv
from tests.profile.builder.against_transformers import check_logits, copy_weights, random_model
from tests.profile.builder.test_streams_against_transformers import OWN

pytestmark = pytest.mark.oracle


def test_keys_of_rwkv_beyond_what_an_exponential_holds():
    model = random_model(rwkv.TINY)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("attention.key.weight"):
                tensor.mul_(200)
        keys = model.rwkv.blocks[0].attention.key.weight.sum(1).abs()
    assert float(keys.max()) > 89, "exp overflows float32 above 88.7"
    network = build(read_config(rwkv.TINY).architecture, dtype=torch.float32, device="cpu")
    source = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    adapt, own = OWN["rwkv"]
    adapt(source, model.config)
    copy_weights(network, source, own)
    check_logits(network, model)


@pytest.mark.parametrize("exponent", [0.0, 12.0, 40.0])
def test_a_memory_of_mlstm_whose_normaliser_is_nothing(exponent: float):
    torch.manual_seed(7)
    query, memory = torch.randn(2, 3, 8), torch.randn(2, 3, 8, 5)
    nothing, open_gate = torch.zeros(2, 3, 8), torch.full((2, 3, 1), 100.0)
    wanted, _ = mlstm_recurrent_step_native(
        query=query,
        key=nothing,
        value=torch.zeros(2, 3, 5),
        igate=-open_gate,
        fgate=open_gate,
        cstate=memory,
        nstate=nothing,
        mstate=torch.full((2, 3, 1), exponent),
    )
    above = query[:, :, None] * 8**-0.5 @ memory
    made = normalised(above, torch.zeros(2, 3, 1, 1), torch.full((2, 3, 1), exponent))
    torch.testing.assert_close(made[:, :, 0], wanted, rtol=1e-5, atol=0)
