"""What a training run chooses beside its plan: which activations it keeps, and which weights it trains."""

import re
from typing import Literal

import msgspec

from moecalc.errors import InputError, did_you_mean

Attention = Literal["flash", "eager"]
Kernels = Literal["fused", "autograd"]

MODULES = {
    "core_attn": "the scores and probabilities of attention",
    "norm": "what norms hand on to matrices",
    "act": "what the feed-forward's activation hands on",
    "mla_up_proj": "queries, keys and values expanded from latents",
}
"""What may be dropped and computed again, by Megatron-LM's `--recompute-modules` (norm: its `layernorm`)."""


class Recompute(msgspec.Struct, frozen=True):
    """Which activations are dropped after the forward pass and computed again in the backward pass."""

    name: str
    full: bool = False
    """Of every layer nothing but its input is kept."""
    modules: frozenset[str] = frozenset()


def parse_recompute(text: str) -> Recompute:
    """`none`, `selective` (the core of attention, arXiv 2205.05198), `full`, or modules with commas. InputError."""
    name = text.strip().lower()
    named = {
        "none": Recompute("none"),
        "selective": Recompute("selective", modules=frozenset({"core_attn"})),
        "full": Recompute("full", full=True),
    }
    if name in named:
        return named[name]
    parts = [part.strip() for part in name.split(",")]
    for part in parts:
        if part not in MODULES:
            near = did_you_mean(part, [*named, *MODULES], n=1)
            hint = f"did you mean `{near[0]}`? " if near else ""
            raise InputError(
                f"unknown recomputation `{part}`",
                hint=f"{hint}`none`, `selective`, `full`, or of {', '.join(MODULES)} with commas",
            )
    return Recompute(",".join(parts), modules=frozenset(parts))


MOST_RANK = 65_536
"""Above the width of any matrix that adapters stand beside."""


class Lora(msgspec.Struct, frozen=True, kw_only=True):
    """Low-rank adapters [rank, in] and [out, rank] beside frozen matrices (Hu et al. 2021, arXiv 2106.09685)."""

    rank: int
    target: Literal["attention", "all"] = "attention"
    """`attention`: the mixers' matrices; `all`: every matrix of the layers but routers and the mixing of
    residual streams (QLoRA, arXiv 2305.14314)."""

    @property
    def words(self) -> str:
        """As typed."""
        return f"r={self.rank},target={self.target}"


def parse_lora(text: str) -> Lora:
    """`r=16,target=attention|all`. Raises InputError."""
    hint = "type `--lora r=16,target=attention` or `--lora r=16,target=all`"
    found: dict[str, str] = {}
    for part in re.split(r"[,\s]+", text.strip()):
        key, equals, value = part.partition("=")
        if not equals or key not in {"r", "rank", "target"}:
            raise InputError(f"`--lora {text}`: `{part}` is neither `r=` nor `target=`", hint=hint)
        name = "r" if key == "rank" else key
        if name in found:
            raise InputError(f"`--lora {text}`: `{name}=` stands twice", hint=hint)
        found[name] = value
    rank = found.get("r", "")
    if rank.isdecimal() and int(rank) > MOST_RANK:
        raise InputError(f"`--lora {text}`: the rank {rank} is more than {MOST_RANK:,}", hint=hint)
    if not rank.isdecimal() or not int(rank):
        raise InputError(f"`--lora {text}`: the rank is {rank or 'missing'}", hint=hint)
    target = found.get("target", "attention")
    if target not in {"attention", "all"}:
        raise InputError(f"`--lora {text}`: unknown target `{target}`", hint=hint)
    return Lora(rank=int(rank), target="all" if target == "all" else "attention")
