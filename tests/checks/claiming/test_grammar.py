"""Sentences: what is read, what is left, what is refused."""

import pytest

from moecalc.checks.claiming.claim import make_claim
from moecalc.checks.claiming.grammar import LONGEST, read_sentence
from moecalc.errors import InputError
from moecalc.specs import fleet


def said(sentence):
    return read_sentence(sentence).claim


@pytest.mark.parametrize(
    ("words", "devices"),
    [
        ("on 8xH100", "8x h100-sxm"),
        ("on 8 H100s", "8x h100-sxm"),
        ("on two RTX 4090", "2x rtx-4090"),
        ("on dual rtx-4090", "2x rtx-4090"),
        ("on a single A100 80GB", "a100-sxm-80gb"),
        ("on 4 x MI300X", "4x mi300x"),
        ("on NVIDIA H200", "h200-sxm"),
        ("on an M3 Ultra 512GB", "m3-ultra"),
        ("on GB200 NVL72", "72x gb200"),
        ("on one GB200 NVL72 rack", "72x gb200"),
        ("on 16x GB200 NVL72", "16x gb200"),
    ],
)
def test_devices_with_their_counts(words, devices):
    assert fleet.parse(said(f"Mixtral 8x7B {words}").gpu).describe() == devices


@pytest.mark.parametrize(
    ("words", "part", "value"),
    [
        ("120 tok/s", "tokens_per_second", 120),
        ("22.3k tokens per second per node", "tokens_per_second", 22_300),
        ("$0.60 per 1M output tokens", "price", 0.6),
        ("$0.27/M input", "price", 0.27),
        ("TTFT of 350 ms", "ttft", 0.35),
        ("1.5 s to the first token", "ttft", 1.5),
        ("fits on two 24 GB cards", "vram", 48e9),
        ("needs 24 GiB of VRAM", "vram", 24 * 2**30),
        ("with 512 GB of DDR5", "ram", 512e9),
        ("377 GB on disk", "size", 377e9),
        ("a checkpoint of 12.8 GiB", "size", 12.8 * 2**30),
        ("671 billion parameters", "total", 671e9),
        ("activates 37B parameters", "active", 37e9),
        ("activating only 37 billion per token", "active", 37e9),
        ("uses only 12.9B parameters per token", "active", 12.9e9),
        ("13B parameters for each token", "active", 13e9),
        ("activated parameters: 37B", "active", 37e9),
        ("of which ≈ 37B parameters are active", "active", 37e9),
        ("total parameters of 671B", "total", 671e9),
        ("a 1.5 trillion-parameter model", "total", 1.5e12),
        ("1.5 million tokens per second", "tokens_per_second", 1.5e6),
        ("0.27 USD per 1M input tokens", "price", 0.27),
        ("sub-$1 per million tokens", "price", 1),
        ("$2 per million tokens output", "price", 2),
        ("time to first token of 350 milliseconds", "ttft", 0.35),
        ("TTFT below 1 second", "ttft", 1),
        ("in 16 GB", "vram", 16e9),
        ("within 16GB of memory", "vram", 16e9),
        ("with 8 80GB GPUs", "vram", 640e9),
        ("on 2 x 24 GB cards", "vram", 48e9),
    ],
)
def test_quantities_by_their_units(words, part, value):
    assert float(getattr(said(f"DeepSeek-V3, {words}"), part).value) == pytest.approx(value, rel=1e-12)


def test_the_longest_name_is_the_model():
    assert said("Llama 3 70B, 70B parameters").model == "llama-3-70b"
    assert said("Qwen3.5-122B-A10B has 10B active").model == "qwen3.5-122b-a10b"


def test_a_bare_pair_is_two_counts():
    made = said("70B-A12B at int4")
    assert (made.total.text, made.active.text, made.quant) == ("70B", "12B", "int4")


def test_lengths_batches_and_experts():
    made = said("a 100B model, 12B active, 128 experts, top-8, batch size 16, 32k context, 8k prompt")
    assert (made.experts, made.top_k, made.batch, made.context, made.prompt) == (128, 8, 16, 32768, 8192)


def test_totals_and_active_counts_in_either_order():
    for sentence in (
        "671B total, 37B active",
        "total 671B active 37B",
        "active 37B, total 671B",
        "37B active parameters and 671B total parameters",
        "671B total parameters with 37B activated for each token",
    ):
        made = said(sentence)
        assert (made.total.text, made.active.text) == ("671B", "37B"), sentence


@pytest.mark.parametrize(
    "words",
    [
        "128 experts, top-8",
        "128 experts, 8 activated",
        "128 experts (8 active per token)",
        "128 experts with 8 experts used",
        "128 experts and chooses 8",
        "8 of 128 experts",
        "8 out of the 128 experts",
    ],
)
def test_experts_and_how_many_a_token_uses(words):
    made = said(f"Qwen3-30B-A3B, {words}")
    assert (made.experts, made.top_k) == (128, 8)


def test_one_of_the_two_says_something_of_a_model_that_is_named():
    assert said("Qwen3-30B-A3B has 128 experts").experts == 128
    with pytest.raises(InputError, match="belong together"):
        said("a 30B model with 128 experts")


@pytest.mark.parametrize(
    ("words", "name"), [("4 bits", "int4"), ("8-bit", "int8"), ("16 bit", "bf16"), ("4bit", "int4")]
)
def test_bits_are_formats(words, name):
    assert said(f"Mixtral 8x7B at {words}, 46.7B").quant == name


@pytest.mark.parametrize(
    ("sentence", "word", "hint"),
    [
        ("DeepSeek-V3, trained on 14.8T tokens", "`14.8T`", "leave them out"),
        ("DeepSeek-V3, trained on 14.8 trillion diverse and high-quality tokens", "`14.8`", "leave them out"),
        ("DeepSeek-V3 took 2.788M GPU hours", "`2.788M`", "leave them out"),
        ("DeepSeek-R1 2x cheaper than llama-3.1-405b", "`2x`", "moecalc compare A B"),
        ("Nobody-7000B at int4", "`Nobody-7000B`", "--model"),
        ("DeepSeek-R1 on M3 Ultra 999GB", "`999GB`", "24 GB VRAM"),
    ],
)
def test_a_number_of_something_else_is_no_count(sentence, word, hint):
    with pytest.raises(InputError, match="not understood") as caught:
        read_sentence(sentence)
    assert word in caught.value.message
    assert hint in caught.value.hint


def test_words_without_numbers_are_reported():
    assert read_sentence("Foobar, 80B total, 3B active, blazing").not_understood == ("Foobar", "blazing")


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("Foobar 9000, 12B active", "`9000`"),
        ("Mixtral 8x7B, 46.7B total, 1.8x faster", "`1.8x`"),
        ("Mixtral 8x7B, 24GB", "`24GB`"),
        ("Mixtral 8x7B on h1000", "`h1000`"),
        ("Mixtral 8x7B, 100 watts", "`100`"),
        ("Mixtral 8x7B on three fast ones", "`three`"),
        ("very fast indeed", "`very`"),
    ],
)
def test_numbers_that_are_not_understood_are_named(sentence, word):
    with pytest.raises(InputError, match="not understood") as caught:
        read_sentence(sentence)
    assert word in caught.value.message


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("Mixtral 8x7B, 46.7B total, 46B total", "`total` twice"),
        ("Mixtral 8x7B on h100 and a100", "`gpu` twice"),
        ("Mixtral 8x7B int4 or fp8, 3B active", "`quant` twice"),
        ("", "empty"),
        ("Mixtral " * LONGEST, "characters"),
        ("-3B active", "negative"),
        ("Mixtral 8x7B, 0 tok/s on h100", "zero"),
    ],
)
def test_what_contradicts_itself_or_says_nothing(sentence, words):
    with pytest.raises(InputError, match=words):
        read_sentence(sentence)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("total", "46.7"[:0]),
        ("total", "12 GB"),
        ("active", "-3B"),
        ("active", "0"),
        ("vram", "24"),
        ("vram", "24G"),
        ("vram", "24 tok/s"),
        ("size", "0GB"),
        ("tokens_per_second", "fast"),
        ("tokens_per_second", "-1"),
        ("tokens_per_second", "0"),
        ("price", "cheap"),
        ("price", "-0.6"),
        ("price", "0"),
        ("ttft", "200"),
        ("ttft", "0ms"),
        ("batch", "0"),
        ("batch", "-4"),
        ("batch", "1.5"),
        ("context", "-4"),
        ("prompt", "0"),
        ("peak", "989 TFLOPS"),
        ("bandwidth", "3.35 Tb"),
        ("per", "cow"),
        ("speculative", "yes"),
        ("experts", "8"),
        ("totl", "3B"),
    ],
)
def test_parts_that_cannot_be(part, text):
    with pytest.raises(InputError) as caught:
        make_claim({part: text})
    assert caught.value.hint
