"""InternViT as InternVL 3 carries it (Zhu et al. 2025, arXiv 2504.10479): a class token and scaled sublayers."""

import msgspec

from moecalc.ir.blocks.ffn import Dense
from moecalc.ir.blocks.towers import Part, VisionTransformer
from moecalc.sources.reader import Reader
from moecalc.sources.towers import _layers

DEFAULTS = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_channels": 3,
    "image_size": [448, 448],
    "patch_size": [14, 14],
    "attention_bias": False,
    "use_qk_norm": False,
    "norm_type": "layer_norm",
    "use_mask_token": False,
    "use_absolute_position_embeddings": True,
    "use_mean_pooling": True,
}

NORMS = {"layer_norm": "layer", "rms_norm": "rms"}


def tower(config: Reader) -> list[Part]:
    """Norms over all query and key heads where `use_qk_norm`; a final norm unless patches are averaged."""
    config.ignore("layer_scale_init_value", "projection_dropout")
    hidden = config.size("hidden_size")
    norm = NORMS.get(config.text("norm_type"))
    if norm is None:
        raise config.refuse("norm_type", f"known norms: {', '.join(NORMS)}")
    attention = _layers.attention(
        hidden,
        config.size("num_attention_heads"),
        bias=config.flag("attention_bias", default=False),
        o_bias=True,
    )
    if config.flag("use_qk_norm", default=False):
        attention = msgspec.structs.replace(attention, qk_norm="rms", qk_norm_over="full")
    rows, columns = _layers.grid(config)
    positioned = config.flag("use_absolute_position_embeddings", default=True)
    transformer = VisionTransformer(
        hidden_size=hidden,
        patches=_layers.patches(config, bias=True),
        positions=rows * columns + 1 if positioned else 0,
        grid=(rows, columns),
        class_tokens=1,
        mask_token=config.flag("use_mask_token", default=False),
        stack=_layers.stack(
            layers=config.size("num_hidden_layers"),
            attention=attention,
            ffn=Dense(intermediate_size=config.size("intermediate_size"), bias=True),
            norm=norm,  # type: ignore[arg-type]
            final_norm=None if config.flag("use_mean_pooling", default=True) else "layer",
            residual_scales=True,
        ),
    )
    return [transformer]
