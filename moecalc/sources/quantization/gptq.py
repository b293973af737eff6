"""`gptq`: 2, 3, 4 or 8 bits in int32 words, zero points, float16 scales, group indices (Frantar et al., 2210.17323)."""

from itertools import chain
from typing import Any

from moecalc.ir.roles import Role
from moecalc.sources.quantization.block import Block
from moecalc.sources.quantization.patterns import Patterns, substring
from moecalc.sources.quantization.scheme import KEPT, Rule, Scheme

# AutoGPTQ and GPTQModel list the modules of each type; none lists a router or the shared expert's scalar gate.
_KEPT = KEPT | {Role.SHARED_SWITCH}


def scheme(block: Block) -> Scheme | str:
    """The linear layers of the decoder layers, or those `modules_in_block_to_quantize` names."""
    settings = block.settings
    bits, group = block.whole("bits"), block.group_size("group_size", default=128)
    if bits not in {2, 3, 4, 8}:
        return f"GPTQ with {bits} bits in groups of {group}"
    if settings.get("dynamic"):
        return "GPTQ with `dynamic` overrides per module"
    named = settings.get("modules_in_block_to_quantize") or []
    targets = None
    if named:
        flat = _flat(named)
        if flat is None:
            block.refuse("modules_in_block_to_quantize", named, "a list of module names, or of lists of them")
        targets = Patterns.of([f".{entry}" for entry in flat], substring)
    name = f"gptq-int{bits}" + (f"-g{group}" if group > 0 else "")
    head = frozenset({Role.HEAD}) if settings.get("lm_head") else frozenset()
    return Scheme((Rule(name, targets),), kept=_KEPT - head)


def _flat(named: Any) -> list[str] | None:
    """The names in a list of them or of lists of them; None where it is neither."""
    if not isinstance(named, list):
        return None
    flat = list(chain.from_iterable(entry if isinstance(entry, list) else [entry] for entry in named))
    return flat if all(isinstance(entry, str) for entry in flat) else None
