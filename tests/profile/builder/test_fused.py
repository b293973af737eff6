"""Fused attention with sinks and softcaps gives the numbers and FLOPs of plain matmuls, which logits hold elsewhere.

No GPU takes part: the CUDA kernels have to pass a trial before their first use (`test_fused_choice.py`).
"""

import shutil

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils.flop_counter import FlopCounterMode

from moecalc.profile.builder import build, flex, fused
from moecalc.profile.builder.cache import Seen
from moecalc.profile.builder.counters import count
from moecalc.profile.builder.fused import FLASH_ON_CPU, FLASH_ON_CUDA, FLEX
from moecalc.profile.builder.pairs import plain
from moecalc.profile.builder.softmax import PLAIN, attend
from moecalc.sources.hf_config import read_config
from tests.oracle.families import gpt_oss, hy_v4
from tests.profile.builder.attention_pairs import SINKS, check, pairs_of

SHAPES = [
    pytest.param(new, keys, mask, id=f"{mask}-{new}-of-{keys}")
    for new, keys, mask in (
        (150, 150, "causal"),
        (40, 150, "window"),
        (40, 150, "by sequence"),
        (1, 150, None),
        (1, 150, "window"),
        (1, 150, "by sequence"),
    )
]


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What a test left out, another tries again."""
    monkeypatch.setattr(fused, "_LEFT_OUT", {})


@pytest.mark.parametrize(("new", "keys", "mask"), SHAPES)
def test_sinks_by_the_log_sum_exp_of_the_flash_kernel(new, keys, mask):
    pairs = pairs_of(new=new, keys=keys, mask=mask)
    made, name = fused.fused(pairs, SINKS)
    assert name == FLASH_ON_CPU.name
    check(made, pairs, SINKS)


@pytest.mark.parametrize(("new", "keys", "mask"), SHAPES)
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_sinks_by_the_log_sum_exp_of_flex_attention(monkeypatch, new, keys, mask):
    """As it is, for torch compiles no log-sum-exp for a CPU."""
    from torch.nn.attention.flex_attention import flex_attention

    monkeypatch.setattr(flex, "_compiled", lambda: flex_attention)
    monkeypatch.setattr(fused, "kernels_for", lambda _: (FLEX,))
    pairs = pairs_of(new=new, keys=keys, mask=mask, softcap=2.0, values=24)
    made, name = fused.fused(pairs, SINKS)
    assert name == FLEX.name
    check(made, pairs, SINKS)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_the_first_count_of_flex_attention_holds_no_trial(monkeypatch):
    from torch.nn.attention.flex_attention import flex_attention

    monkeypatch.setattr(flex, "_compiled", lambda: flex_attention)
    monkeypatch.setattr(fused, "kernels_for", lambda _: (FLEX,))
    pairs = pairs_of(mask="causal")
    q, k, v = (tensor.transpose(1, 2) for tensor in pairs[:3])
    seen = Seen([], causal=True, allowed=None)
    first, second = (count(lambda: attend(q, k, v, seen, scale=0.3, sinks=SINKS)) for _ in range(2))
    assert first == second
    assert first.by_op == {flex.OPERATION: pairs.flops}


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch compiles for a CPU with g++")
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")  # in torch's own modules
def test_softcaps_by_compiled_flex_attention(monkeypatch):
    """More shapes than the compiler's own limit, one kernel for all masks of a shape, and FLOPs as of plain matmuls."""
    monkeypatch.setattr(fused, "kernels_for", lambda _: (FLEX,))
    with torch._dynamo.config.patch(recompile_limit=2):
        for (new, keys, mask), softcap in (((150, 150, "causal"), 2.0), ((40, 150, "window"), 3.0)):
            pairs = pairs_of(new=new, keys=keys, mask=mask, softcap=softcap, values=24)
            made, name = fused.fused(pairs, None)
            assert name == FLEX.name
            check(made, pairs, None)
        compiled = counters["stats"]["unique_graphs"]
        other = pairs._replace(allowed=pairs.allowed.roll(7, 0))  # as another layer's, a tensor of its own
        check(fused.fused(other, None)[0], other, None)
        assert counters["stats"]["unique_graphs"] == compiled > 1
        seen = Seen([], causal=False, allowed=pairs.allowed)
        q, k, v = (tensor.transpose(1, 2) for tensor in pairs[:3])
        counted = count(lambda: attend(q, k, v, seen, scale=0.3, softcap=3.0))
    with FlopCounterMode(display=False) as torchs:
        plain(pairs, None, 64)
    assert counted.by_op == {"flex_attention": torchs.get_total_flops()}
    assert counted.flops == torchs.get_total_flops()
    assert counted.kernels == (FLEX.name,)


def test_cudas_flash_kernel_is_called_as_torch_declares_it():
    """On `meta`: shapes in, shapes out."""
    pairs = pairs_of(mask="causal", dtype=torch.bfloat16)
    alone = pairs_of(new=1, dtype=torch.bfloat16)
    for one in (pairs, alone):
        on_meta = one._replace(**{name: getattr(one, name).to("meta") for name in ("q", "keys", "values")})
        mixed, logsumexp = FLASH_ON_CUDA.run(on_meta, True)
        assert mixed.shape == one.q.shape
        assert logsumexp.shape == one.q.shape[:3]


def counted_prompt_and_step(config):
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu")
    cache = network.new_state(2, 41)
    prompt = count(lambda: network.prefill(torch.zeros(2, 40, dtype=torch.long), cache))
    step = count(lambda: network.decode(torch.zeros(2, 1, dtype=torch.long), cache))
    return prompt, step


def test_a_network_with_sinks_runs_and_counts_the_flash_kernel(monkeypatch):
    by_kernel = counted_prompt_and_step(gpt_oss.TINY)
    monkeypatch.setattr(fused, "kernels_for", lambda _: ())
    by_matmuls = counted_prompt_and_step(gpt_oss.TINY)
    for fast, slow in zip(by_kernel, by_matmuls, strict=True):
        assert (fast.kernels, slow.kernels) == ((FLASH_ON_CPU.name,), (PLAIN,))
        assert fast.flops == slow.flops
        assert fast.by_op["aten._scaled_dot_product_flash_attention_for_cpu"] > 0
        assert (fast.uncounted, slow.uncounted) == ((), ())


def test_heads_whose_values_are_narrower_than_their_keys_are_said_to_run_as_matmuls():
    prompt, _ = counted_prompt_and_step(hy_v4.TINY)
    assert all(name.startswith(PLAIN) for name in prompt.kernels)
    assert any("same head size" in name for name in prompt.kernels)
