"""Formulas over columns against the usual path: every design written as a spec, read, lowered and computed again.

The published siblings below are the outside word: sizes of one release put into the family of another give the
parameters that its own checkpoint has.
"""

import math
import random

import pytest

import moecalc
from moecalc.api.design import spec_of
from moecalc.api.model import Model
from moecalc.api.rooflines import roofline
from moecalc.calc.design.figures import evaluated, pooled
from moecalc.calc.design.search import Case, formulas_of
from moecalc.calc.speed.machine import machine
from moecalc.calc.speed.roofline import operand_formats
from moecalc.ir.rows import Kind
from moecalc.ir.symbolic import Table
from moecalc.render.spec_yaml import spec_yaml
from moecalc.sources import catalog
from moecalc.sources.spec import ModelSpec
from moecalc.specs.design_axes import HEAD_MULTIPLE, Axis
from moecalc.specs.design_space import space_of
from moecalc.specs.design_template import Template
from moecalc.specs.fleet import parse
from moecalc.specs.formats import Precision
from moecalc.specs.hardware import accelerator
from moecalc.specs.plan import Plan
from moecalc.specs.recipes import recipes

FAMILIES = [name for name, path in catalog.files().items() if "type: moe" in path.read_text(encoding="utf-8")]
CONTEXTS = (1, 700, 40_000)
BATCHES = (1, 13)
SAMPLE = 3


def loaded(name):
    model = moecalc.load(name)
    assert isinstance(model, Model)
    return model


def drawn_axes(template, draw):
    """For every size that the family has, a few values around its own, coprime with most things."""
    axes = []
    for name, size in template.sizes.items():
        if name == "shared":
            values = {0, 1, 2}
        elif name == "layers":
            once, step = template.layer_step
            values = {once + step * draw.randint(1, 40) for _ in range(3)}
        elif name in {"heads", "experts"}:
            unit = math.lcm(*(template.groups if name == "experts" else [kv for _, kv in template.heads]))
            values = {unit * draw.randint(9, 150) for _ in range(3)}
        elif name == "kv_heads":
            values = {1, 2, size}
        elif name == "head_dim":
            values = {HEAD_MULTIPLE * draw.randint(1, 32) for _ in range(2)}
        elif name == "top_k":
            values = {draw.randint(1, 8) for _ in range(3)}
        else:
            values = {size, *(draw.randint(64, 9000) for _ in range(3))}
        axes.append(Axis(name, tuple(sorted(values))))
    return axes


def candidates(space, structure, draw, count):
    found = []
    while len(found) < count:
        values = tuple(draw.choice(axis.values) for axis in structure.axes)
        by_name = dict(zip(space.names, values, strict=True))
        if all(
            rule.holds(*(by_name.get(name, space.template.sizes.get(name)) for name in rule.sizes))
            for rule in space.rules
        ):
            found.append(values)
    return found


def rebuilt(template, model, sizes, tmp_path):
    """The usual path: a spec as YAML, read again."""
    spec = ModelSpec(
        name="a-design",
        title="a design",
        dtype=model.precision.default,
        quantization=dict(model.precision.roles),
        architecture=template.built(sizes),
    )
    path = tmp_path / "a-design.yaml"
    path.write_text(spec_yaml(spec), encoding="utf-8")
    again = moecalc.load(path)
    assert isinstance(again, Model)
    return again


@pytest.mark.parametrize("name", FAMILIES)
def test_formulas_equal_a_rebuilt_model_to_the_last_unit(name, tmp_path):
    draw = random.Random(name)
    model = loaded(name)
    template = Template(name, model.architecture)
    assert template.sizes
    space = space_of(template, drawn_axes(template, draw), 1)
    precision = Precision(model.precision.default, model.precision.roles)
    device = accelerator("h100")
    for structure in space.structures:
        for context in CONTEXTS:
            case = Case(precision=precision, kv_dtype=model.kv_dtype, context=context, batch=1)
            formulas = formulas_of(structure, case)
            chosen = candidates(space, structure, draw, SAMPLE)
            table = Table(space.columns(chosen), len(chosen))
            for values, figures in zip(chosen, evaluated(formulas, table), strict=True):
                again = rebuilt(template, model, space.sizes(values), tmp_path)
                assert figures.total == again.params.total
                assert figures.active == again.params.active()
                assert figures.weight_bytes == again.weight_bytes()
                assert figures.state_bytes == again.state_bytes(context)
                for batch in BATCHES:
                    ceiling = roofline(again, parse("h100"), Plan()).decode(batch, context)
                    bound = machine(device, operand_formats(again.ledger, precision, case.kv_dtype))
                    assert figures.step_seconds(bound, batch) == ceiling.seconds


PUBLISHED = {
    "qwen3-235b-a22b": (
        "qwen3-30b-a3b",
        {"hidden": 4096, "layers": 94, "heads": 64, "kv_heads": 4, "expert_width": 1536},
    ),
    "mixtral-8x22b": (
        "mixtral-8x7b",
        {"hidden": 6144, "layers": 56, "heads": 48, "expert_width": 16384},
    ),
    "gpt-oss-120b": ("gpt-oss-20b", {"layers": 36, "experts": 128}),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_sizes_of_a_sibling_give_its_published_parameters(name):
    like, sizes = PUBLISHED[name]
    pins = loaded(name).pins
    assert pins
    found = moecalc_design(like, {axis: str(size) for axis, size in sizes.items()}, multiple=64)
    (design,) = found.rows
    difference = vocabulary_difference(like, name, sizes.get("hidden"))
    assert {pin.language_model for pin in pins} == {design.total + difference}


def vocabulary_difference(like, name, hidden):
    """Rows that the sibling's two embeddings have more; a vocabulary is no axis."""
    one, two = (loaded(model).architecture for model in (like, name))
    more = two.embedding.vocab_size - one.embedding.vocab_size
    return (1 if two.head.tied else 2) * more * (hidden or one.hidden_size)


def moecalc_design(like, axes, **options):
    from moecalc.api.design import design

    return design(like, axes, **options)


def test_an_exported_row_loads_to_the_same_figures(tmp_path):
    found = moecalc_design(
        "deepseek-v3",
        {"hidden": "4096..6144/1024", "experts": "64,128", "top_k": "4,8", "shared": "0,1"},
        gpu="8xh200",
        context=32_768,
        quant="fp8",
    )
    assert len(found.rows) > 2
    for number, row in enumerate(found.rows, 1):
        path = tmp_path / f"row-{number}.yaml"
        path.write_text(spec_yaml(spec_of("deepseek-v3", found, number)), encoding="utf-8")
        again = loaded(path)
        assert (row.total, row.active) == (again.params.total, again.params.active())
        assert row.weight_bytes == again.weight_bytes()
        assert row.state_bytes == again.state_bytes(32_768)


@pytest.mark.parametrize("quant", [recipe.name for recipe in recipes() if not recipe.whole_groups])
@pytest.mark.parametrize("like", ["qwen3-30b-a3b", "deepseek-v3"])
def test_a_recipe_stores_every_design_as_it_would_by_itself(like, quant):
    axes = {"hidden": "1088,4672", "experts": "64,72", "top_k": "3", "expert_width": "192,1600"}
    found = moecalc_design(like, axes, quant=quant, multiple=64, pareto="active:max,total:max")
    model = loaded(like)
    template = Template(model.name, model.architecture)
    assert found.rows
    for row, sizes in zip(found.rows, found.sizes, strict=True):
        made = Model(
            name=like,
            title="x",
            source="x",
            architecture=template.built(sizes),
            precision=Precision(model.precision.default, model.precision.roles),
        )
        assert row.weight_bytes == made.weight_bytes(quant=quant)


def test_a_pool_is_so_many_times_one_device():
    one = machine(accelerator("h100"), ("bf16",))
    assert pooled(one, 1) is one
    eight = pooled(one, 8)
    assert (eight.bandwidth, eight.peaks["bf16"]) == (8 * one.bandwidth, 8 * one.peaks["bf16"])


def test_the_frontier_is_of_all_designs_within_the_budgets():
    axes = {"hidden": "2048..3072/512", "experts": "32..128", "top_k": "4,8", "kv_heads": "2,4,8"}
    found = moecalc_design("qwen3-30b-a3b", axes, total="10B..40B", active="<=4B", context=8192)
    every = moecalc_design("qwen3-30b-a3b", axes, context=8192, pareto="active:min")
    assert every.found.within == 3 * 3 * 2 * 3
    assert found.found.within + sum(found.found.outside.values()) == every.found.within
    model = loaded("qwen3-30b-a3b")
    template = Template(model.name, model.architecture)
    scores = set()
    for hidden in (2048, 2560, 3072):
        for experts in (32, 64, 128):
            for top_k in (4, 8):
                for kv_heads in (2, 4, 8):
                    sizes = {"hidden": hidden, "experts": experts, "top_k": top_k, "kv_heads": kv_heads}
                    made = Model(name="x", title="x", source="x", architecture=template.built(sizes))
                    total, active = made.params.total, made.params.active()
                    if 10**10 <= total <= 4 * 10**10 and active <= 4 * 10**9:
                        scores.add((active, -total, made.state_bytes(8192)))
    best = {
        one
        for one in scores
        if not any(two != one and all(b <= a for a, b in zip(one, two, strict=True)) for two in scores)
    }
    assert {(row.active, -row.total, row.state_bytes) for row in found.rows} == best


def test_progress_hears_of_every_combination():
    heard = []
    moecalc_design(
        "mixtral-8x7b",
        {"hidden": "1024..4096", "experts": "8..64/8", "top_k": "1..64/1"},
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard[-1] == (25 * 8 * 64, 25 * 8 * 64)
    assert len(heard) > 2
    assert heard == sorted(heard)


def test_buffers_are_stored_and_no_parameters():
    buffers = [w for w in loaded("deepseek-v3").ledger.weights if w.kind is Kind.BUFFER]
    assert buffers  # so that the bytes above are of more than parameters
