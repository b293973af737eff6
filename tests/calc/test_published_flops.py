"""Published FLOPs per token: reproduced within the rounding of the source, or the difference explained.

Each test names its source and says under which choices the source counted. Where a source approximates shapes, the
test shows what it took for them, and that this and nothing else makes up the difference.
"""

import pytest

import moecalc
import moecalc.calc.parameters
from moecalc.calc.flop_shares import shares
from moecalc.calc.flops import counting, step_flops, training_flops
from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.embedding import Embedding, Head
from moecalc.ir.blocks.ffn import Dense, Gated
from moecalc.ir.blocks.moe import MoE
from moecalc.ir.blocks.stack import Layer, Stack
from moecalc.ir.step import Step


def training_gf_per_token(ledger, sequence, how="useful"):
    return training_flops(ledger, sequence, how) / sequence / 1e9


def catalogue(name):
    return moecalc.load(name).ledger


# ------------------------------------------------ nanoGPT: transformer_sizing.ipynb in github.com/karpathy/nanoGPT


def test_nanogpt_counts_a_forward_pass_of_gpt2_as_full():
    # It prints attention scores of 1610612736 (a layer: 2 x 1024 x 1024 x 768), a forward total of 291648307200
    # and a total of 874944921600: "we only count Weight FLOPs", all pairs, logits for every position
    count = moecalc.load("gpt2").flop_count(prompt=1024, convention="full")
    prefill = count.steps[1]
    assert prefill.parts["attention scores"] == 12 * 1_610_612_736
    assert prefill.total == 291_648_307_200
    assert count.steps[2].total == 874_944_921_600


# ---------------------- "Insights into DeepSeek-V3", ISCA 2025 (arXiv 2505.09343), table 2: training GFLOPs per token
#                        at a sequence length of 4,096: DeepSeek-V2 155, DeepSeek-V3 250, Qwen-72B 394, Llama-405B 2448


@pytest.mark.parametrize(("model", "printed"), [("deepseek-v2", 155), ("deepseek-v3", 250)])
def test_isca_counts_its_own_models_as_useful(model, printed):
    # causal pairs, logits for all positions, naive latent attention, forward x 3, without the prediction module
    assert round(training_gf_per_token(catalogue(model), 4096)) == printed


@pytest.mark.parametrize(
    ("model", "printed", "layers", "hidden", "vocabulary", "ours"),
    [
        ("qwen2.5-72b", 394, 80, 8192, 152064, 445),
        ("llama-3.1-405b", 2448, 126, 16384, 128256, 2473),
    ],
)
def test_isca_counts_dense_models_by_6_times_12_d_squared(model, printed, layers, hidden, vocabulary, ours):
    # Its dense rows are 6 (12 L d^2 + V d): a feed-forward of 8 d^2, as if it were 4 d wide and ungated, 4 d^2 of
    # attention, as if keys and values had a head for each query, and no query-key pairs at all. Qwen2.5-72B's
    # feed-forward is 10.8 d^2 and Llama's 9.75 d^2; grouped keys and values take away 1.7 d^2.
    assert round(6 * (12 * layers * hidden**2 + vocabulary * hidden) / 1e9) == printed
    # What the shapes ask for, as in the table's other rows:
    assert round(training_gf_per_token(catalogue(model), 4096)) == ours


# ----------------------- DeepSeekMoE (arXiv 2401.06066), tables 3, 4 and 6: "FLOPs per 4K tokens", in TFLOPs: LLaMA2 7B
#                         187.9, DeepSeek 7B 183.5, DeepSeekMoE 16B 74.4, DeepSeek 67B 2057.5


def deepseek_formula(layers, hidden, vocabulary, ffn=8):
    """TFLOPs of 4,096 tokens: 6 (4 + ffn) L d^2 + 12 L d T per token (DeepSeek LLM, arXiv 2401.02954, eq. 2) + head."""
    per_token = 6 * layers * (4 + ffn) * hidden**2 + 12 * layers * hidden * 4096 + 6 * vocabulary * hidden
    return per_token * 4096 / 1e12


@pytest.mark.parametrize(
    ("printed", "sizes", "ffn"),
    [
        (187.9, (32, 4096, 32000), 8),
        (183.5, (30, 4096, 102400), 8),
        (2057.5, (95, 8192, 102400), 8),
        # 2 shared and 6 routed experts, "each 0.25 times the size of a standard FFN": 8 x 2 d^2
        (74.4, (28, 2048, 102400), 8 * 2),
    ],
)
def test_deepseekmoe_takes_a_feed_forward_for_8_d_squared(printed, sizes, ffn):
    assert round(deepseek_formula(*sizes, ffn=ffn), 1) == printed


@pytest.mark.parametrize(
    ("model", "printed", "ours"), [("llama-2-7b", 187.9, 188.8), ("deepseek-moe-16b", 74.4, 75.9)]
)
def test_deepseekmoe_is_full_pairs_all_logits_forward_x3_but_for_that(model, printed, ours):
    # LLaMA2's feed-forward is 3 x 11,008 / 4,096 = 8.06 d^2, an expert 3 x 1,408 / 2,048 = 2.06 d^2, and there are a
    # router and a first dense layer: 0.5% and 2.0% more than the source's round sizes.
    tera = training_flops(catalogue(model), 4096, "full") / 1e12
    assert round(tera, 1) == ours
    assert printed < tera < 1.021 * printed


# ------------------------------------ PaLM (arXiv 2204.02311), appendix B: MFU 46.2%, 45.7% without self-attention, of
#                                      PaLM 540B at 238.3K tokens/s on 6,144 TPU v4 of 275 TFLOP/s, sequences of 2,048

PALM = Architecture(
    hidden_size=18432,
    embedding=Embedding(vocab_size=256000),
    stacks=[
        Stack(
            layers={
                "a": Layer(
                    mixer=GQA(heads=48, kv_heads=1, head_dim=256), ffn=Gated(intermediate_size=4 * 18432)
                )
            },
            pattern="a*118",
        )
    ],
    head=Head(tied=True),
)


def test_palms_mfu_is_useful_with_full_pairs():
    ledger = PALM.lower_to_ledger()
    matmul_parameters = sum(w.elements for w in ledger.weights if w.role.group not in ("norm", "head"))
    assert round(matmul_parameters / 1e9, 2) == 540.35  # the paper's N
    peak = 6144 * 275e12 / 238.3e3
    with_attention = training_flops(ledger, 2048, counting("useful", pairs="full")) / 2048
    # as 6 N + 12 L H Q T, to the unit
    assert with_attention == 6 * matmul_parameters + 12 * 118 * 48 * 256 * 2048
    assert f"{with_attention / peak:.1%}" == "46.2%"
    assert f"{6 * matmul_parameters / peak:.1%}" == "45.7%"
    # Half of the pairs are masked. Without them PaLM's MFU is halfway:
    assert f"{training_flops(ledger, 2048) / 2048 / peak:.1%}" == "46.0%"


# -------------------------- Language Models are Few-Shot Learners (arXiv 2005.14165), table D.1: GPT-3 175B, 174,600M
#                            parameters, 300B tokens, 6 FLOPs per parameter and token: 3.14E+23


def test_gpt3s_training_compute_is_6n_with_every_embedding_and_no_attention():
    # OPT-175B has GPT-3's shape; N as the table counts it includes both embeddings, once
    ledger, tokens = catalogue("opt-175b"), 300e9
    assert round(moecalc.calc.parameters.total(ledger) / 1e6, -2) == 174_600
    assert f"{6 * moecalc.calc.parameters.total(ledger) * tokens:.2e}" == "3.14e+23"
    # What the shapes ask for at its 2,048 tokens, all pairs or those the mask lets through:
    assert f"{training_flops(ledger, 2048, 'full') / 2048 * tokens:.2e}" == "3.23e+23"
    assert f"{training_flops(ledger, 2048) / 2048 * tokens:.2e}" == "3.19e+23"


# ----------------------------- Step-3 (arXiv 2507.19427): FLOPs of attention for one decoded token at a context of 32K,
#                               as quoted from it: Step-3 1.31e11, DeepSeek-V3 5.89e11, Qwen3-235B 1.01e11, ERNIE 4.5
#                               (300B) 5.80e10

STEP_3 = Architecture(
    hidden_size=7168,
    embedding=Embedding(vocab_size=128815),
    stacks=[Stack(layers={"a": Layer(mixer=GQA(heads=64, kv_heads=1, head_dim=256))}, pattern="a*61")],
)
"""Its attention alone: 61 layers of 64 heads of 256 over one shared key and value."""


def scores_and_mix(ledger, context, how="causal"):
    parts = shares(ledger, Step.decode(context), how)
    return parts["attention scores"] + parts["attention mix"]


@pytest.mark.parametrize(
    ("ledger", "printed"),
    [
        (STEP_3.lower_to_ledger(), "1.31e+11"),
        (catalogue("qwen3-235b-a22b"), "1.01e+11"),
        (catalogue("ernie-4.5-300b-a47b"), "5.80e+10"),
    ],
    ids=["step-3", "qwen3-235b-a22b", "ernie-4.5-300b-a47b"],
)
def test_step3_counts_scores_and_mix(ledger, printed):
    assert f"{float(scores_and_mix(ledger, 32768)):.2e}" == printed


def test_step3_counts_deepseeks_mix_over_the_rope_key_too():
    # Absorbed attention scores 512 + 64 channels of a cached entry and mixes 512 of them; the source has 576 twice.
    ours = scores_and_mix(catalogue("deepseek-v3"), 32768, counting(form="absorbed"))
    assert ours == 61 * 128 * 2 * (576 + 512) * 32768
    assert f"{float(ours):.2e}" == "5.57e+11"
    assert f"{ours * (576 + 576) / (576 + 512):.2e}" == "5.89e+11"


# -------------------------------------------------------------- GLaM (arXiv 2112.06905), table 1: GFLOPs per token of
#                                                                 inference: GPT-3 350, GLaM 64B/64E 180


def test_gpt3s_350_is_2n_without_attention():
    # OPT-175B has GPT-3's shape; twice its matmul parameters are 349, and 2,048 keys add 10 more
    ledger = catalogue("opt-175b")
    per_key = step_flops(ledger, Step.decode(2)) - step_flops(ledger, Step.decode(1))
    assert float(f"{(step_flops(ledger, Step.decode(1)) - per_key) / 1e9:.2g}") == 350
    assert round(step_flops(ledger, Step.decode(2048)) / 1e9) == 359


def glam(gated):
    """GLaM 64B/64E, its table 4: 64 layers, every other one with 64 experts, top 2; sequences of 1,024."""
    attention = GQA(heads=128, kv_heads=128, head_dim=128)
    dense = Gated(intermediate_size=32768) if gated else Dense(intermediate_size=32768)
    experts = MoE(experts=64, top_k=2, intermediate_size=32768, gated=False)
    layers = {"d": Layer(mixer=attention, ffn=dense), "m": Layer(mixer=attention, ffn=experts)}
    return Architecture(
        hidden_size=8192,
        embedding=Embedding(vocab_size=256000),
        stacks=[Stack(layers=layers, pattern="(d m)*32")],
        head=Head(tied=True),
    ).lower_to_ledger()


def test_glams_180_leaves_out_its_gates():
    # The paper's own 96.6B active parameters hold the gates of its dense layers, and 2N of them are 193, not 180.
    ledger = glam(gated=True)
    assert round(moecalc.calc.parameters.active(ledger) / 1e9, 1) == 96.6
    assert round(step_flops(ledger, Step.decode(1)) / 1e9) == 193
    # Ungated, and with the attention of its longest sequence, the printed figure comes out.
    assert round(step_flops(glam(gated=False), Step.decode(1024)) / 1e9) == 180


# --------------------------------------------- The Llama 3 Herd of Models (arXiv 2407.21783), section 3.2: 405B trained
#                                               with 3.8 x 10^25 FLOPs on 15.6T tokens


def test_llama_3s_budget_is_6n_without_attention():
    ledger = catalogue("llama-3.1-405b")
    tokens = 15.6e12
    assert f"{6 * 405e9 * tokens:.1e}" == "3.8e+25"
    # Sequences were 8,192 tokens long: causal attention adds 4%, all pairs would add 8%.
    assert f"{training_flops(ledger, 8192) / 8192 * tokens:.2e}" == "3.94e+25"
    assert f"{training_flops(ledger, 8192, 'full') / 8192 * tokens:.2e}" == "4.10e+25"


def test_a_widely_read_estimate_of_llama_405b_counts_the_embedding_twice():
    # folu.me/post/deepseek (2024-12): "with 8K sequence length, 1 token needs ~2.54 TFLOPs", causal. That is 6N of all
    # 405.85B parameters and causal attention; the input embedding is no matmul, which leaves 2.52.
    ledger, embedding = catalogue("llama-3.1-405b"), 128256 * 16384
    ours = training_flops(ledger, 8192) / 8192
    assert f"{ours / 1e12:.2f}" == "2.52"
    assert f"{(ours + 6 * embedding) / 1e12:.2f}" == "2.54"


# ----------------------- DeepSeek-V4 (arXiv 2606.19348), introduction: "in the scenario of 1M-token context" V4-Pro has
#                         27% and V4-Flash 10% of the single-token FLOPs of V3.2, "measured in equivalent FP8 FLOPs"

BF16 = ("attention scores", "attention mix", "compressor", "router", "residual mixing", "head")


def decoded_token(model, weigh=None):
    """FLOPs of one token with 1,048,576 keys, each component times its weight."""
    parts = moecalc.load(model).flop_count(context=2**20).steps[0].parts
    return float(sum(value * (weigh or {}).get(name, 1) for name, value in parts.items()))


@pytest.mark.parametrize(
    ("model", "printed", "plain"), [("deepseek-v4-pro", "27%", "26%"), ("deepseek-v4-flash", "10%", "12%")]
)
def test_deepseek_v4_weighs_flops_by_their_format(model, printed, plain):
    # A BF16 operation takes as long as two in FP8, and the indexer's scores in FP4 half as long as in FP8 (V3.2's are
    # FP8); experts in FP4 meet FP8 activations, which the report counts as FP8. Attention proper is BF16 in both.
    fp8 = dict.fromkeys(BF16, 2)
    ratio = decoded_token(model, fp8 | {"indexer scores": 0.5}) / decoded_token("deepseek-v3.2", fp8)
    assert f"{ratio:.0%}" == printed
    # Operations counted alike, whatever their format:
    assert f"{decoded_token(model) / decoded_token('deepseek-v3.2'):.0%}" == plain
