"""FLOPs of towers against transformers: what FlopCounterMode counts while images become embeddings. Equality.

The calls are the reference's own (`get_image_features`, `get_audio_features`), with eager attention, on tiny configs.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, DynamicCache

from moecalc.ir.roles import Component, Role
from moecalc.ir.rows import Op
from moecalc.ir.step import Choices, Form, Logits, Media, Pairs, Step
from moecalc.sources.hf_config import ConfigReading, read_config
from moecalc.sources.towers._layers import transformer_of
from tests.oracle import reference
from tests.oracle.test_towers import MODULES, merged

FULL = Choices(Pairs.FULL, Logits.ALL, frozenset({Form.NAIVE}))


def build(config: dict[str, Any]) -> torch.nn.Module:
    values = reference.build_config(config)
    auto = AutoModelForCausalLM
    if type(values) in AutoModelForImageTextToText._model_mapping:
        auto = AutoModelForImageTextToText
    model = auto.from_config(values, attn_implementation="eager", dtype=torch.float32)
    return model.eval().requires_grad_(False)


def ours(reading: ConfigReading, media: Media, component: Component = Component.VISION) -> int:
    return sum(op.flops(Step(1, 0, 1, media), FULL) for op in operations(reading, component))


def operations(reading: ConfigReading, component: Component = Component.VISION) -> tuple[Op, ...]:
    return reading.architecture.lower_to_ledger().part(component).ops


def pairs_of(reading: ConfigReading, media: Media) -> int:
    """FLOPs of scores and mix."""
    rows = [op for op in operations(reading) if op.role in (Role.ATTENTION_SCORES, Role.ATTENTION_MIX)]
    return sum(op.flops(Step(1, 0, 1, media), FULL) for op in rows)


def layers_of(reading: ConfigReading, media: Media) -> int:
    """FLOPs of the layers: neither the patch embedding nor the projector."""
    rows = [op for op in operations(reading) if op.role.group in ("attention", "ffn")]
    return sum(op.flops(Step(1, 0, 1, media), FULL) for op in rows)


def pixels(config: dict[str, Any], images: int) -> torch.Tensor:
    """Images of the one size that the tower is built for."""
    vision = reference.build_config(config).vision_config
    size = vision.image_size
    height, width = size if isinstance(size, list | tuple) else (size, size)
    return torch.ones(images, vision.num_channels, height, width)


def flat_patches(config: dict[str, Any], grids: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of points, one for each patch, as Qwen's processors lay them out, with the grid of each image."""
    vision = reference.build_config(config).vision_config
    channels = getattr(vision, "in_channels", None) or getattr(vision, "num_channels", 3)
    points = channels * getattr(vision, "temporal_patch_size", 1) * vision.patch_size**2
    number = sum(rows * columns for rows, columns in grids)
    shape = (points,)
    if config["model_type"] == "kimi_k25":
        shape = (channels, vision.patch_size, vision.patch_size)
    return torch.ones(number, *shape), torch.tensor([(1, *grid) for grid in grids])


Run = Callable[[torch.nn.Module, Any], Any]


def tiled(model: torch.nn.Module, values: torch.Tensor) -> Any:
    """Of LLaVA-NeXT and its like: a base image, and the tiles of it that the config's grids make of its size."""
    side = values.shape[-1]
    sizes = torch.tensor([[side, side]])
    return model.model.get_image_features(values[None], image_sizes=sizes)


def plain(model: torch.nn.Module, values: torch.Tensor) -> Any:
    return model.model.get_image_features(values)


def stacked(model: torch.nn.Module, values: torch.Tensor) -> Any:
    return model.model.get_image_features(values[None])


def llama4(model: torch.nn.Module, values: torch.Tensor) -> Any:
    # As the reference's forward pass does: the matrix to the language model stands outside `get_image_features`.
    return model.multi_modal_projector(model.get_image_features(values).last_hidden_state)


FIXED: dict[str, Run] = {
    "llava": plain, "gemma3": plain, "internvl": plain, "llama4": llama4, "idefics3": stacked, "smolvlm": stacked,
    "llava_next": tiled, "llava_next_video": tiled, "llava_onevision": tiled,
}  # fmt: skip
SIZES: dict[str, dict[str, Any]] = {
    # Squares of 2 x 2, 3 x 3 and 4 x 4 patches divide these images.
    "idefics3": {"vision_config": {"image_size": 42}},
    "smolvlm": {"vision_config": {"image_size": 42}},
    "internvl": {"vision_config": {"image_size": [30, 25], "patch_size": [7, 6]}},
    "llava_next": {"image_grid_pinpoints": [[30, 60]]},
    "llava_next_video": {"image_grid_pinpoints": [[30, 60]]},
    "llava_onevision": {"image_grid_pinpoints": [[30, 60]]},
    # Rotary positions in two axes want head sizes that 4 divides, and resized positions a square table.
    "llama4": {"vision_config": {"num_attention_heads": 3, "intermediate_size": 96}},
    "gemma4": {"vision_config": {"head_dim": 8}},
    "lfm2_vl": {"vision_config": {"num_patches": 16}},
}
DOES_NOT_RUN = {
    "mistral3-5": "its merger's norm is as wide as one layer, and the config reads two",
    "phi4_multimodal-2": "its table of symmetric distances is half as long as it is read",
    "phi4_multimodal-3": "it never joins the frames that `downsample_rate` is for",
}
"""Variants with parameters to count and a forward pass that raises, by case."""
GRID = (
    "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe",
    "glm4v", "glm4v_moe", "glm46v", "kimi_k25", "minimax_m3_vl",
)  # fmt: skip
ANY_SIZE = {"pixtral", "siglip2_vision_model"}


def cases(names: Any, leave_out: set[str] = frozenset()) -> list[Any]:
    found = []
    for name in names:
        for number, override in enumerate([{}, *MODULES[name].VARIANTS]):
            sizes = {
                key: value for key, value in SIZES.get(name, {}).items() if override.get(key, 0) is not None
            }
            config = merged(merged(MODULES[name].TINY, override), sizes)
            if f"{name}-{number}" in DOES_NOT_RUN:
                continue
            if (config.get("vision_config") or {}).get("model_type") not in leave_out:
                found.append(pytest.param(config, id=f"{name}-{number}"))
    return found


@pytest.mark.parametrize("config", cases(FIXED, ANY_SIZE))
def test_images_of_one_size(config: dict[str, Any]) -> None:
    name, images = config["model_type"], 3  # of a tiled image: itself and two tiles
    reading, model = read_config(config), build(config)
    tower = transformer_of(reading.architecture.towers[0])
    got = reference.count(lambda: FIXED[name](model, pixels(config, images)))
    media = Media(images=images, patches=tower.patches_per_image)
    assert ours(reading, media) == got


@pytest.mark.parametrize("config", cases(GRID))
@pytest.mark.parametrize("grids", [[(6, 12)], [(18, 6), (18, 6)], [(12, 18)]])
def test_images_of_any_size(config: dict[str, Any], grids: list[tuple[int, int]]) -> None:
    reading, model = read_config(config), build(config)
    values, thw = flat_patches(config, grids)
    got = reference.count(lambda: model.model.get_image_features(values, image_grid_thw=thw))
    (rows, columns), *_ = grids
    assert ours(reading, Media(images=len(grids), patches=rows * columns, grid=(rows, columns))) == got


LLAVA = merged(
    MODULES["llava"].TINY, {**MODULES["llava"].VARIANTS[3], "vision_feature_select_strategy": "full"}
)
PIXTRAL = [*cases(["mistral3"]), pytest.param(LLAVA, id="llava")]


@pytest.mark.parametrize("config", PIXTRAL)
def test_pixtral(config: dict[str, Any]) -> None:
    reading, model = read_config(config), build(config)
    side = config["vision_config"]["patch_size"]
    sizes = torch.tensor([[6 * side, 12 * side]])
    values = torch.ones(1, 3, 6 * side, 12 * side)
    got = reference.count(lambda: model.model.get_image_features(values, image_sizes=sizes))
    assert ours(reading, Media(images=1, patches=72)) == got


def test_pixtral_counts_no_pair_between_images() -> None:
    # The reference packs images behind each other and masks what they do not see of each other; nothing needs that.
    config = MODULES["mistral3"].TINY
    reading, model = read_config(config), build(config)
    side = config["vision_config"]["patch_size"]
    values, sizes = torch.ones(2, 3, 6 * side, 6 * side), torch.tensor([[6 * side, 6 * side]] * 2)
    got = reference.count(lambda: model.model.get_image_features(values, image_sizes=sizes))
    two = Media(images=2, patches=36)
    between = pairs_of(reading, Media(images=1, patches=72)) - pairs_of(reading, two)
    assert ours(reading, two) + between == got
    assert between > 0


@pytest.mark.parametrize("config", cases(["lfm2_vl"]))
def test_siglip2(config: dict[str, Any]) -> None:
    reading, model = read_config(config), build(config)
    points = 3 * config["vision_config"]["patch_size"] ** 2
    shapes = torch.tensor([[6, 12]] * 2)
    got = reference.count(
        lambda: model.model.get_image_features(
            torch.ones(2, 72, points),
            spatial_shapes=shapes,
            pixel_attention_mask=torch.ones(2, 72, dtype=torch.long),
        )
    )
    assert ours(reading, Media(images=2, patches=72)) == got


def test_fuyu() -> None:
    config = MODULES["fuyu"].TINY
    model = build(config)
    points = torch.ones(1, 12, 3 * config["patch_size"] ** 2)
    got = reference.count(lambda: model.model.get_image_features(points))
    assert ours(read_config(config), Media(images=1, patches=12)) == got


def sections(name: str, key: str) -> list[Any]:
    return [case for case in cases([name]) if case.values[0].get(key)]


@pytest.mark.parametrize("config", sections("gemma4", "vision_config"))
@pytest.mark.parametrize("images", [1, 2])
def test_gemma4_images(config: dict[str, Any], images: int) -> None:
    reading, model = read_config(config), build(config)
    points, patches = 3 * config["vision_config"]["patch_size"] ** 2, 36
    places = torch.cartesian_prod(torch.arange(6), torch.arange(6))[None].repeat(images, 1, 1)
    got = reference.count(
        lambda: model.model.get_image_features(torch.ones(images, patches, points), image_position_ids=places)
    )
    # The reference averages squares of patches by a matmul with a matrix of zeros and ninths: no such matmul is needed.
    averaging = images * 2 * patches * (patches // 9) * config["vision_config"]["hidden_size"]
    assert ours(reading, Media(images=images, patches=patches)) + averaging == got


@pytest.mark.parametrize("config", sections("gemma4", "audio_config"))
@pytest.mark.parametrize("frames", [96, 191, 200])
def test_gemma4_sound(config: dict[str, Any], frames: int) -> None:
    reading, model = read_config(config), build(config)
    bins = 4 * (config["audio_config"]["subsampling_conv_channels"][0] // 4)
    mask = torch.ones(1, frames, dtype=torch.bool)
    got = reference.count(lambda: model.model.get_audio_features(torch.ones(1, frames, bins), mask))
    # The reference fills its last block of 12 queries up. A query scores 24 frames, mixes 24, and meets 13 distances.
    audio = config["audio_config"]
    filled = -(-frames // 4) % 12 and 12 - -(-frames // 4) % 12
    filling = 2 * filled * (24 + 24 + 13) * audio["hidden_size"] * audio["num_hidden_layers"]
    assert ours(reading, Media(frames=frames), Component.AUDIO) + filling == got


@pytest.mark.parametrize("config", cases(["phi4_multimodal"]))
@pytest.mark.parametrize("frames", [200, 333, 8000, 4801])
def test_phi4_sound(config: dict[str, Any], frames: int) -> None:
    reading, model = read_config(config), build(config)
    values = reference.build_config(config).audio_config
    embedding = model.model.embed_tokens_extend.audio_embed
    got = reference.count(lambda: phi4_speech(embedding, torch.ones(1, frames, values.input_size)))
    heard = -(-frames // values.time_reduction)
    # The reference convolves the columns it pads with on either side, and crops them behind the pointwise matrix.
    segments = -(-heard // 500)
    padded, width = segments * (values.kernel_size - 1), values.hidden_size
    padding = values.num_blocks * 2 * padded * (width * values.kernel_size + width * width)
    # It fills what is longer than 500 frames up to whole segments.
    filled = 500 * segments if segments > 1 else heard
    more = conformer(reading, values.time_reduction * filled) - conformer(reading, frames)
    assert ours(reading, Media(frames=frames), Component.AUDIO) + padding + more == got
    assert (more > 0) == (frames == 4801)


def conformer(reading: ConfigReading, frames: int) -> int:
    """FLOPs of the layers of an audio tower: neither its first convolutions nor the projector."""
    beside = (Role.TOWER_PATCHES, Role.TOWER_PROJECTOR)
    rows = [op for op in operations(reading, Component.AUDIO) if op.role not in beside]
    return sum(op.flops(Step(1, media=Media(frames=frames)), FULL) for op in rows)


def phi4_speech(embedding: torch.nn.Module, values: torch.Tensor) -> Any:
    """What the reference's audio embedding does for speech, up to putting vectors in their places."""
    mask = torch.ones(values.shape[:2], dtype=torch.bool)
    hidden = embedding.encoder(values, mask)
    return embedding.down_proj_for_speech(embedding.up_proj_for_speech(hidden))


@pytest.mark.parametrize("config", cases(["phi4_multimodal"]))
def test_phi4_images(config: dict[str, Any]) -> None:
    # An image of two crops, and the small copy of it: three images of the tower.
    reading, model = read_config(config), build(config)
    vision = reference.build_config(config).vision_config
    side, crop = vision.image_size, vision.crop_size
    embedding, grid = model.model.embed_tokens_extend.image_embed, vision.image_size // vision.patch_size
    merged_side = grid // 2
    ends = separators(2, merged_side)
    tokens = torch.full((1, ends + 3 * merged_side**2), vision.image_token_id)
    got = reference.count(
        lambda: embedding(
            tokens,
            torch.ones(*tokens.shape, config["hidden_size"]),
            torch.ones(1, 3, vision.num_channels, side, side),
            torch.tensor([[2 * crop, crop]]),
            torch.ones(1, 3, grid, grid),
        )
    )
    # The vectors learned for the ends of rows and between the two parts are projected too.
    width = config["hidden_size"]
    projected = ends * 2 * (vision.hidden_size * width + width * width)
    assert ours(reading, Media(images=3, patches=grid * grid)) + projected == got


def separators(rows: int, side: int) -> int:
    """Ends of rows in the crops, one vector between the parts, ends of rows in the small copy."""
    return rows * side + 1 + side


@pytest.mark.parametrize("config", cases(["mllama"]))
@pytest.mark.parametrize("images", [1, 2])
def test_mllama(config: dict[str, Any], images: int) -> None:
    reading, model = read_config(config), build(config)
    vision = reference.build_config(config).vision_config
    tiles, side = vision.max_num_tiles, vision.image_size
    got = reference.count(
        lambda: mllama_images(
            model, torch.ones(1, images, tiles, 3, side, side), torch.ones(1, images, dtype=torch.long),
            torch.ones(1, images, tiles, dtype=torch.long),
        )
    )  # fmt: skip
    tower = transformer_of(reading.architecture.towers[0])
    assert tower.patches_per_image == tiles * (side // vision.patch_size) ** 2
    # The reference fills the positions of every tile up to a multiple of 8, and takes them off again behind the layers.
    positions = (side // vision.patch_size) ** 2 + 1
    filled = tiles * (-positions % 8)
    more = Media(images=images, patches=tower.patches_per_image + filled)
    media = Media(images=images, patches=tower.patches_per_image)
    filling = layers_of(reading, more) - layers_of(reading, media)
    # Which positions are filling, it finds out by a matmul of a column with itself.
    filled_positions = tower.patches_per_image + tiles + filled
    assert ours(reading, media) + filling + images * 2 * filled_positions**2 == got
    assert filling > 0


def mllama_images(model: torch.nn.Module, values: Any, ratios: Any, mask: Any) -> Any:
    """As the reference's forward pass turns images into what cross-attention reads."""
    inner = model.model
    output = inner.vision_model(pixel_values=values, aspect_ratio_ids=ratios, aspect_ratio_mask=mask)
    return inner.multi_modal_projector(output.last_hidden_state)


@pytest.mark.parametrize(
    "config", [MODULES["mllama"].TINY, merged(MODULES["mllama"].TINY, MODULES["mllama"].VARIANTS[1])]
)
@pytest.mark.parametrize("source", [68, 136])
def test_mllama_reads_images(config: dict[str, Any], source: int) -> None:
    ledger, model = read_config(config).architecture.lower_to_ledger().part(Component.LANGUAGE), build(config)
    text, width = model.model.language_model, config["text_config"]["hidden_size"]
    states = torch.ones(1, source, width)

    def run(new: int, cache: Any, states: Any) -> Any:
        tokens = torch.zeros(1, new, dtype=torch.long)
        output = text(input_ids=tokens, cross_attention_states=states, past_key_values=cache, use_cache=True)
        return model.lm_head(output.last_hidden_state), output.past_key_values

    def count(step: Step) -> int:
        return sum(op.flops(step, FULL) for op in ledger.ops)

    media = Media(source=source)
    for prompt in (64, 128):
        cache = DynamicCache(config=text.config)
        got = reference.count(lambda: run(prompt, cache, states))  # noqa: B023 - called at once
        assert count(Step(prompt, 0, 1, media)) == got
    got = reference.count(lambda: run(1, cache, None))
    assert count(Step(1, 128, 1, media)) == got
    held = sum(state.elements_reserved(129) + state.source_elements(source) for state in ledger.states)
    assert reference.cache_elements(cache) == held


def test_every_whole_is_compared() -> None:
    compared = {*FIXED, *GRID, "mistral3", "lfm2_vl", "fuyu", "gemma4", "phi4_multimodal", "mllama"}
    assert compared == set(MODULES)
