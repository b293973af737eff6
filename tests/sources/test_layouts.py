"""Layouts: the tables are well formed, and names are read as they are spelt."""

import pytest

from moecalc.ir.roles import Component, Role
from moecalc.sources.headers.tensors import Header, StoredTensor
from moecalc.sources.layouts.bundles import bundle
from moecalc.sources.layouts.layout import Reading, Wanted, parse
from moecalc.sources.layouts.lift import LAYOUTS, choose, lift, template_of


def header(*tensors):
    return Header("made", "safetensors", tuple(StoredTensor(n, d, s, 1, "f") for n, d, s in tensors))


def bundles(*tensors):
    return bundle(lift(header(*tensors)).parts)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_entry_of_a_table_can_be_read(layout):
    for template, entry in layout.entries.items():
        assert entry.readings or entry.is_buffer or entry.copy_of, template
        assert layout.find(template) == entry
    for role, component in {
        (entry.roles[0], entry.component) for entry in layout.entries.values() if entry.roles
    }:
        assert layout.spellings(role, component)


def test_the_forms_of_an_entry():
    assert parse("attention.bias[kv_heads]").readings == (
        Reading((Wanted(Role.ATTENTION_BIAS, "kv_heads"),)),
    )
    fused, other = parse("routed.gate + routed.up turned | routed.up").readings
    assert (fused.turned, len(fused.rows), other.turned) == (True, 2, False)
    assert parse("copy of head.lm").copy_of is Role.HEAD
    assert parse("buffer").is_buffer
    for text in ("attention.nothing", "attention", "attention.q + ", ""):
        with pytest.raises(ValueError):
            parse(text)


@pytest.mark.parametrize(
    ("name", "template", "layer", "expert"),
    [
        ("model.layers.12.mlp.experts.3.w1.weight", "model.layers.{}.mlp.experts.{}.w1.weight", 12, 3),
        ("h.0.attn.c_attn.weight", "h.{}.attn.c_attn.weight", 0, None),
        ("lm_head.weight", "lm_head.weight", None, None),
        ("model.layers.1.conv1d.weight", "model.layers.{}.conv1d.weight", 1, None),
    ],
)
def test_the_numbers_in_a_name(name, template, layer, expert):
    assert template_of(name) == (template, layer, expert)


@pytest.mark.parametrize(
    ("name", "role", "component"),
    [
        ("model.layers.0.self_attn.q_proj.weight", Role.ATTENTION_Q, Component.LANGUAGE),
        (
            "language_model.model.layers.0.mlp.experts.7.down_proj.weight",
            Role.EXPERT_DOWN,
            Component.LANGUAGE,
        ),
        ("model.language_model.layers.0.mlp.experts.gate_up_proj", Role.EXPERT_GATE, Component.LANGUAGE),
        ("mtp.layers.0.self_attn.q_proj.weight", Role.ATTENTION_Q, Component.MTP),
        ("layers.0.feed_forward.experts.1.w2.weight", Role.EXPERT_DOWN, Component.LANGUAGE),
        ("h.0.attn.c_attn.weight", Role.ATTENTION_Q, Component.LANGUAGE),
        ("transformer.h.0.mlp.c_fc.weight", Role.FFN_UP, Component.LANGUAGE),
        ("gpt_neox.layers.0.attention.query_key_value.weight", Role.ATTENTION_Q, Component.LANGUAGE),
        ("blk.0.ffn_gate_exps.weight", Role.EXPERT_GATE, Component.LANGUAGE),
    ],
)
def test_a_name_is_read(name, role, component):
    layout = choose([template_of(name)[0]])
    entry = layout.find(template_of(name)[0])
    assert (entry.roles[0], entry.component) == (role, component)


@pytest.mark.parametrize(
    ("name", "layer", "experts"),
    [
        # LongCat stores two layers as one, whose experts are the first's
        ("model.layers.3.self_attn.1.q_b_proj.weight", 7, None),
        ("model.layers.3.mlps.0.up_proj.weight", 6, None),
        ("model.layers.3.mlp.experts.5.up_proj.weight", 6, 1),
        # Inkling 2's first layer has no query here
        ("model.llm.attn_res.attn_queries.3", 4, None),
        # Gemma 3n's list is not of layers
        ("model.altup_projections.1.weight", None, None),
        ("model.layers.3.mlp.experts.5.up_proj.weight", 3, 1),
    ],
)
def test_the_layer_that_a_name_means(name, layer, experts):
    others = {
        6: "model.layers.0.mlps.0.down_proj.weight",
        7: "model.layers.0.mlps.0.down_proj.weight",
        4: "model.llm.embed.weight",
    }
    tensors = [(name, "BF16", (2, 2)), (others.get(layer, "model.norm.weight"), "BF16", (2, 2))]
    part = next(part for part in lift(header(*tensors)).parts if part.template == template_of(name)[0])
    assert (part.layer, part.experts) == (layer, experts)


def test_a_prediction_module_apart_makes_no_layer_one():
    """DeepSeek-V4's `mtp.0` is no word on `layers.0`; V3 stores its module as a layer behind the last."""
    names = ("layers.0.attn.wq_a.weight", "mtp.0.e_proj.weight", "mtp.0.attn.wq_a.weight")
    apart = [part.component for part in lift(header(*((n, "BF16", (2, 2)) for n in names))).parts]
    assert apart == [Component.LANGUAGE, Component.MTP, Component.MTP]
    names = (
        "model.layers.0.mlp.up_proj.weight",
        "model.layers.1.eh_proj.weight",
        "model.layers.1.mlp.up_proj.weight",
    )
    behind = [part.component for part in lift(header(*((n, "BF16", (2, 2)) for n in names))).parts]
    assert behind == [Component.LANGUAGE, Component.MTP, Component.MTP]


def test_a_tower_is_known_by_the_beginning_of_its_names():
    (tower,) = bundles(("model.visual.blocks.0.attn.qkv.weight", "BF16", (3, 1)))
    assert (tower.component, tower.entry) == (Component.VISION, None)


def test_an_unknown_name_is_nobody_s():
    lifted = lift(header(("model.layers.0.self_attn.q_prj.weight", "BF16", (2, 2))))
    assert [part.template for part in lifted.unknown] == ["model.layers.{}.self_attn.q_prj.weight"]


@pytest.mark.parametrize(
    ("stored", "bits", "shape"),
    [
        # AutoAWQ packs along the outputs, AutoGPTQ along the inputs; both store the matrix turned round
        (
            {"qweight": ("I32", (256, 16)), "qzeros": ("I32", (2, 16)), "scales": ("F16", (2, 128))},
            None,
            (128, 256),
        ),
        (
            {
                "qweight": ("I32", (32, 128)),
                "qzeros": ("I32", (2, 16)),
                "scales": ("F16", (2, 128)),
                "g_idx": ("I32", (256,)),
            },
            None,
            (128, 256),
        ),
        (
            {"qweight": ("I32", (64, 128)), "qzeros": ("I32", (2, 32)), "scales": ("F16", (2, 128))},
            None,
            (128, 256),
        ),
        ({"weight_packed": ("I32", (128, 32)), "weight_scale": ("BF16", (128, 2))}, 4, (128, 256)),
        ({"weight_packed": ("I32", (128, 32)), "weight_scale": ("BF16", (128, 2))}, None, None),
        ({"weight_packed": ("U8", (128, 128)), "weight_scale": ("F8_E4M3", (128, 16))}, None, (128, 256)),
        ({"weight": ("U8", (128, 128)), "weight_scale": ("F8_E4M3", (128, 16))}, None, (128, 256)),
        ({"weight": ("I8", (128, 128)), "scale": ("F8_E8M0", (128, 8))}, None, (128, 256)),
        ({"weight": ("I8", (128, 256)), "weight_scale": ("F32", (128, 1))}, None, (128, 256)),
        ({"weight": ("F8_E4M3", (128, 256)), "weight_scale_inv": ("F32", (1, 2))}, None, (128, 256)),
        (
            {"weight": ("U32", (128, 32)), "scales": ("F16", (128, 4)), "biases": ("F16", (128, 4))},
            4,
            (128, 256),
        ),
        ({"weight": ("U8", (16384, 1)), "weight.absmax": ("F32", (512,))}, None, None),
    ],
)
def test_packed_values_are_counted_singly(stored, bits, shape):
    (made,) = bundles(*[(f"model.layers.0.mlp.up_proj.{name}", *rest) for name, rest in stored.items()])
    assert made.entry.roles[0] is Role.FFN_UP
    assert made.shape(bits) == shape
    if shape is not None or "weight.absmax" in stored:
        assert made.elements(bits) == 128 * 256


def test_experts_are_one_bundle_of_their_layer():
    names = [
        f"model.layers.2.mlp.experts.{e}.up_proj.{part}"
        for e in range(4)
        for part in ("weight", "weight_scale")
    ]
    (made,) = bundles(
        *[(n, "F8_E4M3" if n.endswith("t") else "F32", (8, 16) if n.endswith("t") else (1,)) for n in names]
    )
    assert made.shape() == (4, 8, 16)
    assert (made.layer, made.tensors, made.scales) == (2, 8, 4)
