"""Recipes against published sizes of quantized checkpoints, and what a recipe refuses."""

from decimal import Decimal

import pytest

from moecalc.api.loading import load
from moecalc.api.precision import precision_for, quant_names
from moecalc.errors import InputError
from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Access
from moecalc.specs.formats import find_format
from moecalc.specs.recipes import ALL, LINEAR, REST, find_recipe, recipe_names, recipes

RECIPES = {recipe.name: recipe for recipe in recipes()}
ROLES = {role.value for role in Role} | {role.group for role in Role}


def parts(model, quant):
    precision = precision_for(model, quant)
    return [
        pair for weight in model.ledger.part(Component.LANGUAGE).weights for pair in precision.parts(weight)
    ]


def elements(name, quant):
    """Stored elements, without what there is one of per matrix (hub totals leave those scalars out)."""
    total = 0
    for weight, format_ in parts(load(name), quant):
        total += format_.elements_stored(weight)
        if weight.tied_to is None and format_.tensors:
            scalars = sum(tensor.block == (None, None) for tensor in format_.tensors)
            matrices = weight.elements // (weight.shape[-1].size * weight.shape[-2].size)
            total -= scalars * matrices
    return total


# ------------------------------------------------------------------------------------------- published sizes


@pytest.mark.parametrize(
    ("name", "quant", "gigabytes"),
    [
        # `Size` in the model cards of TheBloke's repositories (README_AWQ.md, provided files), 2023 and 2024
        ("llama-2-7b", "awq", "3.89"),  # TheBloke/LlamaGuard-7B-AWQ
        ("llama-2-13b", "awq", "7.25"),  # TheBloke/LLaMA2-13B-Tiefighter-AWQ
        ("llama-2-70b", "awq", "36.61"),  # TheBloke/Upstage-Llama-2-70B-instruct-v2-AWQ
        ("mistral-7b", "awq", "4.15"),  # TheBloke/Mistral-7B-v0.1-AWQ
        # Git LFS size of Pot-l/mistral-7b-bnb-4bit-full-QA@270a1ea, model.safetensors: 4.13 GB
        ("mistral-7b", "nf4-dq", "4.13"),
    ],
)
def test_a_recipe_gives_the_size_of_a_published_file(name, quant, gigabytes):
    size = load(name).weight_bytes(quant=quant)
    assert f"{Decimal(int(size)) / 10**9:.2f}" == gigabytes


@pytest.mark.parametrize(
    ("name", "quant", "gigabytes"),
    [
        # `Size` in the model cards of TheBloke's GPTQ repositories, 2023
        ("llama-2-7b", "gptq", "3.90"),  # TheBloke/Llama-2-7b-Chat-GPTQ
        ("llama-2-7b", "gptq-g64", "4.02"),
        ("llama-2-7b", "gptq-g32", "4.28"),
        ("llama-2-13b", "gptq", "7.26"),  # TheBloke/MythoMax-L2-13B-GPTQ
        ("llama-2-13b", "gptq-g64", "7.51"),
        ("llama-2-13b", "gptq-g32", "8.00"),
        ("llama-2-70b", "gptq", "36.65"),  # TheBloke/vigogne-2-70B-chat-GPTQ
        ("llama-2-70b", "gptq-g64", "37.99"),  # TheBloke/StableBeluga2-70B-GPTQ
        ("llama-2-70b", "gptq-g32", "40.66"),
        ("mistral-7b", "gptq", "4.16"),  # TheBloke/zephyr-7B-beta-GPTQ
        ("mistral-7b", "gptq-g32", "4.57"),
        ("mixtral-8x7b", "gptq", "24.70"),  # TheBloke/Mixtral-8x7B-Instruct-v0.1-GPTQ
        ("mixtral-8x7b", "gptq-g32", "27.42"),
    ],
)
def test_gptq_gives_the_size_of_a_published_file(name, quant, gigabytes):
    model = load(name)
    # The AutoGPTQ of 2023 stored a float16 bias of zeros beside every matrix that it converted
    zeros = sum(
        2 * weight.elements // weight.shape[-1].size
        for weight, format_ in parts(model, quant)
        if format_.name.startswith("gptq")
    )
    assert f"{Decimal(int(model.weight_bytes(quant=quant) + zeros)) / 10**9:.2f}" == gigabytes


@pytest.mark.parametrize(
    ("name", "quant", "total"),
    [
        # hub totals (safetensors metadata): every stored element, scales among them
        ("qwen3-32b", "fp8-block128", 32_764_027_904),  # Qwen/Qwen3-32B-FP8
        ("qwen3-30b-a3b", "fp8-block", 30_533_947_392),  # Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8
        ("llama-3.1-70b", "fp8", 70_553_706_496),  # nvidia/Llama-3.1-70B-Instruct-FP8
        ("qwen3-235b-a22b", "nvfp4", 132_806_618_624),  # nvidia/Qwen3-235B-A22B-NVFP4
    ],
)
def test_a_recipe_stores_as_many_elements_as_a_published_checkpoint(name, quant, total):
    assert elements(name, quant) == total


@pytest.mark.parametrize(
    ("name", "quant", "gibibytes"),
    [("gpt-oss-20b", "mxfp4-experts", "12.8"), ("gpt-oss-120b", "mxfp4-experts", "60.8")],
)
def test_gpt_oss_is_released_in_a_recipe(name, quant, gibibytes):
    model = load(name)
    assert model.weight_bytes(quant=quant) == model.weight_bytes()
    # gpt-oss model card (arXiv 2508.10925), table 1: checkpoint size in GiB
    assert f"{model.weight_bytes(quant=quant) / 2**30:.1f}" == gibibytes


@pytest.mark.parametrize("name", ["deepseek-v3", "deepseek-v3.2", "kimi-k2", "minimax-m2"])
def test_fp8_releases_are_recipes(name):
    """Their own quantization configs, which sources/quantization reads, come to the same bytes."""
    model = load(name)
    assert model.weight_bytes(quant="fp8-block128") == model.weight_bytes()
    assert model.weight_bytes(quant="released") == model.weight_bytes()


def test_a_gguf_mixture_is_a_recipe_too():
    # Meta-Llama-3-8B-Instruct.Q4_K_M.gguf as llama-quantize writes it (tests/calc/test_gguf_mixture.py)
    assert load("llama-3-8b").weight_bytes(quant="Q4_K_M") == 4_912_898_048


# --------------------------------------------------------------------------------------- what is converted


@pytest.mark.parametrize(
    ("quant", "also"),
    [
        # llm-compressor's examples for Qwen3-Next and Qwen3.5 ignore `re:.*linear_attn.*`
        (
            "fp8-channel",
            {Role.RECURRENT_IN, Role.RECURRENT_GATE, Role.RECURRENT_PROJECTION, Role.RECURRENT_OUT},
        ),
        # modelopt disables `*linear_attn.conv1d*` only
        ("nvfp4", set()),
    ],
)
def test_what_stays_high_stays_in_the_16_bits_of_the_release(quant, also):
    stored = {
        (weight.role, format_.name)
        for weight, format_ in parts(load("qwen3-next-80b-a3b"), quant)
        if weight.access is not Access.ELEMENTWISE and weight.stored_as is None
    }
    high = {role for role, format_ in stored if format_ == "bf16"}
    always = {Role.EMBEDDING_TOKENS, Role.HEAD, Role.ROUTER, Role.SHARED_SWITCH, Role.RECURRENT_CONV}
    assert high == always | also


def test_prediction_modules_are_converted_by_those_who_see_them():
    model = load("deepseek-v3")
    module = [w for w in model.ledger.weights if w.component is Component.MTP and w.role is Role.EXPERT_UP]
    for quant, format_ in (("fp8-block128", "fp8-block128"), ("awq", "bf16"), ("nvfp4", "bf16")):
        assert {precision_for(model, quant).format_of(w).name for w in module} == {format_}


def test_a_float32_release_is_halved_before_it_is_quantized():
    recipe = find_recipe("nf4")
    assert recipe.precision(load("llama-2-7b").ledger, "fp32").default == "bf16"
    assert recipe.precision(load("llama-2-7b").ledger, "fp16").default == "fp16"


def test_a_recipe_says_what_it_does():
    precision = precision_for(load("mixtral-8x7b"), "awq-g64")
    assert precision.label == "awq-g64"
    assert precision.note == "awq-int4-g64; bf16: embedding, router, head"


@pytest.mark.parametrize("name", ["bf16", "fp16", "fp32"])
def test_a_plain_recipe_is_the_plain_format(name):
    model = load("deepseek-v3")
    assert model.weight_bytes(quant=name) == model.weight_bytes(dtype=name)


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("name", "quant", "message"),
    [
        ("falcon-mamba-7b", "awq", "`awq` has no recipe for role `recurrent.in`"),
        ("deepseek-v4-flash", "nf4", "`nf4` has no recipe for role `compressor.kv`"),
        ("deepseek-v3.2", "nvfp4", "`nvfp4` has no recipe for role `indexer.weights`"),
        ("gpt-oss-20b", "awq", "`awq` takes whole groups of 128, and `attention.q` has 2,880 inputs"),
        ("llama-2-7b", "mxfp4-experts", "converts routed experts, and the model has none"),
        ("llama-2-7b", "awq-g96", "`awq` has no `g96`"),
        ("llama-2-7b", "gptq-int5", "`gptq` has no `int5`"),
        ("llama-2-7b", "gptq-foo", "`gptq-foo`: `gptq` has no `foo`"),
        ("llama-2-7b", "gptq-g128-g32", "`gptq` has no `g32`"),
        ("llama-2-7b", "nf5", "unknown quantization `nf5`"),
        ("70B-A12B", "awq", "needs the shapes of matrices"),
    ],
)
def test_what_has_no_recipe_is_named(name, quant, message):
    with pytest.raises(InputError, match=message) as caught:
        load(name).lines(quant=quant)
    assert caught.value.hint


def test_a_group_that_fits_is_suggested():
    with pytest.raises(InputError) as caught:
        precision_for(load("gpt-oss-20b"), "awq")
    assert "`awq-g64`" in caught.value.hint
    assert precision_for(load("gpt-oss-20b"), "awq-g64").label == "awq-g64"


def test_a_dtype_and_a_recipe_exclude_each_other():
    model = load("llama-2-7b")
    with pytest.raises(InputError, match="`--dtype bf16` and `--quant awq` exclude each other"):
        model.lines(dtype="bf16", quant="awq")
    for recipe in ("q4_k_m", "awq", "nf4-dq-"):
        with pytest.raises(InputError) as caught:
            model.lines(dtype=recipe)
        assert caught.value.hint
    with pytest.raises(InputError) as caught:
        model.lines(dtype="q4_k_m")
    assert caught.value.hint == "type `--quant q4_k_m`"


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("awqq", "awq"),
        ("mxfp4-expert", "mxfp4-experts"),
        ("q4_k_x", "q4_k_m"),
        ("deepseek-fp", "fp8-block128"),
    ],
)
def test_an_unknown_recipe_gets_the_nearest(typed, near):
    with pytest.raises(InputError) as caught:
        precision_for(load("llama-2-7b"), typed)
    assert f"`{near}`" in caught.value.hint


# -------------------------------------------------------------------------------------------- names and data


@pytest.mark.parametrize(
    ("typed", "name", "stores"),
    [
        ("AWQ", "awq", "awq-int4-g128"),
        ("awq-int4-g64", "awq-g64", "awq-int4-g64"),
        ("gptq_int8 g32", "gptq-int8-g32", "gptq-int8-g32"),
        ("gptq-g32-int8", "gptq-int8-g32", "gptq-int8-g32"),
        ("int4", "w4a16", "w4a16-g128"),
        ("int4-experts", "int4-experts", "w4a16-g32"),
        ("w8a8", "int8", "int8-channel-bf16"),
        ("FP8_DYNAMIC", "fp8-channel", "fp8-channel-bf16"),
        ("bnb-4bit", "nf4", "nf4"),
    ],
)
def test_names_as_people_type_them(typed, name, stores):
    found = find_recipe(typed)
    assert (found.name, found.stores) == (name, stores)


def test_names_lead_to_one_recipe_each():
    names = [name for recipe in RECIPES.values() for name in (recipe.name, *recipe.aliases)]
    assert len(names) == len(set(names))
    assert set(recipe_names()) == RECIPES.keys()
    assert set(quant_names()) >= {*RECIPES, "q4_k_m", "mxfp4_moe"}
    assert len(quant_names()) == len(set(quant_names()))


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_a_recipe_speaks_of_roles_and_cites(recipe):
    assert set(recipe.converts) <= ROLES | {ALL, LINEAR}
    assert set(recipe.keeps) <= ROLES | {REST}
    assert all(recipe.keeps.values())
    assert recipe.source
    chosen = find_recipe(recipe.name)
    assert find_format(chosen.stores).name == chosen.stores
    for name, choice in recipe.choices.items():
        for value in choice.values:
            spelled = find_recipe(f"{recipe.name}-{choice.behind}{value}")
            assert f"{choice.behind}{value}" in spelled.stores
            assert f"{{{name}}}" in recipe.stores


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        # Worked out by hand for groups of 128: 4 bits, a 16-bit scale, and 4 bits of zero point
        ("awq", 4 + 16 / 128 + 4 / 128),
        # MXFP4 and NVFP4: OCP MX v1.0 says 4.25, NVIDIA 4.5 (here with two float32 per matrix)
        ("mxfp4", 4.25),
        ("nvfp4", 4.5 + 64 / 4096**2),
        # arXiv 2305.14314, section 3: double quantization takes 0.5 bits per parameter down to 0.127
        ("nf4-dq", 4.127),
    ],
)
def test_bits_per_weight(name, bits):
    assert find_recipe(name).bits_per_weight == pytest.approx(bits, abs=6e-4 if name == "nf4-dq" else 1e-12)
