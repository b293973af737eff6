"""Published checkpoints with damage: whatever their tensors become, there is an answer."""

import random
import re
from math import prod

import pytest

from moecalc.api.header_alone import HeaderModel
from moecalc.checks.reconcile import reconcile
from moecalc.sources.headers.safetensors import DTYPE_BITS
from moecalc.sources.headers.tensors import Header, StoredTensor
from moecalc.sources.hf_config import read_config
from moecalc.sources.layouts import companions
from moecalc.sources.layouts.codes import norms_of_type
from moecalc.sources.params_json import is_params, read_params
from moecalc.specs.workload import plan_workload
from tests.sources.headers import listed

WITH_SHAPES = [name for name in listed.NAMES if all(shape is not None for _, shape, _ in listed.rows(name))]
DAMAGED, HELD = 10, 2
"""Headers made of each listing; those of them that are held against the config too, which takes longer."""

FAR = re.compile(r"(layers|h)\.([3-9]|\d\d)\.|experts\.([3-9]|\d\d)")
"""Tensors beyond the first layers and experts, which are like them."""

SIDES = (0, 1, 2, 3, 5, 32, 2**20, 2**48)
ENDINGS = ("weight", "bias", *companions.KINDS, *companions.FUSED)


def damage(draw, tensors):
    """Some tensors lost, renamed, of another shape or dtype."""
    names = [tensor.name for tensor in tensors]
    made = {}
    for tensor in tensors:
        name, shape, dtype = tensor.name, tensor.shape, tensor.dtype
        kind = draw.choice(["lost", "sides", "flat", "dtype", "moved", "ending", *["sound"] * 40])
        if kind == "lost":
            continue
        if kind == "sides":
            shape = tuple(draw.choice(SIDES) for _ in range(draw.randrange(5)))
        if kind == "flat":
            shape = shape[1:]
        if kind == "dtype":
            dtype = draw.choice(list(DTYPE_BITS))
        if kind == "moved":
            name = f"{draw.choice(names).rpartition('.')[0]}.{name.rpartition('.')[2]}"
        if kind == "ending":
            stem, ending = name.rpartition(".")[0], draw.choice(ENDINGS)
            name = stem + ending if ending.startswith("_") else f"{stem}.{ending}"
        size = -(-prod(shape) * DTYPE_BITS[dtype] // 8)
        made[name] = StoredTensor(name, dtype, shape, size, tensor.file)
    return tuple(made.values())


@pytest.mark.parametrize("name", WITH_SHAPES)
def test_a_damaged_checkpoint_still_has_an_answer(name):
    """Drawn anew from the same seeds every time. Every byte stays counted, and no active count exceeds the total."""
    near = [tensor for tensor in listed.header(name).tensors if not FAR.search(tensor.name)]
    config = listed.config(name)
    reading = read_params(config) if is_params(config) else read_config(config)
    ledger = reading.architecture.lower_to_ledger()
    for seed in range(DAMAGED):
        draw = random.Random(f"{name} {seed}")
        header = Header(source=name, format="safetensors", tensors=damage(draw, near), files=("listed",))
        alone = HeaderModel(header, name, draw.choice([None, 1, 8]))
        lines = alone.report(plan_workload(None))
        alone.demand()
        assert alone.breakdown.total.bytes == header.total_bytes
        total, active = lines["params.total"].value, lines["params.active.all"]
        if active.high is not None:
            assert active.low <= active.high <= total
        assert active.value is None or active.value <= total
        if seed < HELD:
            held = reconcile(ledger, reading.precision, header, norms=norms_of_type(reading.model_type))
            assert held.breakdown.total.bytes == header.total_bytes
            assert not held.agrees
