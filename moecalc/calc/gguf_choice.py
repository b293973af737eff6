"""`llama-quantize`'s choice of a type for each tensor, from the rules in specs/gguf_mixtures.py."""

from collections.abc import Iterable, Sequence

import msgspec

from moecalc.specs.gguf_mixtures import (
    EMBEDDING,
    FALLBACKS,
    LOWEST,
    OUTPUT_LOWEST,
    OUTPUT_TYPE,
    OUTPUT_TYPE_LOWEST,
    PLAIN,
    QKV_BEFORE,
    RULES,
    RULES_LOWEST,
    Category,
    Mixture,
    Rule,
)
from moecalc.specs.gguf_types import BY_NAME


class GgufTensor(msgspec.Struct, frozen=True):
    """A tensor that is quantized: its name without layer and `.weight`, its layer, and what its type depends on."""

    name: str
    columns: int
    layer: int | None = None
    matrices: int = 1
    """The third dimension: experts, or heads of a projection of latent attention."""

    @property
    def stored_name(self) -> str:
        """As it stands in a file."""
        return f"{self.name}.weight" if self.layer is None else f"blk.{self.layer}.{self.name}.weight"


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules ask of a model."""

    layers: int
    gqa: int
    """Query heads per head of keys and values, rounded down; latent attention has one head of keys."""
    experts: int = 0
    falcon: bool = False
    seventy: bool = False
    """Whether llama.cpp takes it for a 70B (80 layers and grouped queries), which spends more on attn_v."""
    before_2026_03: bool = False
    """Whether the file was made by the rules that held before attn_qkv and attn_kv_b followed attn_v."""


_CATEGORIES = (
    ("attn_qkv", Category.QKV),
    ("attn_kv_b", Category.KV_B),
    ("attn_v", Category.V),
    ("attn_k", Category.K),
    ("attn_q", Category.Q),
    ("attn_output", Category.ATTENTION_OUTPUT),
)
_FFN = (("ffn_up", Category.UP), ("ffn_gate", Category.GATE), ("ffn_down", Category.DOWN))
_AS_V = frozenset({Category.V, Category.QKV, Category.KV_B})


def category_of(name: str) -> Category:
    """What llama.cpp takes a tensor of that name (without layer and `.weight`) for."""
    if name == "output":
        return Category.OUTPUT
    if name in {"token_embd", "per_layer_token_embd"}:
        return Category.EMBEDDING
    exact = dict(_CATEGORIES).get(name)
    if exact is not None:
        return exact
    return next((category for start, category in _FFN if name.startswith(start)), Category.OTHER)


def choose(
    tensors: Iterable[GgufTensor], mixture: Mixture, traits: Traits, *, imatrix: bool = False
) -> list[tuple[GgufTensor, str]]:
    """Each tensor with its type, in the order in which llama-quantize meets them: by layer, then by name."""
    listed = sorted(tensors, key=lambda t: (-1 if t.layer is None else t.layer, t.stored_name))
    if mixture.name in PLAIN:
        return [(tensor, mixture.type) for tensor in listed]
    return [
        (tensor, fitting(tensor, type_))
        for tensor, type_ in _Chooser(listed, mixture, traits, imatrix).types()
    ]


def fitting(tensor: GgufTensor, type_: str) -> str:
    """The type, or what stands in for it where the tensor's rows are no whole blocks of it."""
    if tensor.columns % BY_NAME[type_].block == 0:
        return type_
    instead = FALLBACKS.get(type_, "F16")
    return instead if tensor.columns % BY_NAME[instead].block == 0 else "F16"


class _Chooser:
    """Rules that count the tensors of a category as they come need the whole list, in order."""

    def __init__(self, listed: Sequence[GgufTensor], mixture: Mixture, traits: Traits, imatrix: bool) -> None:
        self._listed = [(tensor, category_of(tensor.name)) for tensor in listed]
        self._mixture = mixture
        self._traits = traits
        self._imatrix = imatrix
        self._tied = all(category is not Category.OUTPUT for _, category in self._listed)
        self._values = sum(category in _AS_V for _, category in self._listed)
        self._seen: dict[Category, int] = {}

    def types(self) -> Iterable[tuple[GgufTensor, str]]:
        for tensor, category in self._listed:
            yield tensor, self._type(tensor, category)

    def _type(self, tensor: GgufTensor, category: Category) -> str:
        name = self._mixture.name
        if category is Category.OUTPUT or (self._tied and category is Category.EMBEDDING):
            return self._output(tensor)
        if name == "MXFP4_MOE":
            return "MXFP4" if tensor.matrices > 1 else "Q8_0"
        if category is Category.EMBEDDING:
            return self._first(EMBEDDING, 0, 1)
        return self._lowest(category) if name in LOWEST else self._usual(tensor, category)

    def _output(self, tensor: GgufTensor) -> str:
        name, type_ = self._mixture.name, self._mixture.type
        whole = tensor.columns % BY_NAME[type_].block == 0
        if name in {"MXFP4_MOE", "Q8_0"} or self._traits.falcon or not whole:
            return "Q8_0"
        return OUTPUT_TYPE_LOWEST if name in OUTPUT_LOWEST else OUTPUT_TYPE

    def _lowest(self, category: Category) -> str:
        kind = Category.V if category in _AS_V else category
        count = self._values if kind is Category.V else self._traits.layers
        return self._first(RULES_LOWEST.get(kind, ()), self._next(kind), count)

    def _usual(self, tensor: GgufTensor, category: Category) -> str:
        traits = self._traits
        if traits.before_2026_03 and category in {Category.QKV, Category.KV_B}:
            self._next(Category.V)
            return self._first(QKV_BEFORE if category is Category.QKV else (), 0, 1)
        if category in _AS_V:
            type_ = self._first(RULES[Category.V], self._next(Category.V), self._values)
            if traits.seventy and type_ in {"Q3_K", "Q4_K"}:
                type_ = "Q5_K"
            return "Q8_0" if traits.experts == 8 else type_
        if category is Category.K and traits.experts == 8:
            return "Q8_0"
        index = self._next(category)
        if traits.experts > 1 and tensor.layer is not None:
            index = tensor.layer
        return self._first(RULES.get(category, ()), index, traits.layers)

    def _next(self, category: Category) -> int:
        index = self._seen.get(category, 0)
        self._seen[category] = index + 1
        return index

    def _first(self, rules: Iterable[Rule], index: int, count: int) -> str:
        return next((rule.type for rule in rules if self._holds(rule, index, count)), self._mixture.type)

    def _holds(self, rule: Rule, index: int, count: int) -> bool:
        if self._mixture.name not in rule.mixtures:  # of most rules, for each tensor
            return False
        traits = self._traits
        asked = (
            (rule.gqa, traits.gqa >= 4),
            (rule.eight, traits.experts == 8),
            (rule.experts, traits.experts >= 4),
            (rule.falcon, traits.falcon),
            (rule.imatrix, self._imatrix),
        )
        return all(wanted is None or wanted == is_so for wanted, is_so in asked) and rule.layers.holds(
            index, count
        )
