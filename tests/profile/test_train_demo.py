"""The mechanics of balancing, and that the demonstration runs; what it shows is not asserted."""

import pytest
import torch

from moecalc.profile.train_demo import train_demo
from moecalc.profile.train_demo_model import Grouped, Model, Task, auxiliary_loss, bias_after, select
from moecalc.render.train_demo import demo_markdown, demo_text
from moecalc.specs.train_demo import SEEDS, WAYS, Setting

TINY = Setting(steps=12, batch=64, evaluated=128, experts=4, clusters=4)


def test_the_bias_changes_the_choice_and_not_the_weights():
    scores = torch.tensor([[0.5, 0.3, 0.2]])
    chosen, weights = select(scores, torch.tensor([0.0, 0.0, 0.2]), 2)
    assert sorted(chosen[0].tolist()) == [0, 2]
    expected = dict(zip([0, 2], (torch.tensor([0.5, 0.2]) / 0.7).tolist(), strict=True))
    for expert, weight in zip(chosen[0].tolist(), weights[0].tolist(), strict=True):
        assert weight == pytest.approx(expected[expert])


def test_the_bias_moves_against_the_load():
    moved = bias_after(torch.zeros(3), torch.tensor([6, 3, 0]), 0.001)
    assert moved.tolist() == pytest.approx([-0.001, 0.0, 0.001])


def test_the_loss_of_a_balanced_load_is_one_per_layer():
    even = torch.full((8, 4), 0.25)
    chosen = torch.arange(8)[:, None] % 4
    assert float(auxiliary_loss(even, chosen)) == 1
    assert float(auxiliary_loss(torch.eye(4)[[0] * 8], torch.zeros(8, 1, dtype=torch.long))) == 4


def test_the_loss_reaches_the_routers_through_probabilities_alone():
    logits = torch.zeros(8, 4, requires_grad=True)
    chosen = torch.tensor([[0], [0], [0], [0], [0], [0], [1], [2]])
    auxiliary_loss(logits.softmax(-1), chosen).backward()
    assert logits.grad is not None
    # Descent takes from the fullest expert and gives to the one without any load.
    assert bool((logits.grad[:, 0] > 0).all())
    assert bool((logits.grad[:, 3] < 0).all())


def test_grouped_products_are_autograd_s_own():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(7, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    matrices = torch.randn(3, 3, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(lambda r, m: Grouped.apply(r, m, [4, 0, 3]), (rows, matrices))


def test_experts_are_the_dense_sum_over_all_of_them():
    setting = Setting(layers=1)
    model = Model(setting, 0)
    inputs, _ = Task(setting, 0).draw(32)
    output, ((probabilities, chosen),) = model.forward(inputs)
    hidden = inputs @ model.into
    normed = torch.nn.functional.layer_norm(hidden, hidden.shape[-1:])
    _, weights = select(probabilities, torch.zeros(16), 2)
    every = torch.nn.functional.gelu(normed @ model.up[0]) @ model.down[0]
    spread = torch.zeros(32, 16).scatter(-1, chosen, weights)
    expected = (hidden + torch.einsum("ebh,be->bh", every, spread)) @ model.out
    torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("way", ["none", "bias"])
def test_only_the_bias_way_moves_biases(way, monkeypatch):
    from moecalc.profile import train_demo, train_demo_model

    made = []
    original = train_demo_model.Model

    class Kept(original):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr(train_demo_model, "Model", Kept)
    train_demo.train(way, 0, TINY)
    moved = any(bool(bias.abs().sum()) for bias in made[0].biases)
    assert moved == (way == "bias")


def test_one_tiny_seed_runs_and_says_what_came_of_it():
    told = []
    demo = train_demo([7], TINY, lambda done, total: told.append((done, total)), workers=1)
    assert told == [(at, 4) for at in range(1, 5)]
    assert [run.way for run in demo.runs] == list(WAYS)
    for run in demo.runs:
        assert len(run.loads) == TINY.layers
        assert all(sum(layer) == pytest.approx(TINY.experts) for layer in run.loads)
        assert len(run.curve) == 2
    again = train_demo([7], TINY, workers=1)
    assert [run.task_loss for run in again.runs] == [run.task_loss for run in demo.runs]
    text = demo_text(demo, 80)
    assert "0 of 1" in text or "1 of 1" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "| --- |" in demo_markdown(demo)
    assert set(demo.to_dict()["ways"]) == set(WAYS)


def test_seeds_are_as_they_were_fixed():
    assert SEEDS == (0, 1, 2, 3, 4)
    assert Setting() == Setting(
        clusters=32, layers=2, experts=16, top_k=2, batch=512, steps=400, auxiliary_coefficient=0.01
    )
