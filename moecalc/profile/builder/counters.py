"""FLOPs that torch executed, by its own FlopCounterMode and formulas for the ops of a network that it has none for.

torch's counter passes an op without a formula as 0 and says nothing. Of what a network runs that would be the grouped
matmul of the experts, fused attention on a CPU and the triangular solve of the delta rule. An op that multiplies
tensors and has no formula is named in `uncounted`, and a count that has one is no count. Compiled flex attention, which
the counter does not see, records its own.

What is counted is what kernels are asked for: fused attention by all its score positions, masked or not, as torch's
formulas for CUDA and for flex attention have it too, though flex attention skips blocks that are masked out whole.
`counted_choices` is the same choice for the calculator.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from moecalc.ir.step import Choices, Form, Logits, Pairs, Step
from moecalc.profile.builder.ran import recorded

aten = torch.ops.aten


class Counted(NamedTuple):
    """What one call executed."""

    flops: int
    """2 per multiply-accumulate."""
    by_op: dict[str, int]
    uncounted: tuple[str, ...]
    """Ops that multiply tensors and have no formula: where there is one, `flops` is too low."""
    kernels: tuple[str, ...] = ()
    """Of attention: each name once, and why none is fused where that was tried."""


def counted_choices(step: Step) -> Choices:
    """The choices under which the calculator counts what a network executes in that step.

    All score positions of the keys that are kept, logits of the last token, latent attention absorbed in a decode step
    and naive in a prompt, recurrences by step there and by chunk here.
    """
    decoding = step.new == 1 and step.past > 0
    forms = {Form.ABSORBED, Form.STEP} if decoding else {Form.NAIVE, Form.CHUNK}
    return Choices(Pairs.KEPT, Logits.LAST, frozenset(forms))


def count(run: Callable[[], object]) -> Counted:
    """Count what `run` executes."""
    watch = _Watch()
    # The counter stands above the watch, which so sees what composite ops are made of, and not these.
    with (
        recorded() as ran,
        torch.no_grad(),
        watch,
        FlopCounterMode(display=False, custom_mapping=_FORMULAS) as counter,
    ):
        run()
    by_op = {str(op): int(flops) for op, flops in counter.get_flop_counts().get("Global", {}).items()}
    flops = int(counter.get_total_flops()) + sum(ran.flops.values())
    return Counted(flops, by_op | ran.flops, tuple(sorted(watch.uncounted)), tuple(ran.kernels))


def _attention(q: Any, k: Any, v: Any, *_: Any, **__: Any) -> int:
    """Scores and mix over all positions; heads that share keys count each for itself."""
    batch, heads, new, width = q
    return int(2 * batch * heads * new * k[-2] * (width + v[-1]))


def _grouped(a: Any, b: Any, *_: Any, **__: Any) -> int:
    """Each of the rows meets one expert's matrix [in, out]."""
    return int(2 * prod(a) * b[-1])


def _int8(a: Any, b: Any, *_: Any, **__: Any) -> int:
    """Rows [rows, in] times a matrix [out, in]."""
    return int(2 * prod(a) * b[0])


def _solve(a: Any, b: Any, *_: Any, **__: Any) -> int:
    """A triangular system of n rows for each column: n^2 / 2 multiply-accumulates."""
    return int(prod(b) * a[-1])


_NAMED: dict[str, Callable[..., int]] = {
    "_grouped_mm": _grouped,
    "_weight_int8pack_mm": _int8,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "linalg_solve_triangular": _solve,
}
_FORMULAS: dict[Any, Callable[..., int]] = {
    getattr(aten, name): formula for name, formula in _NAMED.items() if hasattr(aten, name)
}
"""torch's own formulas for attention assert that queries and keys have as many heads."""

_PRODUCTS = (
    "mm",
    "matmul",
    "bmm",
    "conv",
    "attention",
    "linear",
    "einsum",
    "dot",
    "solve",
    "mv",
    "addmv",
    "baddbmm",
)
"""Words in the names of ops that multiply tensors."""


class _Watch(TorchDispatchMode):  # type: ignore[misc] # torch is not followed by the type checker
    """Names the products that no formula counts."""

    def __init__(self) -> None:
        super().__init__()
        self.uncounted: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = func._overloadpacket  # noqa: SLF001 - what torch's own counter goes by
        known = packet in _FORMULAS or packet in flop_registry
        words = str(packet).rpartition(".")[2].strip("_").split("_")
        if not known and any(word in _PRODUCTS for word in words):
            self.uncounted.add(str(packet))
        return func(*args, **(kwargs or {}))
