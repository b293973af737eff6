"""Experts in RAM by ktransformers, inside SGLang: how many of each layer stay on the GPUs.

`--kt-num-gpu-experts N` keeps N routed experts of every layer on the GPUs, all else but the other experts with them,
split by tensor parallelism; `--kt-method` names the format, which CPU and GPUs read from the same files. Long prompts
are computed on the GPUs layer by layer, for which one layer's experts need room beside. The host needs memory for the
whole model (kvcache-ai/ktransformers@95009ea, kt-kernel/README.md, `KT-Kernel Parameters`, and
doc/en/kt-kernel/Native-Precision-Tutorial.md; doc/en/DeepSeek-V4-Flash.md for MXFP4).
"""

from fractions import Fraction

import msgspec

from moecalc.calc.deploy.budget import Rank
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.specs.formats import Precision

METHODS = {
    "bf16": "BF16",
    "fp8-block128": "FP8",
    "fp8-channel": "FP8_PERCHANNEL",
    "mxfp4": "MXFP4",
}
"""Format of the routed experts -> `--kt-method`."""

SYMMETRIC_INT4 = "RAWINT4"
"""4-bit integers in groups without zero points, as Kimi K2 Thinking is released."""


class KtOffload(msgspec.Struct, frozen=True, kw_only=True):
    """How many experts of each layer stay on the GPUs, and what that takes."""

    method: str
    gpu_experts: int
    experts: int
    tensor: int
    gpu_bytes: Number
    """Of the fullest GPU, all of it."""
    ram_bytes: Number
    """The whole model, as the guide asks for."""

    @property
    def flags(self) -> tuple[str, ...]:
        """SGLang's options for it."""
        return (
            f"--tensor-parallel-size {self.tensor}",
            f"--kt-method {self.method}",
            f"--kt-num-gpu-experts {self.gpu_experts}",
        )


def method_of(ledger: Ledger, precision: Precision) -> str | None:
    """The `--kt-method` that reads the model's experts; None where none does, or there are no experts."""
    routed = [w for w in ledger.weights if w.pool is not None and len(w.shape) > 2]
    routed = [weight for weight in routed if weight.component is Component.LANGUAGE]
    formats = {format_.name for weight in routed for _, format_ in precision.parts(weight)}
    if len(formats) != 1:
        return None
    name = formats.pop()
    if name in METHODS:
        return METHODS[name]
    return SYMMETRIC_INT4 if name.startswith("w4a16") else None


def kt_offload(
    ledger: Ledger,
    precision: Precision,
    rank: Rank,
    tensor: int,
    whole_bytes: Number,
    ram_bytes: Number | None,
) -> KtOffload | None:
    """The most experts on the GPUs; None where no method reads them, not even the rest fits, or RAM is too small.

    `rank` holds the whole model under tensor parallelism alone: what it lacks must come from its experts.
    """
    method = method_of(ledger, precision)
    if method is None or (ram_bytes is not None and whole_bytes > ram_bytes):
        return None
    experts = min(int(weight.pool.experts) for weight in ledger.weights if weight.pool is not None)
    routed = dict(rank.by_group)["routed"]
    layers = len({i for w in ledger.weights if w.pool is not None for i in w.indices})
    spare = _each(routed, layers)
    left = rank.free_bytes + routed - spare  # without any expert but those of a layer in prefill
    if left < 0:
        return None
    count = min(experts, int(left * experts // routed))
    return KtOffload(
        method=method,
        gpu_experts=count,
        experts=experts,
        tensor=tensor,
        gpu_bytes=rank.total_bytes - routed + spare + _each(routed * count, experts),
        ram_bytes=whole_bytes,
    )


def _each(total: Number, parts: int) -> Number:
    share = Fraction(total) / parts
    return int(share) if share.denominator == 1 else share
