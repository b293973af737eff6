"""Peak memory, measured and computed, where activations are a good part of it: a prompt of a small model."""

import pytest

from moecalc.api.loading import load
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.figures import PEAK_TOLERANCE
from moecalc.profile.measure.profiling import profile

DENSE = {
    "model_type": "llama",
    "vocab_size": 8192,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 4,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}
MIXTURE = {
    "model_type": "mixtral",
    "vocab_size": 8192,
    "hidden_size": 512,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "num_local_experts": 16,
    "num_experts_per_tok": 6,
}
PLAIN = {"model_type": "gpt2", "vocab_size": 8192, "n_embd": 512, "n_layer": 4, "n_head": 8}


@pytest.mark.parametrize("layers", ["all", "kinds"])
@pytest.mark.parametrize("config", [DENSE, MIXTURE, PLAIN], ids=["dense", "mixture", "plain"])
def test_peak_memory_of_a_prompt_is_within_two_percent(config, layers):
    asked = Asked(cpu=True, prompt=1024, context=64, batches=(1,), dtype="fp32", repeats=1, layers=layers)
    run = profile(load(config), asked)
    peak, weights = run.figure("prefill.peak_bytes", 1), run.figure("weight_bytes")
    state = run.figure("prefill.state_bytes", 1)
    assert peak.tolerance == PEAK_TOLERANCE == 0.02
    assert peak.verdict == "within", peak
    # Were activations off by a third, it would show.
    assert (peak.measured - weights.measured - state.measured) / peak.measured > 3 * PEAK_TOLERANCE
