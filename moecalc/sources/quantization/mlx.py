"""MLX's own `quantization` block: affine groups with a 16-bit scale and bias, embeddings and head included."""

from collections.abc import Mapping

from moecalc.ir.roles import Role
from moecalc.sources.quantization.block import Block
from moecalc.sources.quantization.patterns import Patterns, glob
from moecalc.sources.quantization.scheme import Rule, Scheme

_OWN_KEYS = {"group_size", "bits", "mode", "quant_method"}


def scheme(block: Block) -> Scheme | str:
    """Every linear layer and embedding in one format, or in the one its own entry gives."""
    rules: list[Rule] = []
    plain: list[str] = []
    for module, own in block.settings.items():
        if module in _OWN_KEYS:
            continue
        if own is False:
            plain.append(module)
        elif isinstance(own, Mapping):
            format_ = _format(block.section({**block.settings, **own}, module))
            if format_ is None:
                return f"MLX's settings for `{module}`"
            rules.append(Rule(format_, Patterns.of([module], glob)))
    format_ = _format(block)
    if format_ is None:
        return (
            f"MLX's `{block.settings.get('mode') or 'affine'}` mode with {block.settings.get('bits')!r} bits"
        )
    tables = frozenset({Role.EMBEDDING_TOKENS})
    return Scheme((*rules, Rule(format_)), Patterns.of(plain, glob), kept=frozenset(), extra=tables)


def _format(block: Block) -> str | None:
    mode = block.settings.get("mode") or "affine"
    if mode == "affine":
        bits, group = block.whole("bits"), block.whole("group_size")
        if group < 1:
            block.refuse("group_size", group, "an integer of at least 1")
        return f"mlx-int{bits}-g{group}" if 2 <= bits <= 8 else None
    return {"mxfp4": "mxfp4", "mxfp8": "mxfp8", "nvfp4": "nvfp4"}.get(str(mode))
