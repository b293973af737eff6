"""Which ggml type `llama-quantize` gives each tensor in each of its mixtures, as data.

Source: src/llama-quant.cpp of ggml-org/llama.cpp, `llama_tensor_get_type_impl`, `tensor_type_fallback` and
`llama_ftype_get_default_type`, read 2026-07 (the file of 007dbbf3fd17) and checked against its own snapshots. Facts
only: the first rule of a category that holds decides, and where none does the mixture's default type stays.
"""

from enum import Enum

import msgspec

from moecalc.errors import InputError, suggestion

SOURCE = "github:ggml-org/llama.cpp src/llama-quant.cpp, llama_tensor_get_type_impl (007dbbf3fd17, 2026-07)"


class Category(Enum):
    """What llama.cpp takes a tensor for, by its name."""

    OUTPUT = "output"
    EMBEDDING = "token_embd"
    QKV = "attn_qkv"
    KV_B = "attn_kv_b"
    V = "attn_v"
    K = "attn_k"
    Q = "attn_q"
    ATTENTION_OUTPUT = "attn_output"
    UP = "ffn_up"
    GATE = "ffn_gate"
    DOWN = "ffn_down"
    OTHER = "other"


class Layers(Enum):
    """Which of n layers a rule means; divisions are rounded down."""

    ALL = "all"
    FIRST_2 = "the first 2"
    FIRST_4 = "the first 4"
    EIGHTH = "the first n/8"
    SIXTEENTH = "the first n/16"
    MIDDLE = "from n/8 up to 7n/8"
    MORE_BITS = "the first n/8, those from 7n/8 on, every third between (`use_more_bits`)"

    def holds(self, index: int, count: int) -> bool:
        """Whether the layer of that index is meant."""
        eighth = count // 8
        return {
            Layers.ALL: True,
            Layers.FIRST_2: index < 2,
            Layers.FIRST_4: index < 4,
            Layers.EIGHTH: index < eighth,
            Layers.SIXTEENTH: index < count // 16,
            Layers.MIDDLE: eighth <= index < 7 * count // 8,
            Layers.MORE_BITS: index < eighth or index >= 7 * count // 8 or (index - eighth) % 3 == 2,
        }[self]


class Rule(msgspec.Struct, frozen=True):
    """`type` for tensors of a category in some mixtures, under conditions; None means "whatever it is"."""

    mixtures: frozenset[str]
    type: str
    layers: Layers = Layers.ALL
    gqa: bool | None = None
    """Whether at least 4 query heads share one of keys and values."""
    eight: bool | None = None
    """Whether there are exactly 8 experts (Mixtral)."""
    experts: bool | None = None
    """Whether there are at least 4 experts."""
    falcon: bool | None = None
    imatrix: bool | None = None


class Mixture(msgspec.Struct, frozen=True):
    """One of `llama-quantize`'s types of file."""

    name: str
    type: str
    """Of every tensor that no rule speaks of."""
    imatrix: bool = False
    """Whether it cannot be made without an importance matrix."""


MIXTURES = {
    mixture.name: mixture
    for mixture in (
        Mixture("F32", "F32"),
        Mixture("F16", "F16"),
        Mixture("BF16", "BF16"),
        *(
            Mixture(name, name)
            for name in ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q6_K", "IQ4_NL", "IQ4_XS")
        ),
        Mixture("Q2_K", "Q2_K"),
        Mixture("Q2_K_S", "Q2_K", imatrix=True),
        *(Mixture(f"Q{bits}_K_{size}", f"Q{bits}_K") for bits in (3, 4, 5) for size in ("S", "M")),
        Mixture("Q3_K_L", "Q3_K"),
        Mixture("IQ1_S", "IQ1_S", imatrix=True),
        Mixture("IQ1_M", "IQ1_M", imatrix=True),
        Mixture("IQ2_XXS", "IQ2_XXS", imatrix=True),
        Mixture("IQ2_XS", "IQ2_XS", imatrix=True),
        Mixture("IQ2_S", "IQ2_XS", imatrix=True),
        Mixture("IQ2_M", "IQ2_S", imatrix=True),
        Mixture("IQ3_XXS", "IQ3_XXS", imatrix=True),
        Mixture("IQ3_XS", "IQ3_S", imatrix=True),
        Mixture("IQ3_S", "IQ3_S"),
        Mixture("IQ3_M", "IQ3_S"),
        Mixture("TQ1_0", "TQ1_0"),
        Mixture("TQ2_0", "TQ2_0"),
        Mixture("MXFP4_MOE", "MXFP4"),
    )
}

ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "MXFP4-MOE": "MXFP4_MOE"}
"""As llama-quantize takes them (tools/quantize/quantize.cpp)."""

PLAIN = frozenset({"F32", "F16", "BF16"})
"""Mixtures without quantization, to which no rule applies."""


def _rule(mixtures: str, type_: str, layers: Layers = Layers.ALL, **conditions: bool) -> Rule:
    return Rule(frozenset(mixtures.split()), type_, layers, **conditions)


LOWEST = frozenset(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"))
"""Mixtures whose rules are a chapter of their own."""

OUTPUT_TYPE, OUTPUT_TYPE_LOWEST = "Q6_K", "Q5_K"
OUTPUT_LOWEST = LOWEST | {"IQ3_XXS"}

EMBEDDING = (
    _rule("IQ1_S IQ1_M IQ2_XXS IQ2_XS", "Q2_K"),
    _rule("IQ2_S IQ2_M IQ3_XXS", "IQ3_S"),
    _rule("TQ1_0 TQ2_0", "Q4_K"),
)
"""Of an embedding that is not the head as well."""

_SMALL, _LARGER = "IQ1_S IQ1_M IQ2_XXS IQ2_XS", "IQ2_S IQ2_M"

RULES_LOWEST: dict[Category, tuple[Rule, ...]] = {
    Category.V: (
        _rule(f"{_SMALL} {_LARGER}", "Q4_K", gqa=True),
        _rule(f"{_SMALL} {_LARGER}", "Q4_K", experts=True),
        _rule(_LARGER, "IQ3_S"),
        _rule(_SMALL, "Q2_K"),
    ),
    Category.K: (_rule(f"{_SMALL} {_LARGER}", "Q4_K", eight=True),),
    Category.DOWN: (_rule(_LARGER, "IQ3_S", Layers.EIGHTH), _rule(_SMALL, "Q2_K", Layers.EIGHTH)),
    Category.ATTENTION_OUTPUT: (
        _rule(f"{_SMALL} {_LARGER}", "Q5_K", eight=True),
        _rule("IQ1_S IQ1_M", "IQ2_XXS"),
        _rule(_LARGER, "IQ3_S"),
    ),
}

RULES: dict[Category, tuple[Rule, ...]] = {
    Category.V: (
        _rule("Q2_K", "Q4_K", gqa=True),
        _rule("Q2_K", "Q3_K"),
        _rule("Q2_K_S", "Q4_K", gqa=True),
        _rule("IQ3_XXS", "Q4_K", gqa=True),
        _rule("IQ3_XXS", "IQ3_S", imatrix=False),
        _rule("IQ3_XS IQ3_S", "Q4_K", gqa=True),
        _rule("IQ3_M", "Q4_K"),
        _rule("Q3_K_M", "Q5_K", Layers.FIRST_2),
        _rule("Q3_K_M", "Q4_K"),
        _rule("Q3_K_L", "Q5_K"),
        _rule("IQ4_NL IQ4_XS", "Q5_K", gqa=True),
        _rule("Q4_K_M Q5_K_M", "Q6_K", Layers.MORE_BITS),
        _rule("Q4_K_S", "Q5_K", Layers.FIRST_4),
    ),
    Category.K: (_rule("IQ3_XS", "IQ3_XXS"), _rule("IQ3_XXS", "IQ2_S")),
    Category.Q: (_rule("IQ3_XS", "IQ3_XXS"), _rule("IQ3_XXS", "IQ2_S")),
    Category.DOWN: (
        _rule("Q2_K", "Q3_K"),
        _rule("Q2_K_S", "Q4_K", Layers.EIGHTH),
        _rule("IQ3_XXS", "Q4_K", Layers.EIGHTH, imatrix=False),
        _rule("IQ3_XXS", "Q3_K", imatrix=False),
        _rule("Q3_K_M", "Q5_K", Layers.SIXTEENTH),
        _rule("Q3_K_M", "Q4_K", falcon=False),
        _rule("Q3_K_M", "Q4_K", Layers.MORE_BITS),
        _rule("IQ3_M", "Q4_K", Layers.EIGHTH),
        _rule("IQ3_M", "Q4_K", Layers.MORE_BITS, eight=True),
        _rule("Q3_K_L", "Q4_K", falcon=True),
        _rule("Q3_K_L", "Q5_K"),
        _rule("Q4_K_M", "Q6_K", Layers.SIXTEENTH, falcon=True),
        _rule("Q4_K_M", "Q5_K", Layers.MORE_BITS, falcon=True),
        _rule("Q4_K_M", "Q6_K", Layers.MORE_BITS, falcon=False),
        _rule("IQ4_NL IQ4_XS", "Q5_K", Layers.EIGHTH, imatrix=False),
        _rule("Q5_K_M", "Q6_K", Layers.MORE_BITS),
        _rule("Q4_K_S", "Q5_K", Layers.EIGHTH, falcon=False),
        _rule("Q4_0", "Q4_1", Layers.EIGHTH, imatrix=True),
        _rule("Q5_0", "Q5_1", Layers.EIGHTH, imatrix=True),
    ),
    Category.ATTENTION_OUTPUT: (
        _rule("Q3_K_L", "Q4_K", falcon=True),
        _rule(
            "Q2_K IQ3_XS IQ3_XXS Q3_K_S Q3_K_M IQ4_NL Q4_K_S Q4_K_M IQ3_S IQ3_M IQ4_XS",
            "Q5_K",
            eight=True,
            falcon=False,
        ),
        _rule("Q2_K", "Q3_K", eight=False, falcon=False),
        _rule("IQ3_XXS", "IQ3_S", eight=False, falcon=False),
        _rule("Q3_K_M IQ3_M", "Q4_K", eight=False, falcon=False),
        _rule("Q3_K_L", "Q5_K", eight=False, falcon=False),
    ),
    Category.GATE: (_rule("IQ3_XS", "IQ3_XXS", Layers.MIDDLE),),
    Category.UP: (_rule("IQ3_XS", "IQ3_XXS", Layers.MIDDLE),),
}

QKV_BEFORE = (
    _rule("Q3_K_M Q3_K_L IQ3_M", "Q4_K"),
    _rule("Q4_K_M", "Q5_K"),
    _rule("Q5_K_M", "Q6_K"),
)
"""Of a fused attn_qkv before 2026-03, when it came to follow attn_v; attn_kv_b then had no rule at all."""

FALLBACKS = {
    **dict.fromkeys(("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_XS"), "IQ4_NL"),
    **dict.fromkeys(("Q2_K", "Q3_K", "TQ1_0", "TQ2_0"), "Q4_0"),
    "Q4_K": "Q5_0",
    "Q5_K": "Q5_1",
    "Q6_K": "Q8_0",
}
"""What a tensor gets whose rows are no whole blocks of its type; F16 where they are none of this one either."""

SUFFIX = "-IMATRIX"
"""Behind a mixture's name: made with an importance matrix, as most published files are."""


def find_mixture(name: str) -> tuple[Mixture, bool] | None:
    """(mixture, whether an importance matrix is used) of a name, in any case; None where it names none."""
    key = name.strip().upper()
    plain = key.removesuffix(SUFFIX)
    mixture = MIXTURES.get(ALIASES.get(plain, plain))
    return None if mixture is None else (mixture, mixture.imatrix or plain != key)


def mixture(name: str) -> tuple[Mixture, bool]:
    """As `find_mixture`; raises InputError with the nearest names."""
    found = find_mixture(name)
    if found is None:
        raise InputError(
            f"llama-quantize makes no `{name}`",
            hint=suggestion(name, MIXTURES) or f"it makes {', '.join(MIXTURES)}",
        )
    return found
