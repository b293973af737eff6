"""A pipeline's decode step in turns: the step of the ceiling, with what is read and multiplied in that time."""

import pytest

import moecalc
from moecalc.api.speed import speed
from moecalc.render.speed import speed_text


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 7, 8, 64, 129, 1000])
@pytest.mark.parametrize(
    ("model", "gpu", "plan"),
    [
        ("llama-3.1-8b", "2xh100", {"pp": 2}),
        ("llama-3.1-8b", "rtx-4090 + rtx-3090", {"pp": 2}),
        ("mixtral-8x7b", "4xh100", {"pp": 4}),
        ("deepseek-v3", "16xh200", {"pp": 2, "tp": 8}),
        ("llama-3.1-70b", "8xh100", {"pp": 8}),
        ("deepseek-v3", "16xh200", {"pp": 4, "ep": 4, "dp": 4}),
    ],
)
def test_what_binds_is_of_the_step_that_is_printed(model, gpu, plan, batch):
    found = speed(model, gpu, plan=plan, batch=batch)
    turns, printed = found.turns, float(found.decode.ceiling.seconds)
    if turns is None:
        whole = found.roofline.stages(batch, found.decode.context, found.routing)
        assert sum(float(stage.seconds) for stage in whole) == pytest.approx(printed, rel=1e-12)
        step = found.decode.ceiling
    else:
        step = turns.step
        assert float(step.seconds) == pytest.approx(printed, rel=1e-12)
        assert max(float(step.memory_seconds), float(step.compute_seconds)) <= printed * (1 + 1e-12)
    memory = sum(group.memory_seconds for group in found.groups)
    compute = sum(group.compute_seconds for group in found.groups)
    assert memory == pytest.approx(float(step.memory_seconds), rel=1e-9)
    assert compute == pytest.approx(float(step.compute_seconds), rel=1e-9)


def test_two_stages_by_hand():
    """Layers in halves, the head on the second stage: each micro-batch of 4 reads that stage's weights again."""
    found = speed("llama-3.1-8b", "2xh100", plan={"pp": 2}, batch=8)
    ffn, attention, head = 3 * 4096 * 14336, 2 * 4096 * (4096 + 1024), 128256 * 4096
    weights = 2 * (16 * (ffn + attention) + head + (2 * 16 + 1) * 4096)
    state = 4 * 4096 * 16 * 2 * 1024 * 2
    assert found.turns.stage == 1
    assert float(found.decode.ceiling.seconds) == pytest.approx(2 * (weights + state) / 3.35e12, rel=1e-12)
    text = " ".join(speed_text(found, 80).split())
    assert "decode, ceiling 184 1,472 5.44 ms" in text
    assert "binds: reading weights (memory 5.44 ms" in text
    assert "a step is the time until the slowest stage, 2 of 2, has done all 2" in text
    assert "a decode step, stage 2 of 2" in text


def test_uneven_stages_want_fewer_micro_batches_than_there_are_stages():
    """The head, as large as two stages' layers, would be read again by each micro-batch: two are faster than four."""
    found = speed("llama-3.2-1b", "4xh100", plan={"pp": 4}, batch=64, context=1024)
    layer = 2 * (2 * 2048 * 2048 + 2 * 2048 * 512 + 3 * 2048 * 8192 + 2 * 2048)
    head, state, row = 2 * (128256 * 2048 + 2048), 1024 * 2 * 512 * 2, 2 * 2048

    def stage(index: int, sequences: int) -> float:
        read = 4 * layer + (index == 3) * head + (index == 0) * sequences * row
        return (read + 4 * sequences * state) / 3.35e12

    def step(sizes: list[int]) -> float:
        passing = sum(stage(index, max(sizes)) for index in range(4))
        return max(passing, *(sum(stage(index, size) for size in sizes) for index in range(4)))

    dealt_out = {1: [64], 2: [32] * 2, 3: [22, 21, 21], 4: [16] * 4, 5: [13] * 4 + [12], 64: [1] * 64}
    by_hand = {parts: step(sizes) for parts, sizes in dealt_out.items()}
    assert min(by_hand, key=by_hand.__getitem__) == 2
    assert found.turns.sizes == (32, 32)
    assert float(found.decode.ceiling.seconds) == pytest.approx(by_hand[2], rel=1e-6)


@pytest.mark.parametrize(("batch", "sizes"), [(64, (10, 9, 9, 9, 9, 9, 9)), (3, (1, 1, 1))])
def test_micro_batches_are_as_even_as_they_can_be(batch, sizes):
    found = speed("llama-3.1-70b", "8xh100", plan={"pp": 8}, batch=batch, context=4096)
    assert found.turns.sizes == sizes
    steps = [found.roofline.stages(size, 4096) for size in sizes]
    passing = sum(float(stage.seconds) for stage in steps[0])
    waiting = max(sum(float(step[index].seconds) for step in steps) for index in range(8))
    assert float(found.decode.ceiling.seconds) == pytest.approx(max(passing, waiting), rel=1e-12)


def test_sequences_that_all_pass_at_once_have_no_turns():
    assert speed("llama-3.1-8b", "2xh100", plan={"tp": 2}, batch=8).turns is None
    assert speed("llama-3.1-8b", "2xh100", plan={"pp": 2}).turns is None


def test_it_changes_what_binds_where_the_batch_says_so():
    found = speed("llama-3.1-8b", "2xh100", plan={"pp": 2}, batch=8)
    (_, first), (batch, word) = found.changes
    assert (first, word) == ("weights", "state")
    for at, expected in ((batch - 1, "weights"), (batch, "state")):
        assert moecalc.speed("llama-3.1-8b", "2xh100", plan={"pp": 2}, batch=at).bound == expected
