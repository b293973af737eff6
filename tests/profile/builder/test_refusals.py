"""Parts that are built each, but not with one another: refused by name."""

from typing import Any

import msgspec
import pytest
import torch

from moecalc.errors import InputError
from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.block_indexer import BlockIndexer
from moecalc.ir.blocks.dynamic_mask import DynamicMask
from moecalc.profile.builder import build
from moecalc.sources.hf_config import read_config
from tests.oracle.families import llama

BLOCKS = BlockIndexer(heads=3, head_dim=8, block_size=4, top_k=2)
APART = [
    ({"dynamic_mask": DynamicMask(top_k=8), "sinks": True}, "`dynamic_mask` and `sinks`"),
    ({"dynamic_mask": DynamicMask(top_k=8), "softcap": True}, "`dynamic_mask` and `softcap`"),
    ({"differential": True, "gate": "elementwise"}, "`differential` and `gate`"),
    ({"differential": True, "norm": "rms"}, "`differential` and `norm: rms`"),
    ({"differential": True, "heads": 3, "kv_heads": 3}, "3 `kv_heads`, an odd number"),
    ({"heads": 6, "kv_heads": 2, "indexer": BLOCKS}, "3 `heads` over 2 `kv_heads`"),
]


def changed(config: dict[str, Any], *, mixer: dict[str, Any], **layer: Any) -> Architecture:
    """The architecture of a config with other fields in its first kind of layer."""
    architecture = read_config(config).architecture
    (stack,) = architecture.stacks
    (name, first), *_ = stack.layers.items()
    first = msgspec.structs.replace(first, mixer=msgspec.structs.replace(first.mixer, **mixer), **layer)
    stack = msgspec.structs.replace(stack, layers={**stack.layers, name: first})
    return msgspec.structs.replace(architecture, stacks=[stack])


def refusal(architecture: Architecture) -> str:
    with pytest.raises(InputError) as caught:
        build(architecture, dtype=torch.float32, device="meta")
    return str(caught.value)


@pytest.mark.parametrize(("fields", "said"), APART)
def test_parts_that_do_not_go_together(fields, said):
    assert said in refusal(changed(llama.TINY, mixer=fields))


def test_a_layer_has_no_more_gated_norms_than_norms_before_sublayers():
    gated = changed(llama.TINY, mixer={}, gated_norms=3, norm_gate_rank=4)
    assert "`gated_norms: 3`" in refusal(gated)


@pytest.mark.parametrize("placement", ["post", "sandwich", "parallel"])
def test_a_norm_behind_the_feed_forward_stands_where_there_is_none(placement):
    with pytest.raises(ValueError, match="`norm_behind_ffn` needs"):
        changed(llama.TINY, mixer={}, norm_behind_ffn=True, norm_placement=placement)
