"""Which plan, and how many devices: the searches over what ranks hold."""

from itertools import combinations, pairwise

import pytest
from msgspec.structs import replace

from moecalc.api.fit_setting import Asked
from moecalc.calc.deploy.budget import Holding, fullest
from moecalc.calc.deploy.case import Room
from moecalc.calc.deploy.fitting import best_holding, roomiest
from moecalc.calc.deploy.search import COUNTS, Search
from moecalc.calc.deploy.sharding import layer_count
from moecalc.calc.deploy.shards import Shards
from moecalc.errors import InputError
from moecalc.specs.hardware import accelerators
from moecalc.specs.plan import Plan

GIB = 2**30


def asked(name: str, context: int = 4096, sequences: int = 1) -> Asked:
    return Asked(
        name, context=context, sequences=sequences, kv_dtype=None, utilization=None, engine="generic"
    )


@pytest.mark.parametrize("name", ["deepseek-v3", "llama-3.1-70b", "gpt-oss-20b"])
def test_the_fewest_devices_hold_it_and_the_next_count_below_does_not(name: str) -> None:
    one = asked(name)
    setting, precision = one.setting("released", ()), one.precision("released")
    search = Search(one.shards(setting), precision, setting.overhead, setting.case)
    found = 0
    for device in accelerators():
        memory = device.usable_bytes()
        need = search.fewest(memory.bytes) if memory else None
        if memory is None or need is None:
            continue
        found += 1
        assert need.rank.free_bytes >= 0
        assert need.plan.devices == need.count
        if need.count > 1:
            below = COUNTS[COUNTS.index(need.count) - 1]
            assert search.fewest(memory.bytes, [below]) is None, device.name
            room = Room((memory.bytes,) * below, setting.overhead(below))
            worse = best_holding(one.shards(setting), precision, room, setting.case)
            assert fullest(setting.case.ranks(worse, room)).free_bytes < 0
    assert found > 40


def test_more_memory_never_needs_more_devices() -> None:
    one = asked("qwen3-235b-a22b")
    setting = one.setting("released", ())
    search = Search(one.shards(setting), one.precision("released"), setting.overhead, setting.case)
    counts = [need.count for size in range(16, 600, 8) if (need := search.fewest(size * GIB))]
    assert counts == sorted(counts, reverse=True)


def test_plans_deal_experts_out_over_copies_too() -> None:
    shards = Shards(asked("deepseek-v3").model.ledger)
    plans = shards.plans(16)
    assert Plan(tensor=8, data=2, expert=16) in plans
    assert Plan(data=16, expert=16) in plans
    assert Plan(tensor=8, pipeline=2) in plans
    assert all(plan.devices == 16 and plan.tensor <= 8 for plan in plans)
    assert shards.plans(16, layers_only=True) == [Plan(pipeline=16)]


def test_a_dense_model_has_no_experts_to_deal() -> None:
    shards = Shards(asked("llama-3.1-70b").model.ledger)
    assert {plan.expert for count in COUNTS for plan in shards.plans(count)} == {1}


def test_plans_that_cut_a_quantization_block_come_last() -> None:
    one = asked("minimax-m2")  # FP8 in 128 x 128 blocks, experts 1,536 wide
    setting, precision = one.setting("released", ()), one.precision("released")
    room = Room((140 * GIB,) * 8, 0)
    holding = best_holding(one.shards(setting), precision, room, setting.case)
    assert holding.plan == Plan(tensor=8, expert=8)


def test_stages_hold_latents_once_that_tensor_ranks_all_hold() -> None:
    one = asked("deepseek-v3", context=32_768, sequences=16)
    setting, precision = one.setting("released", ()), one.precision("released")
    room = Room((126 * GIB,) * 8, GIB)
    best = roomiest(one.shards(setting), precision, room, setting.case)
    assert best is not None
    holding, count = best
    chosen = best_holding(one.shards(setting), precision, room, setting.case)
    assert chosen.plan.tensor == 8
    own = chosen.most_sequences(room.of_stages(chosen.plan), GIB, 32_768)
    assert own is not None
    assert count > own
    assert holding.fits(room.of_stages(holding.plan), GIB, 32_768, count)


def test_unequal_devices_get_layers_by_their_memory() -> None:
    one = asked("llama-3.1-70b")
    setting, precision = one.setting("released", ()), one.precision("released")
    room = Room((160 * GIB, 80 * GIB), 0)
    plan = best_holding(one.shards(setting), precision, room, setting.case).plan
    assert sum(plan.stages) == 80
    free = [rank.free_bytes for rank in setting.case.ranks(_holding(one, plan), room)]
    for giver, taker in ((0, 1), (1, 0)):  # no layer moved either way leaves the fullest with more
        moved = list(plan.stages)
        moved[giver] -= 1
        moved[taker] += 1
        other = Plan(pipeline=2, stages=tuple(moved))
        after = [rank.free_bytes for rank in setting.case.ranks(_holding(one, other), room)]
        assert min(after) <= min(free)


@pytest.mark.parametrize(
    ("name", "stages"), [("deepseek-v2-lite", 3), ("llama-3.1-8b", 3), ("jamba-v0.1", 4)]
)
def test_equal_devices_hold_what_any_dealing_of_layers_lets_them_hold(name: str, stages: int) -> None:
    """Every dealing is tried: the least capacity of the best is enough, and a byte less is not."""
    one = asked(name)
    setting, precision = one.setting("released", ()), one.precision("released")
    case = replace(setting.case, layers_only=True)
    layers = layer_count(one.model.ledger)
    largest = []
    for cuts in combinations(range(1, layers), stages - 1):
        sizes = tuple(b - a for a, b in pairwise((0, *cuts, layers)))
        plan = Plan(pipeline=stages, stages=sizes)
        ranks = case.ranks(_holding(one, plan), Room((0,) * stages, GIB))
        largest.append((max(rank.total_bytes for rank in ranks), sizes))
    least, _ = min(largest)
    for capacity, fits in ((least, True), (least - 1, False)):
        room = Room((capacity,) * stages, GIB)
        found = best_holding(one.shards(setting), precision, room, case)
        assert found.fits(room.of_stages(found.plan), GIB, 4096, 1) is fits


def test_layers_are_dealt_evenly_where_that_fits() -> None:
    one = asked("deepseek-v3")
    setting, precision = one.setting("released", ()), one.precision("released")
    case = replace(setting.case, layers_only=True)
    roomy, narrow = (Room((size * GIB,) * 10, GIB) for size in (80, 72))
    assert best_holding(one.shards(setting), precision, roomy, case).plan.stages == ()
    dealt = best_holding(one.shards(setting), precision, narrow, case).plan.stages
    assert sum(dealt) == 61
    assert dealt[0] > dealt[1]  # its first three layers are dense


def test_devices_that_no_plan_uses_say_what_the_heads_allow() -> None:
    one = asked("hrm-text-1b")  # runs its layers several times over, so no pipeline; 12 heads
    setting = one.setting("released", ())
    with pytest.raises(InputError, match="cannot be spread over 8 devices") as caught:
        best_holding(one.shards(setting), one.precision("released"), Room((80 * GIB,) * 8, 0), setting.case)
    assert caught.value.hint is not None
    assert "12" in caught.value.hint


def _holding(one: Asked, plan: Plan) -> Holding:
    setting = one.setting("released", ())
    return setting.case.holding(one.shards(setting).sharded(plan), one.precision("released"))
