"""What one network does beside being right: kinds, forced routing, counters, refusals of bad input."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from moecalc.errors import InputError
from moecalc.profile.builder import build
from moecalc.profile.builder.counters import count
from moecalc.profile.builder.grouped import _offered, grouped_matmul, is_grouped
from moecalc.sources.hf_config import read_config
from moecalc.specs.routing import Loads, Skew
from tests.oracle.families import deepseek_v3, deepseek_v4, jetmoe, mixtral

MIXTRAL = read_config(mixtral.TINY).architecture
DEEPSEEK = read_config(deepseek_v3.TINY).architecture


def test_kinds_count_the_layers_of_the_whole_model_whatever_is_built():
    network = build(DEEPSEEK, dtype=torch.float32, device="meta", layers=("moe",))
    assert {kind.name: kind.layers for kind in network.kinds} == {"dense": 1, "moe": 2}
    assert len(network.layers) == 1


def test_parts_add_up_to_the_whole():
    def flops(layers):
        network = build(DEEPSEEK, dtype=torch.float32, device="meta", layers=layers)
        cache, ids = network.new_state(2, 16), torch.zeros(2, 16, dtype=torch.long, device="meta")
        return count(lambda: network.prefill(ids, cache)).flops

    base = flops(())
    assert flops("all") == base + (flops(("dense",)) - base) + 2 * (flops(("moe",)) - base)


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match="no kind of layer `mo`") as caught:
        build(DEEPSEEK, dtype=torch.float32, device="meta", layers=("mo",))
    assert "`moe`" in str(caught.value.hint)


def test_torch_alone_does_not_see_grouped_experts_and_attention_on_a_cpu():
    network = build(MIXTRAL, dtype=torch.float32, device="cpu")
    ids = torch.zeros(2, 16, dtype=torch.long)
    with FlopCounterMode(display=False) as alone:
        network.prefill(ids, network.new_state(2, 16))
    ours = count(lambda: network.prefill(ids, network.new_state(2, 16)))
    missed = {"aten._grouped_mm", "aten._scaled_dot_product_flash_attention_for_cpu"}
    assert missed <= ours.by_op.keys()
    assert alone.get_total_flops() == ours.flops - sum(ours.by_op[op] for op in missed)


def test_an_op_without_a_formula_is_named():
    counted = count(lambda: torch.mv(torch.ones(3, 4), torch.ones(4)))
    assert (counted.flops, counted.uncounted) == (0, ("aten.mv",))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_grouped_matmul_and_the_loop_agree(dtype):
    generator = torch.manual_seed(1)
    x = torch.randn(24, 16, generator=generator).to(dtype)
    weight = torch.randn(4, 32, 16, generator=generator).to(dtype)
    ends = torch.tensor([5, 5, 20, 24], dtype=torch.int32)
    assert is_grouped(weight)
    odd = weight[:, :31]
    assert not is_grouped(odd)
    torch.testing.assert_close(grouped_matmul(x, weight, ends)[:, :31], grouped_matmul(x, odd, ends))


def test_the_first_count_is_that_of_later_ones():
    """Whether torch has a grouped matmul is found out by one, which no count may hold."""
    _offered.cache_clear()
    network = build(MIXTRAL, dtype=torch.float32, device="cpu")
    ids = torch.zeros(2, 16, dtype=torch.long)
    first, second = (count(lambda: network.prefill(ids, network.new_state(2, 16))) for _ in range(2))
    assert first == second


def test_forced_routing_is_what_was_asked_for():
    one = Skew(law="loads", loads=Loads(source="counts.json", counts=((8, 8, 0, 0),)))
    network = build(MIXTRAL, dtype=torch.float32, device="cpu", routing=one)
    network.prefill(torch.arange(16).view(2, 8), network.new_state(2, 8))
    chosen = network.chosen_experts()
    assert list(chosen) == [0, 1, 2]
    assert all(sorted(row) == [0, 1] for tokens in chosen.values() for row in tokens.tolist())


def test_forced_routing_is_of_attention_experts_too():
    one = Skew(law="loads", loads=Loads(source="counts.json", counts=((0, 8, 4, 4, 0, 0),)))
    network = build(read_config(jetmoe.TINY).architecture, dtype=torch.float32, device="cpu", routing=one)
    network.prefill(torch.arange(64).view(2, 32), network.new_state(2, 32))
    for layer in network.layers:
        of_heads, of_neurons = layer.mixers[0].last_chosen, layer.ffn.last_chosen
        for chosen in (of_heads, of_neurons):
            pairs = {tuple(sorted(row)) for row in chosen.tolist()}
            assert pairs == {(1, 2), (1, 3)}  # the expert with half of the load is of every token's two
        assert not torch.equal(of_heads.sort().values, of_neurons.sort().values)  # each draws for itself


def test_a_seed_makes_the_same_network():
    ids = torch.arange(8).view(1, 8)

    def logits(seed):
        network = build(MIXTRAL, dtype=torch.bfloat16, device="cpu", seed=seed)
        return network.prefill(ids, network.new_state(1, 8))

    assert torch.equal(logits(1), logits(1))
    assert not torch.equal(logits(1), logits(2))


def test_a_context_that_the_cache_cannot_hold():
    network = build(MIXTRAL, dtype=torch.float32, device="cpu")
    cache = network.new_state(1, 8)
    network.fill(cache, 8)
    with pytest.raises(InputError, match="the cache holds 8 tokens"):
        network.decode(torch.zeros(1, 1, dtype=torch.long), cache)


def test_a_filled_cache_is_followed_by_the_next_token():
    network = build(DEEPSEEK, dtype=torch.float32, device="cpu")
    cache = network.new_state(2, 8)
    network.fill(cache, 7)
    assert network.decode(torch.zeros(2, 1, dtype=torch.long), cache).isfinite().all()
    assert cache.length == 8


def test_a_step_can_be_run_again_where_a_block_of_tokens_closed_in_it():
    network = build(read_config(deepseek_v4.TINY).architecture, dtype=torch.float32, device="cpu")
    cache, ids = network.new_state(1, 48), torch.zeros(1, 1, dtype=torch.long)
    network.fill(cache, 47)
    before = cache.nbytes
    first = count(lambda: network.decode(ids, cache))
    assert cache.nbytes != before  # twelve tokens that waited are one entry now, which had its place
    cache.length = 47
    assert cache.nbytes == before
    assert count(lambda: network.decode(ids, cache)) == first
