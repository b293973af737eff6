"""One rank's share: identities that any plan must keep, and published figures per GPU."""

import pytest

from moecalc.api.loading import load
from moecalc.api.model import Model
from moecalc.calc import memory
from moecalc.calc.deploy.ranks import Sharded, kv_copies, surplus
from moecalc.calc.deploy.sharding import allowed_tensor_sizes, layer_count, rank_ledger
from moecalc.errors import InputError
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Ledger
from moecalc.sources import catalog
from moecalc.specs.plan import Plan

LANGUAGE = (Component.LANGUAGE,)

SPLIT_RECURRENT = {
    Role.RECURRENT_IN,
    Role.RECURRENT_CONV,
    Role.RECURRENT_PROJECTION,
    Role.RECURRENT_PARAMETER,
    Role.RECURRENT_OUT,
}


def model(name: str) -> Model:
    loaded = load(name)
    assert isinstance(loaded, Model)
    return loaded


def weight_bytes(found: Model, plan: Plan, components: tuple[Component, ...] = LANGUAGE) -> list[int]:
    """Of the fullest rank of each stage."""
    sharded = Sharded(ledger=found.ledger, plan=plan, components=components)
    return [sum(dict(sharded.weight_groups(i, found.precision)).values()) for i in range(plan.pipeline)]


def state_bytes(found: Model, plan: Plan, context: int) -> list[int]:
    """Of one sequence, on a rank of each stage."""
    sharded = Sharded(ledger=found.ledger, plan=plan)
    return [sharded.state_bytes(i, context, "bf16") for i in range(plan.pipeline)]


def known() -> list[Model]:
    models = (load(name) for name in catalog.files())
    return [found for found in models if isinstance(found, Model)]


def test_one_device_holds_the_whole_of_every_model() -> None:
    for found in known():
        rank = rank_ledger(found.ledger, Plan())
        assert rank.weights == found.ledger.weights, found.name
        assert rank.states == found.ledger.states, found.name


@pytest.mark.parametrize("plan", [Plan(tensor=2), Plan(pipeline=2), Plan(tensor=4, pipeline=3)])
def test_all_ranks_together_hold_the_model_and_the_named_surplus(plan: Plan) -> None:
    tried = 0
    for found in known():
        looped = any(w.applications > 1 and w.layers > 1 for w in found.ledger.weights)
        if plan.tensor not in allowed_tensor_sizes(found.ledger, 4) or (plan.pipeline > 1 and looped):
            continue
        held = sum(weight_bytes(found, plan))
        extra = sum(part.bytes for part in surplus(found.ledger, found.precision, plan, LANGUAGE))
        whole = memory.weight_bytes(found.ledger, found.precision)
        assert held * plan.stage_devices == whole + extra, found.name
        tried += 1
    assert tried > 100


def test_stages_share_out_the_weights_and_the_state_of_a_model_whose_head_is_its_own() -> None:
    found = model("llama-3.1-70b")
    plan = Plan(pipeline=5)
    assert sum(weight_bytes(found, plan)) == memory.weight_bytes(found.ledger, found.precision)
    assert sum(state_bytes(found, plan, 1000)) == memory.state_bytes(found.ledger, 1000, "bf16")


def test_a_tied_head_is_copied_to_the_last_stage() -> None:
    found = model("llama-3.2-1b")
    parts = surplus(found.ledger, found.precision, Plan(pipeline=2), LANGUAGE)
    # vocab_size 128,256 x hidden_size 2,048 in bf16 (config.json of meta-llama/Llama-3.2-1B)
    assert [(part.bytes, part.why) for part in parts] == [(128_256 * 2_048 * 2, "copied")]


def test_key_value_heads_fewer_than_the_ranks_are_stored_several_times() -> None:
    # Qwen3-235B-A22B: 4 key-value heads, 94 layers, head_dim 128 (its config.json): on 8 ranks each has one head.
    found = model("qwen3-235b-a22b")
    assert state_bytes(found, Plan(tensor=8), 1) == [2 * 94 * 1 * 128 * 2]
    assert kv_copies(found.ledger, Plan(tensor=8)) == 2
    assert kv_copies(found.ledger, Plan(tensor=4)) == 1


def test_a_published_figure_per_gpu() -> None:
    # "59 GB per GPU" for Qwen3-235B-A22B in bf16 on TP 8, read as 10^9 bytes (public deployment reports, 2025).
    found = model("qwen3-235b-a22b")
    assert round(weight_bytes(found, Plan(tensor=8))[0] / 10**9) == 59


def test_a_latent_is_on_every_rank_unless_its_tokens_are_dealt_out() -> None:
    found = model("deepseek-v3")
    whole = memory.state_bytes(found.ledger, 8192, "bf16")
    assert state_bytes(found, Plan(tensor=8), 8192) == [whole]
    assert state_bytes(found, Plan(tensor=8, decode_context=8), 8192) == [whole / 8]


def test_decode_context_ranks_need_copies_to_share() -> None:
    found = model("llama-3.1-70b")  # 8 key-value heads: 8 ranks leave no copies
    with pytest.raises(InputError, match="deals out tokens among ranks that hold the same"):
        rank_ledger(found.ledger, Plan(tensor=8, decode_context=2))


@pytest.mark.parametrize(
    ("name", "layers", "inner"), [("falcon-mamba-7b", 64, 8192), ("jamba-1.5-large", 63, 16384)]
)
def test_a_recurrence_without_heads_is_split_by_channels(name: str, layers: int, inner: int) -> None:
    # vLLM's state shapes of Mamba-1: (intermediate_size / TP, state_size) and (intermediate_size / TP, kernel - 1).
    found = model(name)
    rank = rank_ledger(found.ledger, Plan(tensor=8))
    for role, shape in {
        Role.RECURRENT_STATE: (1, inner // 8, 16),
        Role.RECURRENT_CONV_STATE: (inner // 8,),
    }.items():
        states = [row for row in rank.states if row.role is role]
        assert {tuple(dim.size for dim in row.dims) for row in states} == {shape}
        assert sum(row.layers for row in states) == layers
    whole = sum(w.elements for w in found.ledger.weights if w.role in SPLIT_RECURRENT)
    assert sum(w.elements for w in rank.weights if w.role in SPLIT_RECURRENT) * 8 == whole
    mixers = tuple(w for w in found.ledger.weights if w.role in SPLIT_RECURRENT)
    with pytest.raises(InputError, match=f"{inner} ssm_channels cannot be dealt to 3 ranks"):
        rank_ledger(Ledger(mixers, (), ()), Plan(tensor=3))


def test_experts_are_dealt_whole_under_expert_parallelism() -> None:
    found = model("deepseek-v3")
    plan = Plan(data=8, expert=8)
    rank = rank_ledger(found.ledger, plan)
    experts = {w.shape[0].size for w in rank.weights if w.pool and w.component is Component.LANGUAGE}
    assert experts == {256 // 8}
    with_copies = rank_ledger(found.ledger, Plan(data=8, expert=8, redundant_experts=32))
    assert {w.shape[0].size for w in with_copies.weights if w.pool} == {(256 + 32) // 8}


def test_redundant_experts_are_copies_and_no_padding() -> None:
    found = model("deepseek-v3")
    routed = sum(
        found.precision.bytes_of(w)
        for w in found.ledger.weights
        if w.role.group == "routed" and w.component is Component.LANGUAGE
    )
    for redundant, padded in ((32, 0), (0, 0)):
        plan = Plan(tensor=8, data=4, expert=32, redundant_experts=redundant)
        parts = {
            part.why: part.bytes
            for part in surplus(found.ledger, found.precision, plan, LANGUAGE)
            if part.what == "routed"
        }
        assert parts.get("copied", 0) == routed * redundant // 256
        assert parts.get("padded", 0) == padded


def test_data_parallel_attention_copies_attention_alone() -> None:
    found = model("deepseek-v3")
    split = Sharded(ledger=found.ledger, plan=Plan(tensor=8), components=LANGUAGE)
    copied = Sharded(ledger=found.ledger, plan=Plan(tensor=8, attention_data=8), components=LANGUAGE)
    before = dict(split.weight_groups(0, found.precision))
    grown = {group for group, size in copied.weight_groups(0, found.precision) if size > before[group]}
    assert grown == {"attention"}


def test_the_vocabulary_is_padded_before_it_is_split() -> None:
    found = model("qwen3-30b-a3b")  # vocab_size 151,936 = 64 x 2,374
    rank = rank_ledger(found.ledger, Plan(tensor=4, vocabulary_multiple=64 * 5))
    tokens = next(w for w in rank.weights if w.role.value == "embedding.tokens")
    assert tokens.shape[0].size == -(-151_936 // 320) * 320 // 4


def test_layers_go_to_stages_as_evenly_as_they_can() -> None:
    found = model("deepseek-v3")
    assert layer_count(found.ledger) == 61
    # vLLM's get_pp_indices for 61 layers on 8 stages: the last but one and those before it take the remainder.
    assert [len(layers) for layers in Plan(pipeline=8).layers_of_stages(61)] == [7, 7, 8, 8, 8, 8, 8, 7]
    assert [len(layers) for layers in Plan(pipeline=2, stages=(31, 30)).layers_of_stages(61)] == [31, 30]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("llama-13b", {"tensor": 3}, "40 heads cannot be dealt to 3 ranks"),
        ("llama-3.1-70b", {"pipeline": 81}, "more stages than 80 layers"),
        ("llama-3.1-70b", {"tensor": 8, "expert": 8}, "has no routed experts"),
        ("mixtral-8x7b", {"data": 16, "expert": 16}, "more ranks than 8 experts"),
        ("hrm-text-1b", {"pipeline": 2}, "runs its layers several times"),
    ],
)
def test_a_plan_that_cannot_be_laid_out_says_why(name: str, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        rank_ledger(model(name).ledger, Plan(**arguments))
    assert caught.value.hint


@pytest.mark.parametrize(
    "arguments",
    [
        {"tensor": 0},
        {"tensor": -2},
        {"pipeline": True},
        {"tensor": 4, "expert": 3},
        {"tensor": 4, "attention_data": 3},
        {"tensor": 8, "attention_data": 4, "decode_context": 4},
        {"redundant_experts": -1},
        {"pipeline": 2, "stages": (3,)},
        {"tensor": 70_000},
    ],
)
def test_sizes_that_no_plan_has_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(InputError):
        Plan(**arguments)
