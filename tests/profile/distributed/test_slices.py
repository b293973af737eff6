"""What ranks hold of a tensor, against the role table that sizes a plan: shapes equal, and nothing lost."""

from collections import Counter

import pytest
import torch

from moecalc.api.loading import load
from moecalc.errors import InputError
from moecalc.ir.dims import Axis, Dim, axis, concat
from moecalc.ir.roles import Role
from moecalc.ir.rows import Weight
from moecalc.profile.distributed.local import local_architecture, rows_of
from moecalc.profile.distributed.slices import slice_of, start_of
from moecalc.specs.plan import Plan


def row(*shape: Axis) -> Weight:
    return Weight(role=Role.ATTENTION_Q, shape=shape)


def parts(whole: Weight, share: Weight, ranks: int) -> list[torch.Tensor]:
    sizes = [int(axis.size) for axis in whole.shape]
    tensor = torch.arange(1, 1 + torch.Size(sizes).numel()).reshape(sizes)
    return [slice_of(tensor, whole, share, rank, ranks) for rank in range(ranks)]


@pytest.mark.parametrize(
    "name", ["llama-3.1-8b", "mixtral-8x7b", "deepseek-v3", "gpt-oss-20b", "qwen3-30b-a3b"]
)
@pytest.mark.parametrize("ranks", [2, 8])
def test_the_ranks_together_hold_every_element_as_often_as_the_table_says(name, ranks):
    architecture, plan = load(name).architecture, Plan(tensor=ranks)
    seen = set()
    for whole, share, _ in rows_of(architecture, local_architecture(architecture, plan), plan):
        small = _small(whole), _small(share)
        if (whole.role, small[0].shape) in seen:
            continue
        seen.add((whole.role, small[0].shape))
        held = parts(*small, ranks)
        assert all(tuple(part.shape) == tuple(axis.size for axis in small[1].shape) for part in held)
        counts = Counter(int(value) for part in held for value in part.flatten() if value)
        assert len(counts) == small[0].elements_per_layer
        padding = sum(int((part == 0).sum()) for part in held)
        assert sum(counts.values()) + padding == ranks * small[1].elements_per_layer
        assert len(set(counts.values())) == 1  # all elements equally often


CUT = {"intermediate_size": 64, "moe_intermediate_size": 64, "shared_intermediate_size": 64, "vocab_size": 64}
KEPT = {"heads", "kv_heads"}


def _small(weight: Weight) -> Weight:
    """The row with the sizes that are split divided by 64, heads as they are and all others 2: a tensor of it fits."""

    def size(dim: Dim) -> int:
        return -(-dim.size // CUT[dim.name]) if dim.name in CUT else dim.size if dim.name in KEPT else 2

    shape = (axis(*(Dim(dim.name, size(dim)) for dim in side.dims)) for side in weight.shape)
    return Weight(role=weight.role, shape=tuple(shape))


def test_heads_are_consecutive_inside_a_flat_side():
    whole, share = (
        row(axis(Dim("heads", 4), Dim("head_dim", 2))),
        row(axis(Dim("heads", 2), Dim("head_dim", 2))),
    )
    assert [part.tolist() for part in parts(whole, share, 2)] == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_key_value_heads_fewer_than_ranks_are_held_by_several():
    whole, share = row(axis(Dim("kv_heads", 2))), row(axis(Dim("kv_heads", 1)))
    assert [part.tolist() for part in parts(whole, share, 4)] == [[1], [1], [2], [2]]
    assert [start_of(2, 1, rank, 8) for rank in range(8)] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_what_is_rounded_up_ends_in_zeros():
    whole, share = row(axis(Dim("vocab_size", 5))), row(axis(Dim("vocab_size", 2)))
    assert [part.tolist() for part in parts(whole, share, 3)] == [[1, 2], [3, 4], [5, 0]]


def test_fused_sides_are_cut_part_by_part():
    def of(heads):
        q, k = axis(Dim("heads", heads), Dim("head_dim", 1)), axis(Dim("whole", 2))
        return row(concat(q, k))

    assert [part.tolist() for part in parts(of(4), of(2), 2)] == [[1, 2, 5, 6], [3, 4, 5, 6]]


def test_a_tensor_of_another_shape_is_no_copy_of_the_row():
    whole = row(axis(Dim("heads", 4)))
    with pytest.raises(ValueError, match=r"attention.q: shape \(3,\)"):
        slice_of(torch.zeros(3), whole, whole, 0, 2)


@pytest.mark.parametrize(
    ("name", "plan", "said"),
    [
        ("olmo-2-7b", Plan(tensor=2), "attention.qk_norm"),
        ("llama-3.1-8b", Plan(pipeline=2), "is not measured"),
        ("mixtral-8x7b", Plan(tensor=2, data=2, expert=4), "is not measured"),
        ("mixtral-8x7b", Plan(tensor=4, expert=2), "is not measured"),
        ("llama-3.1-8b", Plan(tensor=2, attention_data=2), "is not measured"),
        ("llama-3.1-8b", Plan(tensor=3), "cannot be dealt to 3 ranks"),
        ("llama-3.1-8b", Plan(data=2, expert=2), "no routed experts"),
    ],
)
def test_plans_that_cannot_be_measured(name, plan, said):
    with pytest.raises(InputError, match=said):
        local_architecture(load(name).architecture, plan)
