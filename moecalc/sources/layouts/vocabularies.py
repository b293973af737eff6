"""Words that stand together: of one kind of module a layer has the names of one code, never of two.

Read from the modules of transformers 5.23, of all types that have a family here. A name that is in none of these
sets is left alone.
"""

from collections.abc import Iterable

_QKV = ("q_proj", "k_proj", "v_proj", "qkv_proj")
_GATED = ("gate_proj", "up_proj", "down_proj", "gate_up_proj", "linear_gate")

_FEED_FORWARD = (
    _GATED,
    ("fc1", "fc2"),
    ("c_fc", "c_proj"),
    ("fc_in", "fc_out"),
    ("dense_h_to_4h", "dense_4h_to_h"),
    ("w1", "w2", "w3"),
    ("w1", "w2", "c_proj"),  # Qwen 1
    ("input_linear", "output_linear"),
)

_WORDS: dict[str, tuple[frozenset[str], ...]] = {
    "ffn": tuple(map(frozenset, _FEED_FORWARD)),
    "routed": tuple(map(frozenset, _FEED_FORWARD)),
    "shared": tuple(map(frozenset, _FEED_FORWARD)),
    "attention": tuple(
        frozenset(words)
        for words in (
            (*_QKV, "W_pack", "o_proj"),
            (*_QKV, "out_proj"),
            (*_QKV, "dense"),
            ("query_key_value", "dense"),
            ("c_attn", "c_proj"),
            ("wq", "wk", "wv", "wo"),
        )
    ),
}
"""By the group of a role."""

_NORMS = tuple(
    frozenset(names)
    for names in (
        ("input_layernorm",),
        ("input_layernorm", "post_attention_layernorm"),
        ("input_layernorm", "pre_feedforward_layernorm"),
        ("input_layernorm", "pre_ff_layernorm"),
        ("post_attention_layernorm", "post_feedforward_layernorm"),
        (
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
        ),
        ("input_layernorm", "post_attention_layernorm", "pre_mlp_layernorm", "post_mlp_layernorm"),
        ("input_layernorm", "post_self_attn_layernorm", "post_attention_layernorm", "post_mlp_layernorm"),
        ("input_layernorm", "post_attention_layernorm", "post_mlp_layernorm"),
        ("input_layernorm", "post_attention_layernorm", "post_attn_norm", "post_ffn_norm"),
        ("input_layernorm", "post_attention_layernorm", "post_norm1", "post_norm2"),
        ("self_attn_layer_norm", "final_layer_norm"),
        ("attention_layernorm", "feedforward_layernorm"),
        ("attention_layer_norm", "feedforward_layer_norm"),
        ("post_feedforward_layernorm", "feedforward_layer_norm"),
        ("operator_norm", "ffn_norm"),
        ("operator_norm", "ffn_norm", "post_operator_norm", "post_ffn_norm"),
        ("temporal_pre_norm", "channel_pre_norm"),
        ("ln_1",),
        ("ln_1", "ln_2"),
        ("ln_attn", "ln_mlp"),
    )
)
"""Names of hidden-size norms around the sublayers of one layer."""

KNOWN_NORMS = frozenset().union(*_NORMS)
_KNOWN_WORDS = {group: frozenset().union(*sets) for group, sets in _WORDS.items()}


def norm_of(name: str) -> str | None:
    """The norm that a name relative to its layer is of; None for whatever is none of those in the sets."""
    module = name.rpartition(".")[0]
    return module if module in KNOWN_NORMS else None


def word_of(name: str, group: str) -> str | None:
    """The word of a name that one set or the other has for a group of roles."""
    known = _KNOWN_WORDS.get(group, frozenset())
    return next((word for word in name.split(".") if word in known), None)


def norms_beside(names: Iterable[str], count: int, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """The norms of the code that is likeliest to have these; `count` is how many a layer should have.

    `known` are those that the code may have, where it is told: no set of another comes first then.
    """
    own = frozenset(names)
    sets = [norms for norms in _NORMS if norms <= known] or list(_NORMS)
    sized = [norms for norms in sets if len(norms) == count and (norms & own or not own)]
    return _likeliest(own, sized or sets)


def words_beside(words: Iterable[str], group: str) -> frozenset[str]:
    """The words of the code that is likeliest to have these."""
    return _likeliest(frozenset(words), _WORDS[group])


def _likeliest(own: frozenset[str], sets: Iterable[frozenset[str]]) -> frozenset[str]:
    """The set with most of them, of equals the one with least beside."""
    return max(sets, key=lambda known: (len(known & own), -len(known - own)))
