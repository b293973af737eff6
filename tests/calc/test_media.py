"""Images and sound: what is asked for, what is refused, and the laws that hold for every tower."""

import pytest

import moecalc
from moecalc.calc.media import embeddings
from moecalc.errors import InputError
from moecalc.ir.roles import Component
from moecalc.ir.step import Choices, Form, Logits, Media, Pairs, Step
from moecalc.sources.hf_config import read_config
from tests.oracle.test_towers import MODULES, merged

CAUSAL = Choices(Pairs.CAUSAL, Logits.LAST, frozenset({Form.NAIVE, Form.CHUNK}))
FULL = Choices(Pairs.FULL, Logits.ALL, frozenset({Form.NAIVE, Form.CHUNK}))
SIZED = {"gemma3": {"vision_config": {"image_size": 28}}}
TINY = {name: merged(module.TINY, SIZED.get(name, {})) for name, module in MODULES.items()}


def lines(model, **chosen):
    return {line["id"]: line for line in model.lines(**chosen)}


def flops(ledger, component, media, batch=1, choices=FULL):
    step = Step(1, 0, batch, media)
    return sum(op.flops(step, choices) for op in ledger.part(component).ops)


# ------------------------------------------------------------------------------------------------------------- laws


@pytest.mark.parametrize("name", TINY)
def test_images_add_up_and_so_does_a_batch(name):
    ledger = read_config(TINY[name]).architecture.lower_to_ledger()
    one = flops(ledger, Component.VISION, Media(images=1, patches=144, grid=(12, 12)))
    assert one > 0
    assert flops(ledger, Component.VISION, Media(images=5, patches=144, grid=(12, 12))) == 5 * one
    assert flops(ledger, Component.VISION, Media(images=1, patches=144, grid=(12, 12)), batch=7) == 7 * one
    assert flops(ledger, Component.VISION, Media()) == 0


@pytest.mark.parametrize("name", TINY)
def test_nothing_is_masked_within_an_image(name):
    ledger = read_config(TINY[name]).architecture.lower_to_ledger()
    media = Media(images=2, patches=144, grid=(12, 12))
    assert flops(ledger, Component.VISION, media, choices=CAUSAL) == flops(ledger, Component.VISION, media)


@pytest.mark.parametrize("name", TINY)
def test_images_leave_the_tokens_of_the_language_model_alone(name):
    ledger = read_config(TINY[name]).architecture.lower_to_ledger().part(Component.LANGUAGE)
    media = Media(images=3, patches=144, grid=(12, 12))
    for step in (Step(64), Step(8, 56), Step.decode(97)):
        seen = Step(step.new, step.past, 1, media)
        for op in ledger.ops:
            assert op.flops(seen, FULL) == op.flops(step, FULL)


def test_squares_that_an_image_fits_into_are_one():
    def whole(side):
        config = merged(TINY["qwen2_5_vl"], {"vision_config": {"window_size": 7 * side}})
        ledger = read_config(config).architecture.lower_to_ledger()
        return flops(ledger, Component.VISION, Media(images=1, patches=48, grid=(6, 8)))

    assert whole(8) == whole(100) > whole(4) > whole(2)


@pytest.mark.parametrize("frames", [1, 7, 8, 9, 100, 4001])
def test_a_clip_of_sound_scores_no_more_than_its_blocks(frames):
    config = merged(MODULES["gemma4"].TINY, MODULES["gemma4"].VARIANTS[5])
    ledger = read_config(config).architecture.lower_to_ledger()
    masked = flops(ledger, Component.AUDIO, Media(frames=frames), choices=CAUSAL)
    assert 0 < masked < flops(ledger, Component.AUDIO, Media(frames=frames))


def test_cross_attention_in_chunks_costs_what_it_costs_whole():
    # Keys and values of the images are made with the first chunk.
    ledger = read_config(TINY["mllama"]).architecture.lower_to_ledger().part(Component.LANGUAGE)
    media = Media(source=68)
    useful = Choices(Pairs.CAUSAL, Logits.ALL, frozenset({Form.NAIVE}))
    steps = [Step(100, 0, 1, media), Step(40, 0, 1, media), Step(60, 40, 1, media)]
    whole, first, second = (sum(op.flops(step, useful) for op in ledger.ops) for step in steps)
    assert whole == first + second
    assert whole > sum(op.flops(Step(100), useful) for op in ledger.ops)


# -------------------------------------------------------------------------------------------------- what is asked for


def test_lines_of_images_stand_beside_the_prompt():
    model = moecalc.load(TINY["llava"])
    plain, seen = lines(model, prompt=64), lines(model, prompt=64, images=2)
    assert {name: seen[name] for name in plain} == plain
    (added,) = seen.keys() - plain.keys()
    line = seen[added]
    assert (added, line["basis"], line["unit"]) == ("flops.vision", "convention", "FLOPs")
    assert "2 images of 16 patches" in line["label"]  # 30 // 7 on a side
    assert line["value"] == flops(model.ledger, Component.VISION, Media(images=2, patches=16))
    assert lines(model, prompt=64, images=2, patches=25)["flops.vision"]["value"] > line["value"]


def test_patches_alone_are_one_image():
    model = moecalc.load(TINY["qwen2_vl"])
    values = [
        lines(model, **chosen)["flops.vision"]["value"]
        for chosen in ({"patches": 48}, {"images": 1, "patches": (6, 8)}, {"patches": [6, 8]})
    ]
    assert values[0] == values[1] == values[2]


def test_what_was_not_chosen_is_said():
    model = moecalc.load(TINY["llava"])
    assert model.workload(images=2, prompt=8, context=8).assumed == {"patches": 16}
    assert model.workload(patches=25, prompt=8, context=8).assumed == {"images": 1}
    assert model.workload(images=2, patches=25, prompt=8, context=8).assumed == {}


def test_lines_of_sound():
    model = moecalc.load(merged(MODULES["gemma4"].TINY, MODULES["gemma4"].VARIANTS[4]))
    found = lines(model, frames=400)
    assert "flops.vision" not in found
    assert "400 frames" in found["flops.audio"]["label"]


def test_cross_attention_counts_its_images_in_flops_and_state():
    model = moecalc.load(TINY["mllama"])
    plain, seen = lines(model, prompt=64, context=97), lines(model, prompt=64, context=97, images=1, batch=3)
    # 4 tiles of 4 x 4 patches, each with a class token
    assert embeddings(model.ledger, Media(images=1, patches=64)) == 4 * 17
    assert seen["flops.prefill"]["value"] > plain["flops.prefill"]["value"]
    assert seen["flops.decode_per_token"]["value"] > plain["flops.decode_per_token"]["value"]
    # sequences x layers x keys and values x heads x head_dim x vectors x bytes
    assert seen["state.source_bytes"]["value"] == 3 * 2 * 2 * 2 * 8 * 68 * 2


def test_a_count_by_component_sums_to_its_line():
    count = moecalc.load("llama-4-scout").flop_count(images=2, batch=3)
    (tower,) = count.towers
    values = {line.id: line.value for line in count.lines()}
    assert values["flops.vision"] == tower.total == sum(tower.parts.values())
    assert values["flops.vision_step"] == 3 * tower.total
    rows = count.to_dict()["towers"]
    assert sum(row["flops"] for row in rows) == tower.total
    assert lines(moecalc.load("llama-4-scout"), images=2)["flops.vision"]["value"] == tower.total


# ---------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("model", "chosen", "message"),
    [
        ("mixtral-8x7b", {"images": 1}, "no vision tower"),
        ("mixtral-8x7b", {"patches": 64}, "no vision tower"),
        ("mixtral-8x7b", {"frames": 64}, "no audio tower"),
        ("qwen3.5-27b", {"images": 1}, "images of any size"),
        ("qwen3.5-27b", {"patches": 37}, "every 4"),
        ("qwen3.5-27b", {"patches": (3, 4)}, "every 4"),
        ("qwen3.5-27b", {"patches": (2, 3, 4)}, "`patches`"),
        ("qwen3.5-27b", {"patches": 0}, "`patches` is 0"),
        ("qwen3.5-27b", {"patches": (2, -2)}, "`patches` is -2"),
        ("qwen3.5-27b", {"patches": "6x8"}, "`patches`"),
        ("llama-4-scout", {"images": 0}, "`images` is 0"),
        ("llama-4-scout", {"images": True}, "`images` is True"),
        ("llama-4-scout", {"frames": 1.5}, "`frames` is 1.5"),
        ("70B-A12B", {"images": 1}, "`images` needs a tower"),
    ],
)
def test_what_no_tower_reads_is_refused(model, chosen, message):
    with pytest.raises(InputError, match=message) as caught:
        moecalc.load(model).lines(**chosen)
    assert caught.value.hint


def test_squares_need_rows_and_columns():
    model = moecalc.load(TINY["qwen2_5_vl"])
    with pytest.raises(InputError, match="squares") as caught:
        model.lines(patches=48)
    assert "36x52" in caught.value.hint
    assert lines(model, patches=(6, 8))["flops.vision"]["value"] > 0
