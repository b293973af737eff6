"""Balance, reuse, caches and balancing losses, against programs and closed forms that nobody here wrote."""

import functools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moecalc.calc.routing.auxiliary import gshard_loss, switch_loss
from moecalc.calc.routing.balance import entropy_bits, gini, max_over_mean
from moecalc.calc.routing.observed import observe
from moecalc.calc.routing.reuse import cache_hits, consecutive, counts_of
from moecalc.errors import InputError
from moecalc.specs.recordings import Recording


def drawn(tokens, layers, experts, top_k, seed=0):
    """Distinct experts of each token, some layers' experts likelier than others'."""
    rng = np.random.default_rng(seed)
    logits = rng.gumbel(size=(tokens, layers, experts)) + rng.normal(size=(layers, experts))
    return np.argsort(-logits, axis=-1)[:, :, :top_k].astype(np.int16)


def recording(choices, experts, **more):
    names = tuple(range(choices.shape[1]))
    return Recording(source="here", experts=experts, layer_names=names, choices=choices, **more)


def test_even_and_one_sided_loads():
    assert entropy_bits([5] * 8) == 3
    assert gini([5] * 8) == 0
    assert max_over_mean([5] * 8) == 1
    assert entropy_bits([0, 0, 7, 0]) == 0
    assert gini([0, 0, 7, 0]) == Fraction(3, 4)
    assert max_over_mean([0, 0, 7, 0]) == 4


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any))
def test_gini_is_the_mean_absolute_difference_over_twice_the_mean(counts):
    pairs = sum(abs(a - b) for a in counts for b in counts)
    assert gini(counts) == Fraction(pairs, 2 * len(counts) * sum(counts))


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=20).filter(any))
def test_entropy_is_that_of_torch(counts):
    theirs = float(torch.distributions.Categorical(torch.tensor(counts, dtype=torch.float64)).entropy())
    assert math.isclose(entropy_bits(counts), theirs / math.log(2), rel_tol=1e-9, abs_tol=1e-9)


def test_counts_are_numpy_s_and_missing_choices_count_nowhere():
    choices = drawn(500, 3, 8, 2)
    choices[7, 1, 0] = -1
    for layer, row in enumerate(counts_of(choices, 8)):
        seen = choices[:, layer].ravel()
        assert list(row) == np.bincount(seen[seen >= 0], minlength=8).tolist()


@pytest.mark.parametrize("starts", [None, [0, 3, 200]])
def test_consecutive_reuse_is_that_of_sets(starts):
    choices = drawn(300, 2, 8, 3)
    choices[5, 0, 1] = -1
    first = set(starts or [0])
    kept = asked = 0
    for token in range(len(choices)):
        if token in first:
            continue
        for layer in range(2):
            before = set(choices[token - 1, layer].tolist())
            now = [expert for expert in choices[token, layer].tolist() if expert >= 0]
            asked += len(now)
            kept += sum(expert in before for expert in now)
    found = consecutive(choices, starts)
    assert (found.kept, found.asked) == (kept, asked)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0.12, 0.25, 0.5, 1.0]))
def test_cache_hits_are_those_of_python_s_own_lru_cache(seed, top_k, share):
    choices = drawn(60, 2, 16, top_k, seed)
    if seed % 2:
        choices[10, 0, 0] = -1
    (found,) = cache_hits(choices, 16, [share])
    hits = asked = 0
    for layer in range(2):
        cached = functools.lru_cache(maxsize=found.held)(lambda expert: expert)
        for expert in choices[:, layer].ravel().tolist():
            if expert >= 0:
                cached(expert)
        hits += cached.cache_info().hits
        asked += cached.cache_info().hits + cached.cache_info().misses
    assert (found.hits, found.asked) == (hits, asked)


def test_a_cache_of_all_experts_misses_each_once():
    choices = drawn(400, 2, 8, 2)
    (found,) = cache_hits(choices, 8, [1.0])
    assert found.asked - found.hits == 16


def test_balanced_losses_are_one_and_one_over_experts_squared():
    assert switch_loss([10] * 8, [1 / 8] * 8) == 1
    assert switch_loss([10] * 8) == 1
    assert switch_loss([80, 0, 0, 0], [1.0, 0, 0, 0]) == 4
    assert gshard_loss([10] * 8, [1 / 8] * 8) == 1 / 64


@pytest.mark.oracle
@pytest.mark.parametrize("top_k", [1, 2, 3])
def test_switch_loss_is_that_of_transformers_over_top_k(top_k):
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

    logits = torch.randn(200, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(top_k)) * 2
    theirs = float(load_balancing_loss_func((logits,), 8, top_k))
    chosen = logits.softmax(-1).topk(top_k).indices.numpy()
    counts = counts_of(chosen[:, None], 8)[0]
    ours = switch_loss(counts, logits.softmax(-1).mean(0).tolist())
    assert math.isclose(ours * top_k, theirs, rel_tol=1e-6)  # theirs counts choices in float32


def test_what_a_recording_cannot_tell_is_said_and_not_zero():
    counts = Recording(source="here", experts=2, layer_names=(0, 1), counts=((1, 3), (0, 0)))
    seen = observe(counts)
    assert seen.losses.gshard is None
    assert seen.losses.z_loss is None
    assert len(seen.losses.missing) == 2
    assert seen.left_out == (1,)
    assert seen.to_dict()["consecutive_token_reuse"] is None


def test_dead_experts_beside_those_that_chance_would_leave():
    seen = observe(recording(drawn(3, 1, 64, 2), 64))
    layer = seen.layers[0]
    assert len(layer.dead) >= 64 - 6
    assert layer.dead_by_chance == pytest.approx(64 * (1 - 2 / 64) ** 3)


def test_a_cache_that_holds_nothing_is_refused():
    with pytest.raises(InputError, match="a cache that holds 0"):
        observe(recording(drawn(3, 1, 8, 2), 8), [0.0])
