"""The numbers of a forward pass that no shape tells: activations, rotary base, epsilons, the router's scores.

They cost no time worth telling and the ledger has no word for them, so a profile takes the defaults. They are
parameters because a test that copies somebody's weights has to use somebody's numbers.
"""

from typing import Literal

import msgspec

Activation = Literal["silu", "gelu", "relu_squared", "clamped_swiglu"]


class Numerics(msgspec.Struct, frozen=True, kw_only=True):
    """How the elementwise parts compute."""

    activation: Activation = "silu"
    """`clamped_swiglu` is gpt-oss's: g sigmoid(1.702 g) (u + 1), g at most 7 and u within 7 of 0 (its model card's
    reference code, `swiglu`); a feed-forward without a gate takes it as `gelu`."""
    norm_epsilon: float = 1e-6
    rope_theta: float = 10_000.0
    rotary: bool = True
    """False: positions turn nothing (Jamba, Zamba)."""
    rope_interleaved: bool = False
    """Pairs of neighbouring channels turn together (DeepSeek's MLA) instead of channel i with i + half."""
    compressed_rope: int = 64
    """Channels that turn in compressed attention, the last ones (DeepSeek-V4, arXiv 2606.19348, section 2.3.4)."""
    scores: Literal["softmax", "sigmoid"] = "softmax"
    """Of the router, before its choice."""
    normalise_weights: bool = True
    """The weights of a token's experts add up to 1."""
    routed_scale: float = 1.0
    """Factor on the weights of a token's experts."""
    attention_scale: float | None = None
    """Factor on the scores; None for 1 / sqrt(head_dim)."""
    scale_by_width: bool = False
    """Scores are divided by head_dim itself, where `attention_scale` does not say: heads are normed (Inkling)."""
    sequence_end: int = 0
    """The token that ends a sequence: n-grams do not reach behind it."""
    softcap: float = 50.0
    """c in c x tanh(s / c), of attention that caps its scores: Gemma 2's (arXiv 2408.00118, section 2)."""
