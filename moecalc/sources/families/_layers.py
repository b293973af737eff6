"""Shared by families whose config names the kind of each layer: attention in one list, feed-forward in another."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from moecalc.ir.blocks.attention import GQA
from moecalc.ir.blocks.pattern import compress
from moecalc.ir.blocks.stack import FFN, Layer, Mixer
from moecalc.sources.reader import Reader

ATTENTION_KINDS = {"full_attention": "global", "sliding_attention": "local"}
FFN_KINDS = {"dense": "dense", "sparse": "moe"}


def kinds(
    config: Reader, key: str, layers: int, known: Mapping[str, str], default: Callable[[int], str]
) -> list[str]:
    """The kind of each layer under `key`, in our words; where the list is absent or null, `default(index)`.

    Raises InputError where the list has another length or names a kind that `known` lacks.
    """
    if not config.has(key):
        return [default(index) for index in range(layers)]
    config.items(key)  # a single word is no list, and transformers does not repeat it
    named = config.per_layer(key, layers=layers)
    strange = [name for name in named if not isinstance(name, str) or name not in known]
    if strange:
        raise config.refuse(
            key, f"no such kind of layer as `{strange[0]}`", f"known kinds: {', '.join(known)}"
        )
    return [known[name] for name in named]


def local_and_global(
    config: Reader,
    attention: GQA,
    ffn: FFN,
    window: int | None,
    default: Callable[[int], str],
    **fields: Any,
) -> tuple[dict[str, Layer], str]:
    """Layers of which `window` limits some, as `layer_types` says or, without it, `default(index)`.

    Without a window the default is global attention everywhere. `fields` are further fields of every layer.
    """
    layers = config.size("num_hidden_layers")
    unlisted = default if window else lambda _: "global"
    order = kinds(config, "layer_types", layers, ATTENTION_KINDS, unlisted)
    if window is None and "local" in order:
        raise config.refuse("sliding_window", "`layer_types` names sliding layers, whose window is missing")
    mixers = {"global": attention, "local": msgspec.structs.replace(attention, window=window)}
    return grid(mixers, order, {"dense": ffn}, ["dense"] * layers, **fields)


def grid(
    mixers: Mapping[str, Mixer],
    mixer_kinds: Sequence[str],
    ffns: Mapping[str, FFN],
    ffn_kinds: Sequence[str],
    **fields: Any,
) -> tuple[dict[str, Layer], str]:
    """The layers that occur among mixers x feed-forwards, and the pattern that names them in order.

    `fields` are further fields of every layer. A layer is named after its mixer, its feed-forward, or both,
    according to which of them differ.
    """
    named: dict[str, Layer] = {}
    order: list[str] = []
    many_mixers, many_ffns = len(set(mixer_kinds)) > 1, len(set(ffn_kinds)) > 1
    for mixer, ffn in zip(mixer_kinds, ffn_kinds, strict=True):
        name = "_".join([mixer] * (many_mixers or not many_ffns) + [ffn] * many_ffns)
        named[name] = Layer(mixer=mixers[mixer], ffn=ffns[ffn], **fields)
        order.append(name)
    return named, compress(order)


def group_limit(config: Reader, groups: int) -> int | None:
    """Groups that a token's experts come from at most (`topk_group`); None where that is no limit."""
    limit = config.optional_size("topk_group")
    return None if limit is None or limit >= groups else limit
