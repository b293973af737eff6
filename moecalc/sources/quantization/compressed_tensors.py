"""`compressed-tensors` (llm-compressor): groups of targets, each with a scheme for its weights."""

from collections.abc import Mapping
from typing import Any

from moecalc.sources.quantization.block import SIDES, Block, is_block
from moecalc.sources.quantization.patterns import exact_or_regex
from moecalc.sources.quantization.scheme import Rule, Scheme

_PACKED = {"pack-quantized"}
_PLAIN = {"float-quantized", "int-quantized", "naive-quantized", "None"}


def scheme(block: Block) -> Scheme | str:
    """One rule for each group of `config_groups`; `Linear` is every linear layer."""
    groups = block.settings.get("config_groups")
    if not isinstance(groups, Mapping) or not groups:
        return "compressed-tensors without `config_groups`"
    sparsity = block.settings.get("sparsity_config")
    if sparsity and not (isinstance(sparsity, Mapping) and sparsity.get("format") in (None, "dense")):
        return "compressed-tensors with a sparse format"
    rules: list[Rule] = []
    for name, group in groups.items():
        weights = group.get("weights") if isinstance(group, Mapping) else None
        if not isinstance(weights, Mapping):
            return "a group of compressed-tensors without `weights`"
        own = block.section(group, "config_groups", str(name))
        layout = str(group.get("format") or block.settings.get("format"))
        said = own.section(weights, "weights")
        format_ = _format(said, group.get("input_activations"), layout)
        if format_ is None:
            words = f"{weights.get('num_bits')}-bit {weights.get('type')} per {weights.get('strategy')}"
            return f"compressed-tensors' `{layout}` of {words}"
        targets = own.patterns(exact_or_regex, "targets")
        rules.append(Rule(format_, None if "Linear" in targets.free else targets))
    # Rules for named modules stand before the one for all.
    rules.sort(key=lambda rule: rule.targets is None)
    return Scheme(tuple(rules), block.patterns(exact_or_regex, "ignore"), kept=block.kept)


def _format(block: Block, inputs: Any, layout: str) -> str | None:
    weights, dtype = block.settings, block.dtype
    kind, bits, strategy = weights.get("type"), block.whole("num_bits", default=8), weights.get("strategy")
    group = None if weights.get("group_size") is None else block.group_size("group_size")
    if kind == "float" and bits == 4:
        if group == 16:
            return "nvfp4-w4a4" if inputs else "nvfp4-w4a16"
        return "mxfp4" if group == 32 else None
    if kind == "int" and layout in _PACKED and strategy in {"group", "channel"}:
        if strategy == "group" and (group is None or group < 1):
            block.refuse("group_size", group, "an integer of at least 1 where the strategy is `group`")
        per = f"g{group}" if strategy == "group" else "channel"
        zeros = "" if weights.get("symmetric", True) else "-asym"
        order = "-act" if weights.get("actorder") in {"group", True} else ""
        return f"w{bits}a16-{per}{zeros}{order}"
    if bits == 8 and layout in _PLAIN and kind in {"int", "float"}:
        sides = weights.get("block_structure")
        named = {"tensor": "tensor", "channel": "channel"}
        if strategy == "block" and sides is not None:
            if not is_block(sides):
                block.refuse("block_structure", sides, SIDES)
            named["block"] = f"block{sides[0]}" if sides[0] == sides[1] else f"block{sides[0]}x{sides[1]}"
        if strategy not in named:
            return None
        static = ""
        if isinstance(inputs, Mapping) and not inputs.get("dynamic"):
            static = "-static" if inputs.get("symmetric", True) else "-static-asym"
        scale = dtype if dtype in {"fp32", "bf16", "fp16"} else "bf16"
        return f"{'int8' if kind == 'int' else 'fp8'}-{named[strategy]}-{scale}{static}"
    return None
