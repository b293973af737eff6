"""VaultGemma (Google 2025, arXiv 2510.15001): Gemma 2 without the norms behind the sublayers."""

from moecalc.ir.architecture import Architecture
from moecalc.ir.blocks.ffn import Gated
from moecalc.sources.families._layers import local_and_global
from moecalc.sources.families.gemma2 import DEFAULTS, softcapped
from moecalc.sources.families.llama import attention, decoder
from moecalc.sources.reader import Reader

__all__ = ["DEFAULTS", "architecture"]


def architecture(config: Reader) -> Architecture:
    """Local and global layers in turn, local first, unless `layer_types` says otherwise."""
    layers, pattern = local_and_global(
        config,
        softcapped(config, attention(config)),
        Gated(intermediate_size=config.size("intermediate_size")),
        config.optional_size("sliding_window"),
        lambda index: "local" if (index + 1) % 2 else "global",
    )
    return decoder(config, layers, pattern)
