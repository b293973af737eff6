"""Group-limited routing in configs and in the catalogue: how many groups a token's experts may come from."""

import pytest

import moecalc
from moecalc.errors import InputError
from moecalc.ir.blocks.moe import MoE
from tests.calc import released


def limits(model):
    pools = {weight.pool for weight in model.ledger.weights if weight.pool is not None}
    return {(pool.groups, pool.group_limit) for pool in pools}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("deepseek-v3", (8, 4)),  # deepseek-ai/DeepSeek-V3 config.json: n_group, topk_group
        ("deepseek-r1", (8, 4)),
        ("deepseek-v3.2", (8, 4)),
        ("deepseek-v2", (8, 3)),  # deepseek-ai/DeepSeek-V2 config.json
        ("ling-mini-2.0", (8, 4)),  # inclusionAI/Ling-V2 configuration_bailing_moe_v2.py
        ("kimi-k2", (1, None)),
        ("llama-4-maverick", (1, None)),
        ("qwen3-30b-a3b", (1, None)),
    ],
)
def test_the_catalogue(name, expected):
    assert limits(moecalc.load(name)) == {expected}


def test_a_config_as_it_was_released():
    assert limits(moecalc.load(released.DEEPSEEK_V3)) == {(8, 4)}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"topk_group": 8}, (8, None)),  # as many as there are: no limit
        ({"n_group": 1, "topk_group": 1}, (1, None)),
        ({"n_group": 4, "topk_group": 2}, (4, 2)),
        ({"topk_method": "greedy"}, (8, None)),  # chooses among all
    ],
)
def test_other_groups(changed, expected):
    assert limits(moecalc.load(released.DEEPSEEK_V3 | changed)) == {expected}


def test_it_changes_no_count():
    one, other = (moecalc.load(released.DEEPSEEK_V3 | {"topk_group": limit}) for limit in (2, 8))
    assert one.params.total == other.params.total
    assert one.params.active() == other.params.active()
    assert one.decode_flops() == other.decode_flops()


def test_a_limit_beyond_the_groups_is_refused():
    with pytest.raises((InputError, ValueError), match="`group_limit` 9 exceeds the 8 `groups`"):
        MoE(experts=64, top_k=4, intermediate_size=8, groups=8, group_limit=9)
