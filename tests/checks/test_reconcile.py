"""A config against headers that are wrong in one thing: each fault is found, under the name that it has.

The tensors are those that transformers saves for the configs, written out here; every case changes some of them.
"""

from math import ceil, prod

import pytest

from moecalc.checks.reconcile import reconcile
from moecalc.ir.roles import Component
from moecalc.sources.headers.safetensors import DTYPE_BITS
from moecalc.sources.headers.tensors import Header, StoredTensor
from moecalc.sources.hf_config import read_config
from moecalc.sources.layouts.codes import norms_of_type

LLAMA = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1000,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
MIXTRAL = {**LLAMA, "model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}
FP8 = {
    **LLAMA,
    "quantization_config": {
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
        "activation_scheme": "dynamic",
    },
}
NORMS = ("input_layernorm", "post_attention_layernorm")
ATTENTION = {"q_proj": (64, 64), "k_proj": (32, 64), "v_proj": (32, 64), "o_proj": (64, 64)}
FEED_FORWARD = {"gate_proj": (128, 64), "up_proj": (128, 64), "down_proj": (64, 128)}
EXPERT = {"w1": (128, 64), "w2": (64, 128), "w3": (128, 64)}


def layers(feed_forward):
    made = {"model.embed_tokens.weight": ("BF16", (1000, 64))}
    for i in range(4):
        layer = f"model.layers.{i}"
        made |= {f"{layer}.{norm}.weight": ("BF16", (64,)) for norm in NORMS}
        made |= {f"{layer}.self_attn.{name}.weight": ("BF16", shape) for name, shape in ATTENTION.items()}
        made |= {f"{layer}.{name}.weight": ("BF16", shape) for name, shape in feed_forward.items()}
    return made | {"model.norm.weight": ("BF16", (64,)), "lm_head.weight": ("BF16", (1000, 64))}


def llama():
    return layers({f"mlp.{name}": shape for name, shape in FEED_FORWARD.items()})


def mixtral(numbers=range(4)):
    experts = {
        f"block_sparse_moe.experts.{e}.{name}": shape for e in numbers for name, shape in EXPERT.items()
    }
    return layers({"block_sparse_moe.gate": (4, 64), **experts})


def fp8(values="F8_E4M3", scales="F32"):
    made = {}
    for name, (dtype, shape) in llama().items():
        is_quantized = "_proj." in name
        made[name] = (values if is_quantized else dtype, shape)
        if is_quantized:
            made[f"{name}_scale_inv"] = (scales, tuple(ceil(side / 128) for side in shape))
    return made


WIDE = {64: 256, 128: 384, 32: 128}
WIDE_FP8 = {**FP8, "hidden_size": 256, "intermediate_size": 384}


def wide_fp8(turned=False):
    """As `fp8`, with matrices of more than one block."""
    made = {}
    for name, (dtype, shape) in llama().items():
        wide = tuple(WIDE.get(side, side) for side in shape)
        made[name] = (dtype, wide)
        if "_proj." in name:
            blocks = tuple(ceil(side / 128) for side in wide)
            made |= {
                name: ("F8_E4M3", wide),
                f"{name}_scale_inv": ("F32", blocks[::-1] if turned else blocks),
            }
    return made


def header(tensors, **more):
    stored = [
        StoredTensor(name, dtype, shape, prod(shape) * DTYPE_BITS[dtype] // 8, "f")
        for name, (dtype, shape) in tensors.items()
    ]
    return Header(source="h", format="safetensors", tensors=tuple(stored), files=("f",), **more)


def held(config, tensors, **more):
    reading = read_config(config)
    ledger, norms = reading.architecture.lower_to_ledger(), norms_of_type(reading.model_type)
    return reconcile(ledger, reading.precision, header(tensors, **more), norms=norms)


def found(config, tensors):
    """(kind, name with its layers, expected, stored, tensors) of what disagrees."""
    result = held(config, tensors)
    assert result.breakdown.total.bytes == header(tensors).total_bytes
    return {
        (f.kind, f.name.replace("{}", ",".join(map(str, f.layers)), 1), f.expected, f.stored, f.tensors)
        for f in result.disagreements
    }


def renamed(tensors, *pairs):
    for old, new in pairs:
        tensors = {name.replace(old, new): stored for name, stored in tensors.items()}
    return tensors


def without(tensors, *parts):
    return {name: stored for name, stored in tensors.items() if not any(part in name for part in parts)}


@pytest.mark.parametrize(
    ("config", "tensors"),
    [
        (LLAMA, llama()),
        (MIXTRAL, mixtral()),
        (FP8, fp8()),
        (WIDE_FP8, wide_fp8()),
        ({**LLAMA, "tie_word_embeddings": True}, llama()),
        ({**LLAMA, "tie_word_embeddings": True}, without(llama(), "lm_head")),
    ],
)
def test_what_transformers_saves_agrees(config, tensors):
    assert found(config, tensors) == set()
    assert held(config, tensors).agrees


@pytest.mark.parametrize(
    ("name", "stored", "expected"),
    [
        ("model.layers.1.mlp.gate_proj.weight", (64, 128), "[128, 64]"),
        ("model.embed_tokens.weight", (64, 1000), "[1000, 64]"),
        ("model.layers.0.self_attn.q_proj.weight", (32, 128), "[64, 64]"),
        ("model.layers.0.self_attn.q_proj.weight", (4, 16, 64), None),  # heads written out: nothing moves
        ("model.layers.0.self_attn.q_proj.weight", (16, 4, 64), "[64, 64]"),
        ("model.norm.weight", (99,), "[64]"),
        ("model.norm.weight", (8, 8), "[64]"),
        ("model.norm.weight", (1, 64), None),
        ("model.norm.weight", (), "[64]"),
        ("lm_head.weight", (2000, 32), "[1000, 64]"),
    ],
)
def test_a_shape_is_the_rows_own(name, stored, expected):
    differing = {("other shape", name, expected, f"{list(stored)}", 1)} if expected else set()
    assert found(LLAMA, llama() | {name: ("BF16", stored)}) == differing


def test_shapes_of_two_projections_that_add_up():
    layer = "model.layers.0.self_attn"
    changed = {f"{layer}.k_proj.weight": ("BF16", (16, 64)), f"{layer}.v_proj.weight": ("BF16", (48, 64))}
    assert found(LLAMA, llama() | changed) == {
        ("other shape", f"{layer}.k_proj.weight", "[32, 64]", "[16, 64]", 1),
        ("other shape", f"{layer}.v_proj.weight", "[32, 64]", "[48, 64]", 1),
    }


@pytest.mark.parametrize(
    ("old", "new", "shape"),
    [
        ("mlp.up_proj", "mlp.fc1", "[128, 64]"),
        ("mlp.up_proj", "feed_forward.up_proj", "[128, 64]"),
        ("post_attention_layernorm", "pre_feedforward_layernorm", "[64]"),
        ("self_attn.o_proj", "self_attn.out_proj", "[64, 64]"),
        ("self_attn.q_proj", "attention.q_proj", "[64, 64]"),
    ],
)
def test_one_layer_named_otherwise(old, new, shape):
    layer = "model.layers.2"
    assert found(LLAMA, renamed(llama(), (f"{layer}.{old}", f"{layer}.{new}"))) == {
        ("missing", f"{layer}.{old}.weight", shape, "", 1),
        ("unexpected", f"{layer}.{new}.weight", "", f"{shape} BF16", 1),
    }


@pytest.mark.parametrize(
    ("old", "new", "shape"),
    [
        ("mlp.up_proj", "mlp.fc1", "[128, 64]"),
        ("mlp.gate_proj", "mlp.w1", "[128, 64]"),
        ("post_attention_layernorm", "ffn_norm", "[64]"),
        ("post_attention_layernorm", "post_mlp_layernorm", "[64]"),
    ],
)
def test_words_of_another_code_in_every_layer(old, new, shape):
    kinds = {(kind, name, stored) for kind, name, _, stored, _ in found(LLAMA, renamed(llama(), (old, new)))}
    assert ("missing", f"model.layers.0,1,2,3.{old}.weight", "") in kinds
    assert {kind for kind, *_ in kinds} <= {"missing", "unexpected", "unknown name"}
    assert len(kinds) == 2


@pytest.mark.parametrize(
    "others",
    [
        ("post_attention_layernorm", "post_feedforward_layernorm"),  # OLMo 2
        ("input_layernorm", "pre_feedforward_layernorm"),  # VaultGemma
        ("input_layernorm", "pre_ff_layernorm"),  # Jamba
        ("self_attn_layer_norm", "final_layer_norm"),  # OPT
        ("operator_norm", "ffn_norm"),  # LFM2
        ("attention_layernorm", "feedforward_layernorm"),  # Apertus
        ("ln_1", "ln_2"),  # GPT-2, in none of this layout's layers
    ],
)
def test_the_norms_of_another_code_in_every_layer(others):
    """All layers alike, each name known and each shape right: and no Llama has them."""
    changed = renamed(llama(), *((old, f"@{i}") for i, old in enumerate(NORMS)))
    changed = renamed(changed, *((f"@{i}", new) for i, new in enumerate(others)))
    layers = "model.layers.0,1,2,3"
    differing = found(LLAMA, changed)
    gone, new = set(NORMS) - set(others), set(others) - set(NORMS)
    assert {name for kind, name, *_ in differing if kind == "missing"} == {
        f"{layers}.{norm}.weight" for norm in gone
    }
    assert {name for kind, name, *_ in differing if kind in {"unexpected", "unknown name"}} == {
        f"{layers}.{norm}.weight" for norm in new
    }
    assert sum(tensors for *_, tensors in differing) == 4 * (len(gone) + len(new))


def test_norms_whose_code_is_not_told_are_left_to_their_neighbours():
    changed = renamed(llama(), ("post_attention_layernorm", "pre_feedforward_layernorm"))
    reading = read_config(LLAMA)
    assert reconcile(reading.architecture.lower_to_ledger(), reading.precision, header(changed)).agrees


def test_one_layer_under_another_stem():
    tensors = renamed(llama(), ("model.layers.3.", "language_model.model.layers.3."))
    differing = found(LLAMA, tensors)
    assert {(kind, name) for kind, name, *_ in differing if kind == "missing"} == {
        ("missing", name) for name in llama() if name.startswith("model.layers.3.")
    }
    unknown = [name for kind, name, *_ in differing if kind == "unknown name"]
    assert len(unknown) == 9
    assert all(name.startswith("language_model.model.layers.3.") for name in unknown)
    assert len(differing) == 18


def test_everything_under_two_stems():
    twice = llama() | {f"language_model.{name}": stored for name, stored in llama().items()}
    differing = found(LLAMA, twice)
    assert {kind for kind, name, *_ in differing if "lm_head" not in name} == {"unknown name"}
    assert ("unexpected", "language_model.lm_head.weight", "", "[1000, 64] BF16", 1) in differing
    assert sum(tensors for *_, tensors in differing) == len(llama())


@pytest.mark.parametrize(
    ("config", "tensors", "missing"),
    [
        (LLAMA, without(llama(), "mlp.up_proj"), "model.layers.0,1,2,3.mlp.up_proj.weight"),
        (LLAMA, without(llama(), "mlp.down_proj"), "model.layers.0,1,2,3.mlp.down_proj.weight"),
        (LLAMA, without(llama(), "embed_tokens"), "model.embed_tokens.weight"),
        (LLAMA, without(llama(), "lm_head"), "lm_head.weight"),
        (LLAMA, without(llama(), "model.norm"), "model.norm.weight"),
        (LLAMA, without(llama(), "k_proj"), "model.layers.0,1,2,3.self_attn.k_proj.weight"),
        (LLAMA, without(llama(), "input_layernorm"), "model.layers.0,1,2,3.input_layernorm.weight"),
        (
            LLAMA,
            without(llama(), "post_attention_layernorm"),
            "model.layers.0,1,2,3.post_attention_layernorm.weight",
        ),
        (LLAMA, without(llama(), "layers.1.mlp.gate"), "model.layers.1.mlp.gate_proj.weight"),
        (MIXTRAL, without(mixtral(), "moe.gate"), "model.layers.0,1,2,3.block_sparse_moe.gate.weight"),
    ],
)
def test_what_is_missing_has_the_name_that_it_would_have(config, tensors, missing):
    assert [(kind, name) for kind, name, *_ in found(config, tensors)] == [("missing", missing)]


def test_two_missing_rows_of_one_role_have_two_names():
    differing = found(
        LLAMA, without(llama(), "layers.1.input_layernorm", "layers.1.post_attention_layernorm")
    )
    assert differing == {("missing", f"model.layers.1.{norm}.weight", "[64]", "", 1) for norm in NORMS}
    everywhere = found(LLAMA, without(llama(), *NORMS))
    assert everywhere == {("missing", f"model.layers.0,1,2,3.{norm}.weight", "[64]", "", 4) for norm in NORMS}


def test_a_whole_feed_forward_is_missing():
    assert {(kind, name) for kind, name, *_ in found(LLAMA, without(llama(), "layers.0.mlp"))} == {
        ("missing", f"model.layers.0.mlp.{name}.weight") for name in FEED_FORWARD
    }


def test_experts_are_numbered_from_0():
    name = "model.layers.0,1,2,3.block_sparse_moe.experts"
    assert found(MIXTRAL, mixtral([0, 1, 2, 7])) == {
        *(("missing", f"{name}.3.{w}.weight", f"{list(shape)}", "", 4) for w, shape in EXPERT.items()),
        *(
            ("unexpected", f"{name}.7.{w}.weight", "", f"{list(shape)} BF16", 4)
            for w, shape in EXPERT.items()
        ),
    }


def test_a_missing_expert_is_one():
    name = "model.layers.0,1,2,3.block_sparse_moe.experts"
    assert found(MIXTRAL, mixtral([0, 1, 3])) == {
        ("missing", f"{name}.2.{w}.weight", f"{list(shape)}", "", 4) for w, shape in EXPERT.items()
    }


def test_an_expert_too_many():
    name = "model.layers.0,1,2,3.block_sparse_moe.experts"
    assert found(MIXTRAL, mixtral(range(5))) == {
        ("unexpected", f"{name}.4.{w}.weight", "", f"{list(shape)} BF16", 4) for w, shape in EXPERT.items()
    }


def test_one_experts_matrix_under_anothers_name():
    old, new = "layers.1.block_sparse_moe.experts.3.w3", "layers.1.block_sparse_moe.experts.9.w1"
    name = "model.layers.1.block_sparse_moe.experts"
    assert found(MIXTRAL, renamed(mixtral(), (old, new))) == {
        ("missing", f"{name}.3.w3.weight", "[128, 64]", "", 1),
        ("unexpected", f"{name}.9.w1.weight", "", "[128, 64] BF16", 1),
    }


def test_the_shape_of_one_expert():
    name = "model.layers.1.block_sparse_moe.experts.3.w1.weight"
    assert found(MIXTRAL, mixtral() | {name: ("BF16", (64, 128))}) == {
        ("other shape", name, "[128, 64]", "[64, 128]", 1)
    }


@pytest.mark.parametrize("number", ["03", "٣", "9" * 900, "³", "-3"])
def test_a_number_is_written_one_way(number):
    old = "model.layers.3.mlp.up_proj.weight"
    new = f"model.layers.{number}.mlp.up_proj.weight"
    kinds = {(f.kind, f.name) for f in held(LLAMA, renamed(llama(), (old, new))).disagreements}
    assert kinds == {("missing", "model.layers.{}.mlp.up_proj.weight"), ("unknown name", new)}


@pytest.mark.parametrize(
    ("tensors", "stored"),
    [
        (fp8("I8"), "I8 with weight_scale_inv"),
        (fp8("F8_E5M2"), "F8_E5M2 with weight_scale_inv"),
        (fp8(scales="I32"), "F8_E4M3 with weight_scale_inv, weight_scale_inv in I32"),
        (without(fp8(), "_scale_inv"), "F8_E4M3"),
        (llama(), "BF16"),
    ],
)
def test_quantized_dtypes(tensors, stored):
    differing = found(FP8, tensors)
    assert {(kind, expected, said) for kind, _, expected, said, _ in differing} == {
        ("other dtype", "fp8-block128", stored)
    }
    assert len(differing) == 7


def test_scales_lie_as_their_blocks():
    assert found(WIDE_FP8, wide_fp8(turned=True)) == {
        ("other shape", f"model.layers.0,1,2,3.{name}.weight_scale_inv", expected, stored, 4)
        for name, expected, stored in (
            ("mlp.gate_proj", "[3, 2]", "[2, 3]"),
            ("mlp.up_proj", "[3, 2]", "[2, 3]"),
            ("mlp.down_proj", "[2, 3]", "[3, 2]"),
        )
    }


def test_scales_without_their_matrix():
    tensors = fp8()
    del tensors["model.layers.0.mlp.up_proj.weight"]
    assert found(FP8, tensors) == {
        ("missing", "model.layers.0.mlp.up_proj.weight", "[128, 64]", "", 1),
        (
            "unexpected",
            "model.layers.0.mlp.up_proj.weight",
            "",
            "beside no values: [1, 1] with weight_scale_inv",
            1,
        ),
    }


@pytest.mark.parametrize(
    ("head", "differing"),
    [
        (("F32", (5, 5)), ("other shape", "[1000, 64]", "[5, 5]")),
        (("BF16", (64, 1000)), ("other shape", "[1000, 64]", "[64, 1000]")),
        (("F32", (1000, 64)), ("other dtype", "as the original, BF16", "F32")),
    ],
)
def test_a_copy_is_like_its_original(head, differing):
    config = {**LLAMA, "tie_word_embeddings": True}
    result = held(config, llama())
    assert [(f.kind, f.name) for f in result.findings] == [("copy", "lm_head.weight")]
    kind, expected, stored = differing
    assert found(config, llama() | {"lm_head.weight": head}) == {
        (kind, "lm_head.weight", expected, stored, 1)
    }


def again(name, dtype, shape):
    return StoredTensor(name, dtype, shape, prod(shape) * DTYPE_BITS[dtype] // 8, "g")


def test_a_name_stored_twice_alike_is_a_copy():
    twice = (again("model.norm.weight", "BF16", (64,)),)
    result = held(LLAMA, llama(), duplicates=twice)
    assert result.agrees
    assert result.summary == "config and header agree on 39 tensors (1 copy)"
    assert [(f.kind, f.name, f.stored) for f in result.findings] == [
        ("copy", "model.norm.weight", "[64] BF16 in f, [64] BF16 in g")
    ]
    assert result.breakdown.copies.bytes == 128
    assert result.breakdown.total.bytes == header(llama()).total_bytes + 128 == result.header.total_bytes


@pytest.mark.parametrize(("dtype", "shape"), [("F32", (99,)), ("F32", (64,)), ("BF16", (8, 8))])
def test_a_name_of_two_tensors_is_no_agreement(dtype, shape):
    name = "model.layers.2.input_layernorm.weight"
    result = held(LLAMA, llama(), duplicates=(again(name, dtype, shape),))
    assert [(f.kind, f.name, f.layers, f.stored) for f in result.disagreements] == [
        (
            "duplicate",
            "model.layers.{}.input_layernorm.weight",
            (2,),
            f"[64] BF16 in f, {list(shape)} {dtype} in g",
        )
    ]


def test_what_an_index_says_otherwise():
    said = "1 tensor of the index is in no file: `ghost`"
    result = held(LLAMA, llama(), notes=(said,), contradictions=(said,))
    assert [(f.kind, f.name) for f in result.disagreements] == [("index", said)]
    summary = "config and header agree on 39 tensors, but the index says otherwise than the files"
    assert result.summary == summary
    result = held(LLAMA, without(llama(), "model.norm"), contradictions=(said,))
    summary = "config and header disagree: 1 missing of 38 tensors; the index says otherwise than the files"
    assert result.summary == summary


def test_a_false_total_size_is_seen_and_fails_nothing():
    """It says nothing false of any tensor, and published indices get it wrong: a finding, no disagreement."""
    said = "the index says total_size 1; the tensors take 2 bytes"
    result = held(LLAMA, llama(), notes=(said,), misstatements=(said,))
    assert result.agrees
    assert [(f.kind, f.name) for f in result.findings] == [("total size", said)]
    agrees = "config and header agree on 39 tensors; the index's total_size is another than their sum"
    assert result.summary == agrees


TOWER = {
    "model_type": "llava",
    "text_config": LLAMA,
    "vision_config": {
        "model_type": "clip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
    },
}


def test_a_tower_is_held_by_its_sum_and_said_to_be():
    reading = read_config(TOWER)
    ledger = reading.architecture.lower_to_ledger()
    size = sum(int(w.elements) for w in ledger.weights if w.component is Component.VISION)
    language = {f"language_model.{name}": stored for name, stored in llama().items()}
    tower = {"vision_tower.a.weight": ("BF16", (size - 5,)), "vision_tower.b.weight": ("BF16", (5,))}
    result = reconcile(ledger, reading.precision, header(language | tower))
    assert result.agrees
    assert [(f.kind, f.name, f.tensors, f.elements) for f in result.findings] == [
        ("by sum", "vision tower", 2, size)
    ]
    assert result.summary == "config and header agree on 41 tensors (2 of towers by their sum alone)"
    less = reconcile(ledger, reading.precision, header(language | {"vision_tower.a.weight": ("BF16", (5,))}))
    assert [(f.kind, f.name) for f in less.disagreements] == [("other shape", "vision tower")]
