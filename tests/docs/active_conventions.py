"""docs/active-conventions.md: whose "active" counts what, from every claim of the catalogue about a mixture."""

from collections import Counter

from moecalc.api.claiming import catalogue
from moecalc.api.loading import load
from moecalc.calc.parameters import ACTIVE_CONVENTIONS
from moecalc.render.markdown import markdown_table
from moecalc.units import format_parameters
from tests.console import ROOT

PAGE = ROOT / "docs" / "active-conventions.md"

HEAD = """\
# Whose "active" counts what

Every published count of a mixture of experts in the catalogue, beside what its shapes give under each convention, and
the convention that reproduces the printed figure. *rounded down* means cut, not rounded, and *to 2 digits* that a
trailing zero is not significant; a dash means that no convention gives the figure (`moecalc show MODEL` says what is
known of the cause); *also* names the other conventions that round to a short figure. `moecalc claim` judges any other
sentence in the same way. Written by `python -m tests.regenerate`.

| convention | of active parameters, expected per token |
|---|---|
| all | every always-on weight, both embeddings, and top_k/experts of the routed weights |
| no input embedding | without the input embedding, whose look-up costs no FLOPs; where the head is tied it is *all* |
| no embeddings | without input embedding, learned positions and an untied head |
| with MTP | *all*, and what a token uses of the multi-token-prediction modules |
| shared only | what every token uses, without any routed expert |

Totals are those of the language model; *with towers* adds vision and audio towers, *with MTP* the unique weights of
prediction modules, and *as stored* is what the checkpoint has: copies of shared tensors and block scales too.
"""


def page() -> str:
    """The whole document."""
    claims = [one for one in catalogue() if one.is_sparse]
    actives = [one for one in claims if one.verdict.what == "active"]
    totals = [one for one in claims if one.verdict.what == "total"]
    models = {one.model for one in actives}
    return "\n".join(
        [
            HEAD,
            "## Active\n",
            f"{len(actives)} figures of {len(models)} models. Reproduced by: {_counted(actives)}.\n",
            markdown_table(
                [["model", "printed", "by", "all", "no input embedding", "no embeddings", "counts"]]
                + [_active_row(one) for one in actives]
            ),
            "",
            "## Totals of the same models\n",
            f"{len(totals)} figures. Reproduced by: {_counted(totals)}.\n",
            markdown_table(
                [["model", "printed", "by", "language model", "counts"]] + [_total_row(one) for one in totals]
            ),
            "",
        ]
    )


def _counted(claims):
    """`all 31, no input embedding 18, nothing 4`: conventions by how often they reproduce a figure, rounding aside."""
    found = Counter(
        (one.reproduced or "nothing").partition(", rounded")[0].partition(", to ")[0] for one in claims
    )
    return ", ".join(f"{name} {count}" for name, count in found.most_common())


def _active_row(one):
    params = load(one.model).params
    counts = [format_parameters(params.active(name)) for name in ACTIVE_CONVENTIONS]
    return [_name(one), one.verdict.claim.figure, one.verdict.claim.by, *counts, _counts(one)]


def _total_row(one):
    total = format_parameters(load(one.model).params.total)
    return [_name(one), one.verdict.claim.figure, one.verdict.claim.by, total, _counts(one)]


def _counts(one):
    also = f" (also {' and '.join(one.also)})" if one.also else ""
    return f"{one.reproduced or '-'}{also}"


def _name(one):
    return f"`{one.model}`"
