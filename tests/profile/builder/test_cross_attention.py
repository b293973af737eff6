"""Cross-attention layers: skipped without a source, and with one counted, stored and computed as transformers' are."""

import msgspec
import pytest
import torch

from moecalc.calc.memory import state_bytes
from moecalc.ir.roles import Component
from moecalc.ir.step import Media, Step
from moecalc.profile.builder import Numerics, build
from moecalc.profile.builder.counters import count, counted_choices
from moecalc.sources.hf_config import read_config
from tests.oracle.families import mllama
from tests.profile.builder.against_transformers import NAMES, copy_weights, numbers_of, random_model

SOURCE = 13
ARCHITECTURE = read_config(mllama.TINY).architecture
LEDGER = ARCHITECTURE.lower_to_ledger().part(Component.LANGUAGE)

CROSS = {
    "attention.q": "cross_attn.q_proj.weight",
    "attention.k": "cross_attn.k_proj.weight",
    "attention.v": "cross_attn.v_proj.weight",
    "attention.o": "cross_attn.o_proj.weight",
}


@pytest.mark.parametrize("source", [0, SOURCE])
def test_counted_flops_are_the_computed_ones(source: int):
    network = build(ARCHITECTURE, dtype=torch.float32, device="meta")
    cache = network.new_state(2, 64, source)
    read = torch.zeros(2, source, ARCHITECTURE.hidden_size, device="meta") if source else None
    for step in (Step(40, 0, 2), Step(7, 40, 2), Step(1, 47, 2)):
        with_source = msgspec.structs.replace(step, media=Media(source=source))
        ids = torch.zeros(2, step.new, dtype=torch.long, device="meta")
        first = read if step.past == 0 else None
        counted = count(lambda ids=ids, first=first: network(ids, cache, source=first))
        assert counted.uncounted == ()
        assert counted.flops == sum(op.flops(with_source, counted_choices(step)) for op in LEDGER.ops)


def test_state_of_a_source_is_allocated_to_the_byte():
    network = build(ARCHITECTURE, dtype=torch.float32, device="meta")
    held = sum(4 * 3 * state.source_elements(SOURCE) for state in LEDGER.states)
    assert held > 0
    assert network.new_state(3, 64, SOURCE).nbytes == state_bytes(LEDGER, 64, "fp32", 3) + held


@pytest.mark.oracle
@pytest.mark.parametrize("source", [0, SOURCE])
def test_logits_are_those_of_transformers(source: int):
    model = random_model(mllama.TINY)
    numerics = msgspec.structs.replace(Numerics(), **numbers_of(model.config.get_text_config()))
    network = build(ARCHITECTURE, dtype=torch.float32, device="cpu", numerics=numerics)
    own: dict[str, list[str]] = {}
    for index in mllama.TEXT["cross_attention_layers"]:
        place = f"layer {index} (`cross`)"
        own |= {f"{place} {role}": [name] for role, name in CROSS.items()}
        own[f"{place} attention.qk_norm"] = [
            name.replace("self_attn", "cross_attn") for name in NAMES["attention.qk_norm"]
        ]
        own[f"{place} residual.scale"] = ["cross_attn_attn_gate", "cross_attn_mlp_gate"]
    text = {name.replace("language_model.", ""): tensor for name, tensor in model.state_dict().items()}
    copy_weights(network, text, own)
    ids = torch.randint(0, 100, (2, 30))
    read = torch.randn(2, source, ARCHITECTURE.hidden_size) if source else None
    with torch.no_grad():
        wanted = model(input_ids=ids, cross_attention_states=read, use_cache=False).logits
    cache = network.new_state(2, 32, source)
    parts = [network(ids[:, :25], cache, logits="all", source=read)]
    parts += [network(ids[:, i : i + 1], cache, logits="all") for i in range(25, 30)]
    assert float(wanted.std()) > 0.3
    torch.testing.assert_close(torch.cat(parts, 1), wanted, rtol=2e-5, atol=2e-5 * float(wanted.abs().max()))
