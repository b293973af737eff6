"""Published checkpoints, from listings found outside: every tensor is explained, and every sum is the source's."""

from collections import Counter

import pytest

from moecalc.calc import parameters
from moecalc.checks.expected import expected_rows
from moecalc.checks.reconcile import reconcile
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.sources.hf_config import ConfigReading, read_config
from moecalc.sources.layouts.bundles import bundle
from moecalc.sources.layouts.lift import lift, template_of
from moecalc.sources.layouts.rows import weights_of
from moecalc.sources.layouts.transformers import TRANSFORMERS
from moecalc.sources.params_json import is_params, read_params
from tests.sources.headers import listed

WITH_SHAPES = [name for name in listed.NAMES if all(shape is not None for _, shape, _ in listed.rows(name))]
NAMES_ONLY = [name for name in listed.NAMES if name not in WITH_SHAPES]

OTHER_DTYPE = {
    # (template, config's format, stored dtype): the config cannot tell, or says otherwise
    "kimi-linear-48b-a3b": {
        # moonshot's code makes decays in float32 and the correction a parameter in the model's dtype; transformers 5.23
        # does neither, and no key of the config says so
        ("model.layers.{}.self_attn.A_log", "bf16", "F32"),
        ("model.layers.{}.self_attn.dt_bias", "bf16", "F32"),
        ("model.layers.{}.block_sparse_moe.gate.e_score_correction_bias", "fp32", "BF16"),
    },
    # `modules_to_not_convert` names the router, which says that it is not FP8, and not that it is float32
    "minimax-m2.5": {("model.layers.{}.block_sparse_moe.gate.weight", "bf16", "F32")},
    "qwen3-next-80b-a3b-fp8": {
        # the config carried here leaves out its list of modules that stay in bf16, which names these
        (f"model.layers.{{}}.{name}.weight", "fp8-block128", "BF16")
        for name in ("linear_attn.in_proj_ba", "mlp.shared_expert_gate")
    },
    "qwen3-32b-awq": {
        # its `dtype` is float16, which the scales have; what is not quantized was left in bfloat16
        (name, "fp16", "BF16")
        for name in (
            "lm_head.weight",
            "model.embed_tokens.weight",
            "model.norm.weight",
            "model.layers.{}.input_layernorm.weight",
            "model.layers.{}.post_attention_layernorm.weight",
            "model.layers.{}.self_attn.q_norm.weight",
            "model.layers.{}.self_attn.k_norm.weight",
        )
    },
}
"""Where a published checkpoint contradicts its own config: read in the listing, not derived here."""


def read(name) -> ConfigReading:
    config = listed.config(name)
    return read_params(config) if is_params(config) else read_config(config)


def held(name):
    reading = read(name)
    return reconcile(reading.architecture.lower_to_ledger(), reading.precision, listed.header(name))


@pytest.mark.parametrize("name", WITH_SHAPES)
def test_a_listing_is_transcribed_without_loss(name):
    """Tensors, elements and bytes add up to what the source itself printed."""
    header, printed = listed.header(name), listed.printed(name)
    assert len(header.tensors) == printed["tensors"]
    assert len({tensor.name for tensor in header.tensors}) == printed["tensors"]
    assert header.elements == printed.get("elements", header.elements)
    if "GiB" in printed:
        assert round(header.total_bytes / 2**30, 2) == printed["GiB"]
    assert header.total_bytes == printed.get("bytes", header.total_bytes)


@pytest.mark.parametrize("name", WITH_SHAPES)
def test_a_published_checkpoint_has_no_unexplained_tensor(name):
    found = held(name)
    differing = [finding for finding in found.disagreements if finding.kind != "other dtype"]
    assert not differing
    stored = {(finding.name, finding.expected, finding.stored) for finding in found.disagreements}
    assert stored == OTHER_DTYPE.get(name, set())
    assert found.agrees == (name not in OTHER_DTYPE)


@pytest.mark.parametrize("name", WITH_SHAPES)
def test_every_stored_byte_is_somewhere_in_the_breakdown(name):
    found, header = held(name), listed.header(name)
    total = found.breakdown.total
    assert (total.bytes, total.tensors) == (header.total_bytes, len(header.tensors))


@pytest.mark.parametrize("name", NAMES_ONLY)
def test_names_and_total_size_of_an_index(name):
    """Each name takes the shape of the row that its layout says it holds; together they are `total_size` bytes."""
    names = [each for names, _, _ in listed.rows(name) for each in names]
    reading = read(name)
    ledger = reading.architecture.lower_to_ledger()
    left = Counter()
    for (component, layer), rows in expected_rows(ledger).items():
        assert component is Component.LANGUAGE
        for row in rows:
            left[row.weight.role, layer] += row.elements
    told = Counter()
    for each in names:
        template, layer, _ = template_of(each)
        entry = TRANSFORMERS.find(template)
        assert entry is not None, each
        told[entry.roles[0], layer] += 1
    assert told.keys() == left.keys()
    assert len(names) == listed.printed(name)["tensors"]
    assert 2 * sum(left.values()) == listed.printed(name)["bytes"]


def test_the_breakdown_of_deepseek_v3s_checkpoint():
    """684,531,386,000 stored elements, as the hub's metadata prints them."""
    found = held("deepseek-r1").breakdown
    assert found.parameters.elements + found.buffers.elements == 671_026_419_200
    assert found.buffers.elements == 14_848
    assert found.mtp.elements == 13_463_426_304
    assert found.mtp_copies.elements == 2 * 129_280 * 7_168
    assert found.scales.elements == 41_540_496
    assert found.total.elements == 684_531_386_000


def test_the_breakdown_of_deepseek_v4_pros_checkpoint():
    """805.32 GiB in DeepSeek's own names: FP4 experts packed two to a byte, byte-wide scales, one MTP module."""
    name = "deepseek-v4-pro"
    found, ledger = held(name), read(name).architecture.lower_to_ledger()
    assert found.layout == "DeepSeek's own"
    assert found.findings == ()
    packed = sum(w.elements for w in ledger.weights if w.role.group == "routed") // 2
    assert found.breakdown.total.elements - packed == listed.printed(name)["elements"]


def test_modules_that_a_config_says_nothing_of():
    """Qwen3-Next's checkpoint has a prediction module that no key of its config declares."""
    found = held("qwen3-next-80b-a3b-fp8")
    beside = [finding for finding in found.findings if finding.kind == "beside"]
    assert [(finding.name, finding.tensors) for finding in beside] == [("MTP modules", 3096)]
    assert found.breakdown.mtp.elements + found.breakdown.scales.elements == 81_329_784_384 - 79_674_391_296


def test_biases_of_zeros_are_no_parameters():
    """Qwen-VL-Chat-Int4, whose config says that only queries, keys and values have biases."""
    found = held("qwen-vl-chat-int4")
    zeros = [finding for finding in found.findings if finding.kind == "buffer"]
    assert {finding.name.removeprefix("transformer.h.{}.") for finding in zeros} == {
        "attn.c_proj.bias",
        "mlp.c_proj.bias",
        "mlp.w1.bias",
        "mlp.w2.bias",
    }
    assert sum(finding.elements for finding in zeros) == 32 * (2 * 4096 + 2 * 11008)
    assert found.breakdown.parameters.elements == 7_721_324_544
    assert [finding.name for finding in found.findings if finding.kind == "beside"] == ["vision tower"]


def test_the_breakdown_of_gpt_oss_20bs_checkpoint():
    """21,511,953,984 stored elements, as the hub's metadata prints them: two FP4 values to a byte."""
    found = held("gpt-oss-20b").breakdown
    assert found.parameters.elements == 20_914_757_184
    assert found.scales.elements == 597_196_800
    assert found.total.elements == 21_511_953_984


@pytest.mark.parametrize("name", WITH_SHAPES)
def test_a_header_alone_gives_the_same_parameters(name):
    """Without the config: the same totals; routed experts recognised by name."""
    config = listed.config(name)
    ledger = read(name).architecture.lower_to_ledger()
    lifted = lift(listed.header(name))
    top_k = config.get("num_experts_per_tok") or config.get("num_experts_per_token")
    alone = Ledger(weights_of(lifted, top_k), (), ())
    findings = held(name).findings
    stored_beside = sum(f.elements for f in findings if f.kind == "copy" and f.name == "lm_head.weight")
    # biases of zeros look like biases
    stored_beside += sum(f.elements for f in findings if f.kind == "buffer" and f.name.endswith(".bias"))
    assert parameters.total(alone) == parameters.total(ledger) + stored_beside
    assert parameters.routed(alone) == parameters.routed(ledger)
    assert parameters.active(alone) == parameters.active(ledger) + stored_beside
    assert not lifted.unknown
    bundles = bundle(lifted.parts)
    assert sum(each.bytes for each in bundles) == listed.header(name).total_bytes
    assert sum(each.tensors for each in bundles) == len(listed.header(name).tensors)
    experts = {len(each.numbers) for each in bundles if each.numbers}
    assert experts <= {int(weight.pool.experts) for weight in ledger.weights if weight.pool}
