"""Which kernel computes attention: by device, mask and softcap; after a trial; and another where it fails."""

import itertools
import math

import pytest
import torch

from moecalc.profile.builder import fused
from moecalc.profile.builder.cache import Seen
from moecalc.profile.builder.counters import count
from moecalc.profile.builder.fused import FLASH_ON_CPU, FLASH_ON_CUDA, FLEX, Kernel, kernels_for, trial
from moecalc.profile.builder.softmax import PLAIN, attend
from tests.profile.builder.attention_pairs import SINKS, check, pairs_of

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """What a test left out, another tries again."""
    monkeypatch.setattr(fused, "_LEFT_OUT", {})


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
    case = case_of(pairs_of(mask=mask, softcap=50.0 if "softcap" in change else None, dtype=dtype))
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
