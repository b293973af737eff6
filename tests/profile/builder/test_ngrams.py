"""N-gram embeddings (Qwen4-Exp): the ledger's tensors, states and FLOPs, and transformers' logits."""

from typing import Any

import msgspec
import pytest
import torch

from moecalc.ir.blocks.ngram import NGramEmbedding
from moecalc.profile.builder import Numerics, build
from moecalc.sources.hf_config import read_config
from tests.oracle.families import llama, qwen4_exp_text
from tests.profile.builder.against_transformers import check_logits, copy_weights, numbers_of, random_model
from tests.profile.builder.test_refusals import changed, refusal
from tests.profile.builder.test_streams_against_transformers import OWN
from tests.profile.builder.test_types import HOLD_OF_EVERY_TYPE, network_of

END = 5
NAMES = {
    "embedding.per_layer": ["ple.ple_embedding.ngram_embedding.weight"],
    "embedding.other": [
        f"ple.ple_embedding.{name}"
        for name in ("layer_multipliers", "ngram_heads_vocab_sizes", "ngram_heads_offsets")
    ],
    "embedding.projection": ["ple.key_proj.weight", "ple.value_proj.weight"],
    "norm.layer": [f"ple.norm_{name}.weight" for name in ("key", "query", "conv")],
    "recurrent.conv": ["linear_attn.conv1d.weight", "ple.conv1d.weight"],
    "recurrent.in": ["linear_attn.in_proj_qkv.weight"],
    "recurrent.gate": ["linear_attn.in_proj_z.weight"],
    "recurrent.projection": ["rates"],
    "recurrent.parameter": ["linear_attn.A_log", "linear_attn.dt_bias"],
    "recurrent.norm": ["linear_attn.norm.weight"],
    "recurrent.out": ["linear_attn.out_proj.weight"],
}
CONFIG = {
    **qwen4_exp_text.TINY,
    "eos_token_id": END,
    # The reference has n-grams beside delta nets alone.
    "layer_types": ["linear_attention"] * 2,
    "num_hidden_layers": 2,
    "norm_topk_prob": True,
}
CASES = [
    {"ple_layer_ids": [1, 2], "heads_per_ngram": 4},
    {"ple_layer_ids": [2], "ngram_size": 4, "ple_embed_dim": 48, "ple_conv_kernel_size": 3},
    {"ple_layer_ids": [1], "ngram_size": 2, "ple_embed_dim": 24, "ple_conv_kernel_size": 1},
]


@pytest.fixture(params=qwen4_exp_text.VARIANTS[:2])
def architecture(request):
    return read_config({**qwen4_exp_text.TINY, **request.param}).architecture


@pytest.mark.parametrize("holds", HOLD_OF_EVERY_TYPE)
def test_layers_with_ngrams(holds, architecture):
    holds(architecture)


@pytest.mark.oracle
@pytest.mark.parametrize("grams", CASES)
def test_logits_are_those_of_transformers(grams: dict[str, Any]) -> None:
    config = {**CONFIG, **grams}
    model = random_model(config)  # but for the numbers of the hash
    numerics = Numerics(sequence_end=END)
    numerics = msgspec.structs.replace(numerics, **numbers_of(model.config))
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    source = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    adapt, own = OWN["qwen4_exp_text"]
    gated_norms = {
        name: tensor for name, tensor in source.items() if name.endswith("linear_attn.norm.weight")
    }
    adapt(source, model.config)
    source |= gated_norms  # to whose scales no 1 is added
    for name, tensor in list(source.items()):
        if name.endswith("conv1d.weight"):
            source[name] = tensor[:, 0]
        elif name.endswith("in_proj_b.weight"):
            beside = source[name.replace("in_proj_b", "in_proj_a")]
            source[name.replace("linear_attn.in_proj_b.weight", "rates")] = torch.cat([tensor, beside])
    copy_weights(network, source, own | NAMES)
    ids = torch.randint(0, 128, (2, 30))
    # Sequences that end: in the prompt, twice, one token before its end, and in the steps.
    ids[0, [0, 7, 8, 23, 27]] = ids[1, [3, 5, 24, 26]] = END
    check_logits(network, model, ids)


@pytest.mark.oracle
def test_an_ngram_reaches_back_over_single_tokens_as_over_a_prompt(architecture):
    network = network_of(architecture)
    ids = torch.randint(0, architecture.embedding.vocab_size, (1, 12), generator=torch.manual_seed(3))
    whole = network(ids, network.new_state(1, 16), logits="all")
    other = ids.clone()
    other[0, 0] = (ids[0, 0] + 1) % 128
    cache = network.new_state(1, 16)
    network(other, cache)  # what a cache held before a sequence is not read
    cache.reset()
    steps = torch.cat([network(token, cache, logits="all") for token in ids.split(1, 1)], 1)
    torch.testing.assert_close(steps, whole, rtol=1e-4, atol=1e-4)


def test_grams_without_streams_are_refused():
    grams = NGramEmbedding(rows=64, heads=2, width=16, streams=1, ngram_size=2, conv_kernel=3)
    assert "`embedding.per_layer`" in refusal(changed(llama.TINY, mixer={}, ngram=grams))


def test_grams_of_other_streams_are_refused():
    grams = NGramEmbedding(rows=64, heads=2, width=16, streams=2, ngram_size=2, conv_kernel=3)
    assert "3 `streams` around `ngram` of 2" in refusal(changed(qwen4_exp_text.TINY, mixer={}, ngram=grams))
