"""Recording tiny random models: every choice is transformers' own, and losses are those of its logits."""

import math

import pytest
import torch
import transformers

from moecalc.calc.routing.observed import observe
from moecalc.calc.routing.reuse import counts_of
from moecalc.errors import InputError
from moecalc.profile.record_routing import record, save, watching
from moecalc.sources.routing_records import read_recording

SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
CONFIGS = {
    "mixtral": lambda: transformers.MixtralConfig(**SIZES, num_local_experts=8, num_experts_per_tok=2),
    "qwen3_moe": lambda: transformers.Qwen3MoeConfig(
        **SIZES, head_dim=8, num_experts=8, num_experts_per_tok=3, moe_intermediate_size=16
    ),
    "gpt_oss": lambda: transformers.GptOssConfig(
        **SIZES,
        head_dim=8,
        num_local_experts=8,
        num_experts_per_tok=2,
        layer_types=["full_attention"] * 3,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    ),
    "deepseek_v3": lambda: transformers.DeepseekV3Config(
        **SIZES,
        n_routed_experts=8,
        num_experts_per_tok=2,
        n_group=2,
        topk_group=1,
        moe_intermediate_size=16,
        first_k_dense_replace=1,
        q_lora_rank=8,
        kv_lora_rank=8,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=8,
    ),
}


def made(config):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.oracle
@pytest.mark.parametrize("family", CONFIGS)
def test_choices_and_losses_are_those_of_the_model(family):
    model = made(CONFIGS[family]())
    ids = torch.arange(24)[None] % 64
    with torch.no_grad(), watching(model) as watch:
        model(input_ids=ids, use_cache=False)
    recording = watch.recording("tiny", [0])
    layers = (1, 2) if family == "deepseek_v3" else (0, 1, 2)
    assert recording.layer_names == layers
    assert recording.experts == 8
    assert recording.tokens == 24
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False, output_router_logits=True).router_logits
    assert recording.z_loss is not None
    assert recording.mean_probability is not None
    for layer, (theirs, z_loss) in enumerate(zip(logits, recording.z_loss, strict=True)):
        assert math.isclose(z_loss, float(theirs.double().logsumexp(-1).square().mean()), rel_tol=1e-6)
        if family == "deepseek_v3":
            # Groups limit the choice, and nothing is sorted: the best of the chosen comes first.
            scores = theirs.sigmoid()
            firsts = scores.gather(-1, torch.from_numpy(recording.array[:, layer].astype("int64")))
            assert bool((firsts.diff(dim=-1) <= 0).all())
            probability = (scores / scores.sum(-1, keepdim=True)).mean(0)
        else:
            top = theirs.topk(recording.array.shape[2]).indices
            assert recording.array[:, layer].tolist() == top.tolist()
            probability = theirs.softmax(-1).mean(0)
        assert recording.mean_probability[layer] == pytest.approx(probability.tolist(), rel=1e-5)


@pytest.mark.oracle
def test_a_dense_model_has_no_router_to_watch():
    model = made(transformers.LlamaConfig(**SIZES))
    with pytest.raises(InputError, match="no router to watch"), watching(model):
        pass


@pytest.mark.oracle
def test_hooks_are_taken_away():
    model = made(CONFIGS["mixtral"]())
    with watching(model):
        pass
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.oracle
def test_a_directory_is_recorded_stored_and_read_again(tmp_path, capfd):
    folder = tmp_path / "tiny"
    made(CONFIGS["mixtral"]()).save_pretrained(folder)
    words = {f"w{at}": at for at in range(63)} | {"[UNK]": 63}
    import tokenizers

    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=plain).save_pretrained(folder)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("w1 w2 w3 w4\n\nw5 w6 w7\n")
    capfd.readouterr()
    recording = record(folder, prompts)
    assert capfd.readouterr() == ("", "")
    assert recording.starts == (0, 4)
    assert recording.tokens == 7
    file = tmp_path / "choices.npz"
    save(recording, file)
    again = read_recording(file)
    assert again.array.tolist() == recording.array.tolist()
    assert again.starts == recording.starts
    assert observe(again).losses == observe(recording).losses
    assert counts_of(again.array, 8) == counts_of(recording.array, 8)
    with pytest.raises(InputError, match="exists already"):
        save(recording, file)


def test_what_is_missing_is_said(tmp_path):
    prompts = tmp_path / "prompts.txt"
    with pytest.raises(InputError, match="cannot read"):
        record(tmp_path, prompts)
    prompts.write_text("\n")
    with pytest.raises(InputError, match="has no prompt"):
        record(tmp_path, prompts)
    prompts.write_text("hello\n")
    with pytest.raises(InputError, match="no directory of a transformers model"):
        record(tmp_path, prompts)
