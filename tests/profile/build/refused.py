"""Model types of which the builder lacks a part, with the words by which it says so."""

REFUSED = {
    "inkling2_text": "`Stack` with `attention_residual`",
}
