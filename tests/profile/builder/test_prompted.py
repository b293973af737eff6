"""CPM-Ant: a learned prompt, score biases and a prefix that is read both ways give transformers' logits."""

from typing import Any

import msgspec
import pytest
import torch

from moecalc.errors import InputError
from moecalc.ir.blocks.embedding import ScoreBias
from moecalc.ir.roles import Role
from moecalc.ir.step import Choices, Form, Logits, Pairs, Step
from moecalc.profile.builder import Numerics, build
from moecalc.sources.hf_config import read_config
from tests.oracle import reference
from tests.oracle.families import cpmant, llama, mixtral
from tests.profile.builder.against_transformers import copy_weights, random_model

NAMES = {
    "layer": ["cpmant.encoder.layers."],
    "embedding.tokens": ["cpmant.input_embedding.weight"],
    "embedding.other": ["cpmant.segment_embedding.weight"],
    "attention.relative": ["cpmant.position_bias.relative_attention_bias"],
    "norm.layer": ["self_att.layernorm_before_attention.weight", "ffn.layernorm_before_ffn.weight"],
    "norm.final": ["cpmant.encoder.output_layernorm.weight"],
    **{f"attention.{side}": [f"self_att.self_attention.project_{side}.weight"] for side in "qkv"},
    "attention.o": ["self_att.self_attention.attention_out.weight"],
    "ffn.gate": ["ffn.ffn.w_in.w_0.weight"],
    "ffn.up": ["ffn.ffn.w_in.w_1.weight"],
    "ffn.down": ["ffn.ffn.w_out.weight"],
}

CASES = [
    cpmant.TINY,
    {**cpmant.TINY, **cpmant.VARIANTS[0], "position_bias_max_distance": 12},
    {**cpmant.TINY, **cpmant.VARIANTS[1]},
]


@pytest.mark.oracle
@pytest.mark.parametrize("config", CASES)
def test_logits_are_those_of_transformers(config: dict[str, Any]) -> None:
    model = random_model(config)
    numerics = Numerics(activation="gelu", norm_epsilon=model.config.eps)
    network = build(read_config(config).architecture, dtype=torch.float32, device="cpu", numerics=numerics)
    copy_weights(network, dict(model.state_dict()), NAMES)
    text = torch.randint(1, 128, (2, 30))
    length = config["prompt_length"]
    # transformers puts the third of its prompts before what it is given.
    rows = torch.arange(length) + config["vocab_size"] + 2 * length
    ids = torch.cat([rows.expand(2, -1), text], 1)
    cache = network.new_state(2, length + 30)
    with torch.no_grad():
        read = model(input_ids=text[:, :25], use_cache=True)
        made = network(ids[:, : length + 25], cache, logits="all")[:, length:]
        pairs = [(made, read.logits)]
        for end in range(26, 31):
            read = model(input_ids=text[:, :end], past_key_values=read.past_key_values, use_cache=True)
            pairs.append((network.decode(ids[:, length + end - 1 : length + end], cache), read.logits[:, -1]))
    for own, wanted in pairs:
        assert float(wanted.std()) > 0.3
        torch.testing.assert_close(own, wanted, rtol=2e-5, atol=2e-5 * float(wanted.abs().max()))


def test_a_prompt_meets_itself_whole() -> None:
    """The mask of the reference lets every pair of a prompt through: no fewer are needed than a plain one scores."""
    config = {**cpmant.TINY, "prompt_length": 8}
    seen: list[torch.Tensor] = []
    model = reference.build_model(config)
    layer = model.cpmant.encoder.layers[0].self_att.self_attention
    layer.register_forward_pre_hook(lambda _module, given: seen.append(given[2]))
    with torch.no_grad():
        model(input_ids=torch.randint(1, 128, (1, 32)))
    (score,) = (
        op
        for op in read_config(config).architecture.lower_to_ledger().ops
        if op.role is Role.ATTENTION_SCORES
    )
    needed = Choices(Pairs.CAUSAL, Logits.LAST, frozenset({Form.NAIVE}))
    assert int(seen[0].bool().sum()) == score.extent.count(Step.prefill(40), needed)


def refusal(config: dict[str, Any], **embedding: Any) -> str:
    architecture = read_config(config).architecture
    changed = msgspec.structs.replace(architecture.embedding, **embedding)
    with pytest.raises(InputError) as caught:
        build(msgspec.structs.replace(architecture, embedding=changed), dtype=torch.float32, device="meta")
    return str(caught.value)


def test_types_of_which_nobody_says_where_they_stand() -> None:
    assert "`types: 3` and `prompt: None`" in refusal(llama.TINY, types=3)
    assert "`types: 2` and `prompt: 8`" in refusal(cpmant.TINY, types=2)


def test_biases_are_of_every_head_and_of_all_keys() -> None:
    heads = llama.TINY["num_attention_heads"]
    assert "a key head for each" in refusal(llama.TINY, score_bias=ScoreBias(buckets=32, heads=heads))
    alike = {**mixtral.TINY, "num_key_value_heads": mixtral.TINY["num_attention_heads"], "sliding_window": 16}
    bias = ScoreBias(buckets=32, heads=alike["num_attention_heads"])
    assert "`gqa` with `window`" in refusal(alike, score_bias=bias)
