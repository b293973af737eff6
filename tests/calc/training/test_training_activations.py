"""Activations kept for the backward pass, held against what torch really keeps, and against the published formula."""

from fractions import Fraction

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import AutoModelForCausalLM

from moecalc.api import load
from moecalc.calc.training.training_activations import Layer, Saving, kept
from moecalc.calc.training.training_memory import TrainingMemory
from moecalc.specs.training import find_optimizer, find_training_precision
from moecalc.specs.training_choices import parse_lora, parse_recompute
from moecalc.specs.training_plan import training_plan
from tests.oracle.reference import build_config

BATCH, SEQUENCE = 2, 64
TOKENS = BATCH * SEQUENCE

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "vocab_size": 128,
}
LLAMA = {"model_type": "llama", **SIZES, "head_dim": 8}
QWEN3 = {"model_type": "qwen3", **SIZES, "head_dim": 8}
QWEN3_MOE = {
    **QWEN3,
    "model_type": "qwen3_moe",
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 48,
}
OLMOE = {"model_type": "olmoe", **SIZES, "num_experts": 8, "num_experts_per_tok": 2}
STARCODER2 = {"model_type": "starcoder2", **SIZES}
OLMO = {"model_type": "olmo", **SIZES}
MIXTRAL = {"model_type": "mixtral", **SIZES, "num_local_experts": 8, "num_experts_per_tok": 2}
DEEPSEEK_V3 = {
    "model_type": "deepseek_v3",
    **SIZES,
    "num_key_value_heads": 8,
    "q_lora_rank": 32,
    "kv_lora_rank": 24,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 16,
    "first_k_dense_replace": 1,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_group": 2,
    "topk_group": 1,
    "moe_intermediate_size": 48,
}

# 3%: rotary tables, statistics of norms and masks, which grow with none of the widths that are counted.
SMALL = 0.03
# 10%: torch's sdpa on a CPU lays latent attention's output out otherwise than its projection reads it, so both are
# kept; and DeepSeek-V3's router keeps its choice by groups.
LATENT = 0.10


def torch_bytes(run, parameters):
    """Bytes of all storages that autograd keeps while `run` runs, each once, parameters left out."""
    own = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    storages = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = (
                storage.nbytes(),
                tensor,
            )  # kept alive, so that no address comes twice
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        output = run()
    assert output is not None
    return sum(size for size, _ in storages.values())


def reference_bytes(config, index, attention, dtype, recompute=False):
    """What one layer of transformers' own model keeps for each token."""
    model = AutoModelForCausalLM.from_config(
        build_config(config), attn_implementation=attention, experts_implementation="eager", dtype=dtype
    ).train()
    hidden = torch.randn(BATCH, SEQUENCE, config["hidden_size"], dtype=dtype, requires_grad=True)
    positions = torch.arange(SEQUENCE)[None]
    rotary = model.model.rotary_emb(hidden, positions)
    mask = None
    if attention == "eager":
        mask = torch.full((SEQUENCE, SEQUENCE), float("-inf"), dtype=dtype).triu(1)[None, None]

    def run(layer_input):
        return model.model.layers[index](
            layer_input, attention_mask=mask, position_ids=positions, position_embeddings=rotary
        )

    def again(layer_input):
        return checkpoint(run, layer_input, use_reentrant=False)

    return torch_bytes(lambda: (again if recompute else run)(hidden), model.parameters()) / TOKENS


def saving(**chosen):
    defaults = {
        "plan": training_plan(1),
        "precision": find_training_precision("bf16"),
        "sequence": SEQUENCE,
        "kernels": "autograd",
    }
    return Saving(**{**defaults, **chosen})


def layer_parts(config, index, how):
    ledger = load(config).ledger
    rows = [(weight, weight) for weight in ledger.weights if index in weight.indices]
    ops = [op for op in ledger.ops if index in op.indices]
    return Layer(rows, ops, how).saved()


def our_bytes(config, index, how):
    return float(kept(layer_parts(config, index, how), how, config["hidden_size"]).kept_bytes)


@pytest.mark.oracle
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(
    ("config", "index", "tolerance", "copies"),
    [
        pytest.param(LLAMA, 1, SMALL, 0, id="gqa-dense"),
        pytest.param(QWEN3, 1, SMALL, 0, id="gqa-qk-norm-dense"),
        pytest.param(QWEN3_MOE, 1, SMALL, 0, id="gqa-moe"),
        pytest.param(MIXTRAL, 1, SMALL, 0, id="mixtral"),
        pytest.param(OLMOE, 1, SMALL, 0, id="mha-moe-whole-qk-norm"),
        pytest.param(STARCODER2, 1, SMALL, 0, id="layer-norm-biases-ungated"),
        # LayerNorm on a converted copy of the stream
        pytest.param(OLMO, 1, SMALL, 2 * 2 * 64, id="norms-without-parameters"),
        pytest.param(DEEPSEEK_V3, 0, LATENT, 0, id="mla-dense"),
        # the router on one
        pytest.param(DEEPSEEK_V3, 1, LATENT, 4 * 64, id="mla-moe"),
    ],
)
def test_what_autograd_keeps_of_transformers_layers(config, index, tolerance, copies, attention, dtype):
    """`copies`: bytes per token of what a type converts to float32 although it need not, which no row can say."""
    size = 4 if dtype is torch.float32 else 2
    how = saving(attention="flash" if attention == "sdpa" else "eager", element_bytes=size)
    ours = our_bytes(config, index, how)
    if dtype is torch.bfloat16:
        ours += copies
    assert ours == pytest.approx(reference_bytes(config, index, attention, dtype), rel=tolerance)


@pytest.mark.oracle
@pytest.mark.parametrize("config", [LLAMA, QWEN3_MOE, DEEPSEEK_V3], ids=["gqa", "moe", "mla"])
def test_full_recomputation_keeps_the_layer_s_input(config):
    how = saving(recompute=parse_recompute("full"), element_bytes=4)
    ours = our_bytes(config, 1, how)
    assert ours == 4 * config["hidden_size"]
    # torch keeps the input, and the tables that every layer shares: they are the layer's arguments.
    theirs = reference_bytes(config, 1, "sdpa", torch.float32, recompute=True)
    assert ours <= theirs <= 4 * (config["hidden_size"] + 2 * 8)


class SwiGLU(torch.autograd.Function):
    """The activation and its gate as one operation, which keeps what goes in and nothing else."""

    @staticmethod
    def forward(context, gate, up):
        context.save_for_backward(gate, up)
        return functional.silu(gate) * up

    @staticmethod
    def backward(context, gradient):
        raise NotImplementedError


class FusedLayer(torch.nn.Module):
    """A layer from torch's own fused operations: layer_norm, scaled_dot_product_attention, and one SwiGLU.

    On a CPU torch composes rms_norm of small operations; layer_norm is one, and keeps what a fused rms_norm would.
    """

    def __init__(self, experts):
        super().__init__()

        def linear(out, into):
            return torch.nn.Linear(into, out, bias=False)

        self.norms = torch.nn.ParameterList([torch.nn.Parameter(torch.ones(64)) for _ in range(2)])
        self.q, self.k, self.v, self.o = linear(64, 64), linear(16, 64), linear(16, 64), linear(64, 64)
        width = 48 if experts else 160
        self.router = linear(experts, 64) if experts else None
        self.experts = torch.nn.ModuleList(
            torch.nn.ModuleList([linear(width, 64), linear(width, 64), linear(64, width)])
            for _ in range(max(1, experts))
        )

    def forward(self, stream):
        normed = functional.layer_norm(stream, (64,), self.norms[0])
        heads = [
            part(normed).view(BATCH, SEQUENCE, -1, 8).transpose(1, 2) for part in (self.q, self.k, self.v)
        ]
        mixed = functional.scaled_dot_product_attention(*heads, is_causal=True, enable_gqa=True)
        stream = stream + self.o(mixed.transpose(1, 2).reshape(BATCH, SEQUENCE, 64))
        normed = functional.layer_norm(stream, (64,), self.norms[1])
        return stream + (self.run(self.experts[0], normed) if self.router is None else self.routed(normed))

    @staticmethod
    def run(expert, tokens, weights=None):
        gate, up, down = expert
        inner = SwiGLU.apply(gate(tokens), up(tokens))
        return down(inner if weights is None else inner * weights.detach())

    def routed(self, normed):
        flat = normed.reshape(TOKENS, 64)
        weights, chosen = self.router(flat).softmax(-1).topk(2)
        output = torch.zeros_like(flat)
        for number, expert in enumerate(self.experts):
            where, slot = (chosen == number).nonzero(as_tuple=True)
            # Weighted inside, as Megatron-LM's fused activation does: experts' outputs need not be kept.
            part = self.run(expert, flat[where], weights[where, slot, None])
            output = output.index_put((where,), part, accumulate=True)
        return output.view(normed.shape)


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("config", "experts", "tolerance"),
    [pytest.param(LLAMA, 0, SMALL, id="dense"), pytest.param(QWEN3_MOE, 8, SMALL, id="moe")],
)
def test_what_fused_kernels_keep(config, experts, tolerance):
    layer = FusedLayer(experts)
    stream = torch.randn(BATCH, SEQUENCE, 64, requires_grad=True)
    theirs = torch_bytes(lambda: layer(stream), layer.parameters()) / TOKENS
    how = saving(kernels="fused", element_bytes=4)
    parts = layer_parts(config, 1, how)
    ours = sum(part.bytes for part in parts if "qk_norm" not in part.name)  # the layer above has none
    assert float(ours) == pytest.approx(theirs, rel=tolerance)


GPT = {
    "model_type": "gpt2",
    "n_embd": 64,
    "n_layer": 2,
    "n_head": 8,
    "n_positions": 256,
    "vocab_size": 128,
}


def korthikanti(tensor, parallel, policy="none"):
    """Bytes per token of a GPT layer: arXiv 2205.05198, equations 1, 2, 4 and 5, over s b."""
    h, a, s, t = 64, 8, 256, tensor
    scores = Fraction(5 * a * s, t)
    if policy == "full":
        return Fraction(2 * h, t if parallel else 1)
    if policy == "selective":
        scores = Fraction(0)
    return Fraction(34 * h, t) + scores if parallel else h * (10 + Fraction(24, t)) + scores


@pytest.mark.parametrize("policy", ["none", "selective", "full"])
@pytest.mark.parametrize(("tensor", "parallel"), [(1, False), (4, False), (4, True), (8, True)])
def test_korthikanti_s_formula_for_a_gpt_layer_to_the_byte(tensor, parallel, policy):
    plan = training_plan(tensor, tensor=tensor, sequence_parallel=parallel)
    how = saving(
        plan=plan,
        sequence=256,
        attention="eager",
        kernels="fused",
        dropout=True,
        recompute=parse_recompute(policy),
    )
    memory = TrainingMemory(
        ledger=load(GPT).ledger,
        plan=plan,
        saving=how,
        optimizer=find_optimizer("adamw"),
        micro_batch=1,
        microbatches=1,
    )
    assert {layer.kept_bytes for layer in memory.layer_activations} == {korthikanti(tensor, parallel, policy)}


def test_each_module_drops_what_it_names():
    parts = {
        part.name: part.module
        for part in layer_parts(DEEPSEEK_V3, 1, saving(attention="eager", element_bytes=2))
    }
    assert parts["probabilities"] == parts["softmax in float32"] == "core_attn"
    assert parts["queries"] == parts["keys"] == parts["values"] == "mla_up_proj"
    assert parts["input of routed.down"] == parts["activated routed.gate"] == "act"
    assert parts["input of attention.q_a"] == parts["input of attention.kv_b"] == "norm"
    assert parts["norm input in float32: stream"] is None


def test_frozen_matrices_keep_no_input_and_adapters_do():
    frozen = {part.name for part in layer_parts(LLAMA, 1, saving(lora=parse_lora("r=4,target=attention")))}
    assert "input of ffn.gate" not in frozen
    assert "input of ffn.down" not in frozen
    assert {"input of attention.q", "inside the adapter of attention.q", "output of ffn.up"} <= frozen


def test_fp8_halves_the_inputs_of_converted_matrices_alone():
    bf16, fp8 = (
        {
            part.name: part.bytes
            for part in layer_parts(
                QWEN3_MOE, 1, saving(kernels="fused", precision=find_training_precision(name))
            )
        }
        for name in ("bf16", "fp8")
    )
    assert fp8["input of routed.down"] == bf16["input of routed.down"] / 2
    assert fp8["queries"] == bf16["queries"]
    # The router stays at 16 bits, so the experts' ranks keep what it reads beside their own copies.
    assert fp8["input of router.weight"] == bf16["input of router.weight"] == 2 * 64


def test_expert_tokens_follow_the_imbalance_and_the_experts_tensor_ranks():
    def routed(plan, imbalance=1):
        how = saving(plan=plan, imbalance=Fraction(imbalance), kernels="fused")
        parts = {part.name: part.elements for part in layer_parts(QWEN3_MOE, 1, how)}
        return parts["input of routed.gate"]

    assert routed(training_plan(8, expert=8)) == 2 * 64
    assert routed(training_plan(8, expert=8), imbalance=Fraction("1.5")) == 3 * 64
    folded = training_plan(8, tensor=2, expert=8, expert_tensor=1)
    assert routed(folded) == 64  # each rank sends its own half of the tokens
    assert routed(training_plan(8, tensor=2, expert=4, expert_tensor=2)) == 2 * 64
