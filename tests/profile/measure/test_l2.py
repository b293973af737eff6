"""Steps that lie in a GPU's L2 cache are named, and so are layers that do where the model does not."""

from types import SimpleNamespace

import msgspec
import pytest
import torch

from moecalc.profile.measure import by_kinds, profiling
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.device import describe_device, l2_bytes
from moecalc.profile.measure.l2 import notes_of_parts, notes_of_steps
from moecalc.profile.measure.profiling import profile
from moecalc.profile.measure.steps import StepPlan
from tests.calc.speed.test_calibrated import point
from tests.profile.measure.models import MIXTURE, model
from tests.profile.measure.test_compose import PARTS

GPU_1 = torch.device("cuda", 1)
DECODE = (StepPlan("decode", 1, 16),)


def at(batch, moved, phase="decode"):
    return msgspec.structs.replace(point(moved, 1, 1, 1.0, phase), batch=batch)


def test_steps_that_read_no_more_than_it_holds_are_named():
    (note,) = notes_of_steps([at(1, 2**20, "prefill"), at(8, 2**20), at(1, 2**19), at(64, 2**20 + 2)], 2**20)
    assert note.startswith(
        "weights and state of prefill at batch 1 and decode at batch 1, 8 fit the L2 cache of 1.0"
    )


@pytest.mark.parametrize("size", [None, 2**10])
def test_steps_that_read_more_or_a_cache_that_nobody_knows_say_nothing(size):
    assert notes_of_steps([at(1, 2**20)], size) == []
    assert notes_of_parts(PARTS, DECODE, None) == []


def test_layers_that_lie_in_it_while_more_are_stored_are_named():
    """Of two and ten stored, one each is measured, with 214 and 260 bytes."""
    (note,) = notes_of_parts(PARTS, DECODE, 220)
    assert "measured layers of `dense` fit" in note
    assert notes_of_parts(PARTS, DECODE, 200) == []
    assert notes_of_parts(PARTS, (StepPlan("prefill", 1, 16),), 220) == []
    whole = [msgspec.structs.replace(part, measured_layers=part.stored) for part in PARTS]
    assert notes_of_parts(whole, DECODE, 220) == []


def test_its_size_is_torchs_word(monkeypatch):
    properties = SimpleNamespace(name="NVIDIA H100", total_memory=80 * 2**30, L2_cache_size=50 * 2**20)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: {GPU_1: properties}[device])
    monkeypatch.setenv("PATH", "")
    assert describe_device(GPU_1).l2_bytes == 50 * 2**20
    del properties.L2_cache_size
    assert l2_bytes(GPU_1) is None
    assert l2_bytes(torch.device("cpu")) is None


def test_a_run_says_so(monkeypatch):
    def described(device, clocks):
        return msgspec.structs.replace(describe_device(device), l2_bytes=2**30)

    monkeypatch.setattr(profiling, "describe_device", described)
    monkeypatch.setattr(by_kinds, "l2_bytes", lambda _: 2**30)
    monkeypatch.setattr(by_kinds, "layers_of", lambda *_: 1)
    asked = Asked(cpu=True, prompt=8, context=16, dtype="fp32", repeats=1, layers="kinds")
    notes = profile(model(MIXTURE), asked).notes
    assert any(note.startswith("weights and state of prefill at batch 1 and decode") for note in notes)
    assert any(note.startswith("the measured layers of `moe` fit the L2 cache of 1.0") for note in notes)
