"""Fused attention with sinks and softcaps: the same numbers and FLOPs as plain matmuls, and matmuls where it fails.

No GPU takes part: the CUDA kernels' own results are held by the trial that each of them has to pass before its first
use, and here it is held that the trial finds wrong ones out.
"""

import itertools
import math
import shutil

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils.flop_counter import FlopCounterMode

from moecalc.profile.build import build, flex, fused
from moecalc.profile.build.cache import Seen
from moecalc.profile.build.counters import count
from moecalc.profile.build.fused import FLASH_ON_CPU, FLASH_ON_CUDA, FLEX, Kernel, kernels_for, trial
from moecalc.profile.build.pairs import Pairs, plain
from moecalc.profile.build.softmax import PLAIN, attend
from moecalc.sources.hf_config import read_config
from tests.oracle.families import gpt_oss, hy_v4

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What a test left out, another tries again."""
    monkeypatch.setattr(fused, "_LEFT_OUT", {})


def pairs_of(*, new=150, keys=150, mask=None, softcap=None, values=16, dtype=torch.float32, batch=3):
    generator = torch.Generator().manual_seed(1)
    normal = lambda *shape: torch.randn(*shape, generator=generator).to(dtype)  # noqa: E731 - said once
    allowed = None
    if mask == "window":
        ones = torch.ones(new, keys, dtype=torch.bool)
        allowed = ones.tril(keys - new) & ~ones.tril(keys - new - 20)
    elif mask == "by sequence":
        allowed = torch.rand(batch, 1, new, keys, generator=generator) < 0.3
        allowed[..., 0] = True
    q, k = normal(batch, 6, new, 16), normal(batch, 2, keys, 16)
    return Pairs(q, k, normal(batch, 2, keys, values), mask == "causal", allowed, 0.3, softcap)


SINKS = torch.linspace(2, 6, 6)
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


def check(made, pairs, sinks):
    torch.testing.assert_close(made, plain(pairs, sinks, 64), rtol=2e-5, atol=2e-6)


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


def case_of(pairs, sinks=SINKS, device=CPU):
    return fused.case_of(pairs, sinks)._replace(device=device)


@pytest.mark.parametrize(
    ("device", "mask", "softcap", "dtype", "wanted"),
    [
        (CPU, "causal", None, torch.float32, (FLASH_ON_CPU,)),
        (CPU, "window", None, torch.bfloat16, (FLASH_ON_CPU,)),
        (CPU, "causal", 50.0, torch.float32, ()),
        (CUDA, "causal", None, torch.bfloat16, (FLASH_ON_CUDA, FLEX)),
        (CUDA, None, None, torch.float16, (FLASH_ON_CUDA, FLEX)),
        (CUDA, "causal", None, torch.float32, (FLEX,)),
        (CUDA, "window", None, torch.bfloat16, (FLEX,)),
        (CUDA, "by sequence", None, torch.bfloat16, (FLEX,)),
        (CUDA, "causal", 50.0, torch.bfloat16, (FLEX,)),
        (torch.device("meta"), "causal", None, torch.bfloat16, ()),
        (torch.device("mps"), "causal", None, torch.bfloat16, ()),
    ],
)
def test_kernels_by_device_mask_and_softcap(device, mask, softcap, dtype, wanted):
    assert kernels_for(case_of(pairs_of(mask=mask, softcap=softcap, dtype=dtype), device=device)) == wanted


@pytest.mark.parametrize(
    ("device", "mask", "new", "wanted"),
    [
        (CUDA, "window", 40, (FLEX,)),
        (CUDA, "window", 1, ()),
        (CUDA, "causal", 150, ()),
        (CUDA, None, 1, ()),
        (CPU, "window", 40, ()),
        (CPU, "causal", 150, ()),
    ],
)
def test_without_sinks_and_softcap_flex_attention_is_for_windows_on_cuda_alone(device, mask, new, wanted):
    pairs = pairs_of(new=new, mask=mask, dtype=torch.bfloat16)
    assert kernels_for(case_of(pairs, sinks=None, device=device)) == wanted


def wrong(change):
    """A kernel that computes in float32 what plain matmuls do, but for one change."""

    def run(pairs, _):
        pairs = change.get("pairs", lambda it: it)(pairs)
        scores = pairs.q @ pairs.keys.repeat_interleave(pairs.shared, 1).transpose(-1, -2) * pairs.scale
        if pairs.softcap:
            scores = pairs.softcap * torch.tanh(scores / pairs.softcap)
        if pairs.causal:
            scores = scores.masked_fill(~torch.ones(scores.shape[-2:], dtype=torch.bool).tril(), -torch.inf)
        if pairs.allowed is not None:
            scores = scores.masked_fill(~pairs.allowed, -torch.inf)
        mixed = scores.softmax(-1) @ pairs.values.repeat_interleave(pairs.shared, 1)
        return mixed, change.get("logsumexp", lambda it: it)(scores.logsumexp(-1))

    return Kernel("wrong", run)


WRONG = {
    "in base 2": {"logsumexp": lambda it: it / math.log(2)},
    "without the scale": {"pairs": lambda it: it._replace(scale=1.0)},
    "of other heads": {"logsumexp": lambda it: it.flip(1)},
    "without the mask": {"pairs": lambda it: it._replace(allowed=None, causal=False)},
    "without the softcap": {"pairs": lambda it: it._replace(softcap=None)},
    "with heads paired otherwise": {"pairs": lambda it: it._replace(keys=it.keys.flip(1))},
}


@pytest.mark.parametrize(
    ("change", "mask", "dtype"),
    list(itertools.product(WRONG, ("causal", "window", "by sequence"), (torch.float32, torch.bfloat16))),
)
def test_a_trial_finds_a_wrong_kernel_out(change, mask, dtype):
    case = case_of(pairs_of(mask=mask, softcap=0.5 if "softcap" in change else None, dtype=dtype))
    assert trial(wrong({}), case) == ""
    assert trial(wrong(WRONG[change]), case).endswith("apart from plain matmuls")


class Fake:
    """A kernel that does what plain matmuls do until `broken` says otherwise."""

    def __init__(self, broken):
        self.calls, self._broken = 0, broken

    def __call__(self, pairs, _):
        self.calls += 1
        if self._broken(pairs):
            raise self._broken(pairs)
        return wrong({}).run(pairs, True)


def with_fakes(monkeypatch, **broken):
    fakes = {name: Fake(check) for name, check in broken.items()}
    kernels = tuple(Kernel(name, fake) for name, fake in fakes.items())
    monkeypatch.setattr(fused, "kernels_for", lambda _: kernels)
    return fakes


def test_a_kernel_that_fails_gives_way_to_the_next(monkeypatch):
    fakes = with_fakes(
        monkeypatch, first=lambda _: NotImplementedError("no such head\nand more"), second=lambda _: None
    )
    pairs = pairs_of(mask="causal")
    for _ in range(2):
        made, name = fused.fused(pairs, SINKS)
        assert name == "second"
        check(made, pairs, SINKS)
    assert (fakes["first"].calls, fakes["second"].calls) == (1, 3)  # a trial each, and two calls


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (None, "only"),
        (
            RuntimeError("no triton"),
            "flash attention of scaled_dot_product_attention (only: RuntimeError: no triton)",
        ),
    ],
)
def test_a_window_alone_goes_to_torchs_own_kernels_where_the_others_fail(monkeypatch, broken, name):
    pairs = pairs_of(new=40, mask="window")
    with_fakes(monkeypatch, only=lambda _: broken)
    q, k, v = (tensor.transpose(1, 2) for tensor in pairs[:3])
    made = []
    seen = Seen([], causal=False, allowed=pairs.allowed)
    counted = count(lambda: made.append(attend(q, k, v, seen, scale=0.3)))
    check(made[0].transpose(1, 2), pairs, None)
    assert counted.kernels == (name,)


def test_the_reason_of_a_failure_is_told_without_what_announces_it():
    error = RuntimeError("the compiler raised:\nLoweringError: no log-sum-exp\n  target: q")
    assert fused._words(error) == "RuntimeError: the compiler raised: LoweringError: no log-sum-exp"
    assert fused._words(KeyError()) == "KeyError"


def test_where_all_fail_matmuls_compute_it_and_the_reason_is_told(monkeypatch):
    with_fakes(monkeypatch, only=lambda _: NotImplementedError("no such head\nand more"))
    pairs = pairs_of(mask="causal")
    q, k, v = (tensor.transpose(1, 2) for tensor in pairs[:3])
    made = []
    counted = count(
        lambda: made.append(attend(q, k, v, Seen([], causal=True, allowed=None), scale=0.3, sinks=SINKS))
    )
    check(made[0].transpose(1, 2), pairs, SINKS)
    assert counted.kernels == (f"{PLAIN} (only: NotImplementedError: no such head)",)
    assert counted.flops == pairs.flops  # the trial's are not in it


def test_a_kernel_that_fails_on_longer_sequences_alone_is_left_out_from_then_on(monkeypatch):
    too_long = lambda pairs: RuntimeError("too long") if pairs.q.shape[2] > 200 else None  # noqa: E731
    fake = with_fakes(monkeypatch, only=too_long)["only"]
    assert fused.fused(pairs_of(mask="causal"), SINKS)[1] == "only"
    assert fused.fused(pairs_of(new=250, keys=250, mask="causal"), SINKS) == (
        None,
        "only: RuntimeError: too long",
    )
    assert fused.fused(pairs_of(mask="causal"), SINKS)[0] is None
    assert fake.calls == 3


def test_memory_that_is_short_is_no_reason_to_need_more(monkeypatch):
    short = lambda pairs: torch.OutOfMemoryError("short") if pairs.q.shape[2] > 200 else None  # noqa: E731
    with_fakes(monkeypatch, only=short)
    with pytest.raises(torch.OutOfMemoryError):
        fused.fused(pairs_of(new=250, keys=250, mask="causal"), SINKS)


def test_a_capture_that_fails_leaves_no_kernel_out(monkeypatch):
    too_long = lambda pairs: RuntimeError("not while capturing") if pairs.q.shape[2] > 200 else None  # noqa: E731
    with_fakes(monkeypatch, only=too_long)
    monkeypatch.setattr(fused, "_is_captured", lambda _: True)
    with pytest.raises(RuntimeError, match="not while capturing"):
        fused.fused(pairs_of(new=250, keys=250, mask="causal"), SINKS)
    assert fused.fused(pairs_of(mask="causal"), SINKS)[1] == "only"


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
