"""The bytes of transformers' own cache where an indexer's keys are as wide as engines quantize them."""

import pytest
import torch

from moecalc.calc import memory
from moecalc.sources.hf_config import read_config
from moecalc.specs.kv_formats import served_apart
from tests.oracle import reference
from tests.oracle.cases import MODULES


def _bytes(cache: object) -> int:
    found = {
        tensor.data_ptr(): tensor.nbytes
        for layer in cache.layers  # type: ignore[attr-defined]
        for tensor in vars(layer).values()
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
    }
    return sum(found.values())


@pytest.mark.parametrize("model_type", ["deepseek_v32", "glm_moe_dsa"])
def test_transformers_keeps_index_keys_in_the_dtype_of_the_rest(model_type: str) -> None:
    config = MODULES[model_type].TINY | {"index_head_dim": 128, "num_hidden_layers": 2}
    ledger = read_config(config).architecture.lower_to_ledger()
    assert served_apart(ledger) == {"index keys": "fp8-row128"}
    model = reference.build_model(config).to(torch.bfloat16)
    held = _bytes(reference.fill_cache(model, 40))
    assert held == memory.state_bytes(ledger, 40, "bf16", runtime="transformers")
    assert held > memory.state_bytes(ledger, 40, "bf16")
