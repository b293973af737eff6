"""The computed sentences, against a byte count done again here."""

import re
from fractions import Fraction

import msgspec
import pytest

from moecalc.calc.attention_words import cache_words
from moecalc.calc.comparing import verdict
from moecalc.calc.comparing.demand import EqualState, LedgerDemand, StatedDemand
from moecalc.calc.comparing.deployment import Deployment
from moecalc.calc.comparing.verdict import Subject, is_sparse, sentences
from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.embedding import Embedding
from moecalc.ir.blocks.ffn import Gated
from moecalc.ir.blocks.mamba2 import Mamba2
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.specs.formats import Precision
from tests.calc import released
from tests.calc.comparing.deployed import H100, LLAMA_13B, MIXTRAL
from tests.calc.released import ledger_of


def subject(name, demand, gpus, *, total, active, state, context=4096, words=""):
    return Subject(
        name=name,
        total=total,
        active=active,
        state_per_token=state,
        attention=words,
        smallest=Deployment(demand, H100, gpus, context, Fraction(9, 10)),
    )


SPARSE = subject(
    "sparse",
    MIXTRAL,
    2,
    total=46_702_792_704,
    active=12_879_925_248,
    state=128 * 2**10,
    words="GQA 8/32",
)
DENSE = subject(
    "dense",
    LLAMA_13B,
    1,
    total=13_015_864_320,
    active=13_015_864_320,
    state=800 * 2**10,
    words="MHA 40/40",
)

# Decimal GB, bandwidth-bound throughout: embedding tables are looked up, the rest is read once.
ROUTED = 32 * 8 * 3 * 14336 * 4096 * 2 / 1e9
SPARSE_READ = (2 * 46_702_792_704 - 2 * 32000 * 4096) / 1e9
DENSE_READ = (2 * 13_015_864_320 - 2 * 32000 * 5120) / 1e9
SPARSE_STATE, DENSE_STATE = 128 * 2**10 * 4096 / 1e9, 800 * 2**10 * 4096 / 1e9


def ratio(batch, dense_state=DENSE_STATE):
    sparse = SPARSE_READ - ROUTED * 0.75**batch + batch * SPARSE_STATE
    return sparse / (DENSE_READ + batch * dense_state)


def test_as_shipped():
    said = sentences([SPARSE, DENSE], equal_kv=False)
    assert len(said) == 3
    size, cost, capacity = said
    assert "12.88B" in size
    assert "46.70B" in size
    # both hold up to 15 sequences
    costs = {batch: ratio(batch) for batch in range(1, 16)}
    dearer = [batch for batch, cost in costs.items() if cost > 1.05]
    worst = max(costs, key=costs.get)
    assert f"dearer per token than dense at batch {dearer[0]}-{dearer[-1]}: " in cost
    assert f"at most {costs[worst]:.1f}x, at {worst}, where sparse reads {1 - 0.75**worst:.0%} of its" in cost
    assert [batch for batch, cost in costs.items() if cost < 1 / 1.05] == [1]
    # 25.50 against 25.70 GB of weights, 0.54 against 3.36 GB of state: the cache is what differs
    assert f"cheaper at batch 1: down to {costs[1]:.2f}x, where dense reads the larger cache" in cost
    # 800 / 128 KiB, on one card and two
    for part in (
        "sparse holds 112 sequences on 2x h100",
        "dense 15 on 1x h100",
        "6.25x",
        "MHA 40/40, 800 KiB",
    ):
        assert part in capacity


def test_with_equal_state_only_the_experts_are_left():
    sparse, dense = (
        msgspec.structs.replace(
            one,
            smallest=msgspec.structs.replace(one.smallest, demand=EqualState(one.smallest.demand, MIXTRAL)),
        )
        for one in (SPARSE, DENSE)
    )
    said = sentences([sparse, dense], equal_kv=True)
    assert len(said) == 2
    costs = {batch: ratio(batch, SPARSE_STATE) for batch in range(1, 65)}
    worst = max(costs, key=costs.get)
    assert f"at most {costs[worst]:.1f}x, at {worst}, where sparse reads {1 - 0.75**worst:.0%}" in said[1]
    assert "cheaper" not in said[1]


def test_the_first_is_the_one_spoken_of():
    cost = sentences([DENSE, SPARSE], equal_kv=False)[1]
    assert cost.startswith("dense is dearer per token than sparse at batch 1: ")
    assert "where sparse reads" in cost
    assert f"down to {1 / max(ratio(batch) for batch in range(1, 16)):.2f}x" in cost


def test_equal_models_cost_the_same():
    (said,) = sentences([DENSE, msgspec.structs.replace(DENSE, name="twin")], equal_kv=False)
    assert "cost the same" in said
    assert "1-15" in said


class ComputeBound:
    """A demand with so little to read that FLOPs decide."""

    weight_bytes = 1

    def __init__(self, flops):
        self.flops = flops

    def weight_bytes_read(self, tokens):
        return 1

    def experts_touched(self, tokens):
        return None

    def state_bytes(self, context):
        return 1

    state_bytes_read = state_bytes

    def decode_flops(self, context):
        return self.flops


def test_more_flops_where_both_are_bound_by_them():
    small, large = (
        subject(f"of {flops}", ComputeBound(flops), 1, total=1, active=1, state=1)
        for flops in (10**9, 10**10)
    )
    (said,) = verdict.cost_sentences(large, small, equal_kv=True)
    assert "dearer" in said
    assert "at most 10.0x" in said
    assert "more FLOPs per token" in said
    (said,) = verdict.cost_sentences(small, large, equal_kv=True)
    assert "cheaper" in said
    assert "down to 0.10x" in said
    assert "both are compute-bound and of 10000000000 needs more FLOPs per token" in said


def test_without_a_known_cache_there_is_no_cost_sentence():
    unknown = subject(
        "two numbers",
        StatedDemand(70 * 10**9, 12 * 10**9),
        2,
        total=70 * 10**9,
        active=12 * 10**9,
        state=None,
    )
    assert unknown.deployment is None
    size, verdict_ = sentences([unknown, DENSE], equal_kv=False)
    assert "no verdict" in verdict_  # nor is it known which experts a batch touches
    assert "12.00B" in size
    assert "70.00B" in size
    nothing = Subject(
        name="?", total=None, active=None, state_per_token=None, attention="undisclosed", smallest=None
    )
    assert sentences([nothing, DENSE], equal_kv=False) == []


def test_sparse_is_below_nine_tenths():
    def counts(active, total):
        return is_sparse(msgspec.structs.replace(DENSE, active=active, total=total))

    assert counts(89, 100)
    assert not counts(90, 100)
    assert not counts(None, 100)


def test_every_pair_with_the_first_is_spoken_of():
    third = msgspec.structs.replace(DENSE, name="third")
    said = sentences([SPARSE, DENSE, third], equal_kv=False)
    assert sum(bool(re.search(r"than dense\b", sentence)) for sentence in said) == 1
    assert sum(bool(re.search(r"than third\b", sentence)) for sentence in said) == 1


# ------------------------------------------------------------------------------------------- cache words


def words(*mixers):
    layers = {"abc"[i]: Layer(mixer=mixer, ffn=Gated(intermediate_size=8)) for i, mixer in enumerate(mixers)}
    architecture = Architecture(
        hidden_size=64,
        embedding=Embedding(vocab_size=100),
        stacks=[Stack(layers=layers, pattern=" ".join(layers))],
    )
    return cache_words(architecture.lower_to_ledger())


@pytest.mark.parametrize(
    ("mixers", "said"),
    [
        ([GQA(heads=40, kv_heads=40, head_dim=8)], "MHA 40/40"),
        ([GQA(heads=32, kv_heads=8, head_dim=8)], "GQA 8/32"),
        ([GQA(heads=64, kv_heads=1, head_dim=8)], "MQA 1/64"),
        (
            [GQA(heads=32, kv_heads=8, head_dim=8), GQA(heads=32, kv_heads=8, head_dim=8, window=9)],
            "GQA 8/32 + window",
        ),
        (
            [GQA(heads=32, kv_heads=8, head_dim=8), Mamba2(heads=2, head_dim=8, state_size=4)],
            "GQA 8/32 + recurrent",
        ),
        ([Mamba2(heads=2, head_dim=8, state_size=4)], "recurrent"),
    ],
)
def test_words_for_a_cache(mixers, said):
    assert words(*mixers) == said


def test_words_for_released_models():
    assert cache_words(ledger_of(released.DEEPSEEK_V3)) == "MLA"
    assert cache_words(ledger_of(released.GPT_OSS_20B)) == "GQA 8/64 + window"
    demand = LedgerDemand(ledger_of(released.LLAMA_13B), Precision("bf16"), "bf16")
    assert cache_words(demand.ledger) == "MHA 40/40"
