"""The numbers of a forward pass that no shape tells: activations, rotary base, epsilons, the router's scores.

They cost no time worth telling and the ledger has no word for them, so a profile takes the defaults. They are
parameters because a test that copies somebody's weights has to use somebody's numbers.
"""

from typing import Literal

import msgspec

Activation = Literal["silu", "gelu", "relu_squared", "clamped_swiglu", "softcapped_swiglu"]


class Numerics(msgspec.Struct, frozen=True, kw_only=True):
    """How the elementwise parts compute."""

    activation: Activation = "silu"
    """`clamped_swiglu` is gpt-oss's: g sigmoid(1.702 g) (u + 1), g at most 7 and u within 7 of 0 (its model card's
    reference code, `swiglu`). `softcapped_swiglu` is Inkling 2's: g capped at 4 times sigmoid(g) times u capped at 25,
    where c caps s as c tanh(s / c). A feed-forward without a gate takes both as `gelu`."""
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
    longest: float = 512.0**0.5
    """Length that queries and keys are cut to, where queries have a learned scale (Inkling 2)."""
    longest_relative: float = 8.0
    """The same of what distances are weighed by."""
    growing_queries: tuple[float, float] = (128_000.0, 0.1)
    """(position n, rate a) by which these grow beyond n as 1 + a ln(position / n), in attention without a window."""
    scaled_convolutions: bool = False
    """What a convolution is added to is divided by the square root of as many terms (Inkling 2)."""
    sequence_end: int = 0
    """The token that ends a sequence: n-grams do not reach behind it."""
    softcap: float = 50.0
    """c in c x tanh(s / c), of attention that caps its scores: Gemma 2's (arXiv 2408.00118, section 2)."""
