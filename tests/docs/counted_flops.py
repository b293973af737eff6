"""docs/counted-flops.md: what transformers executes beyond the mathematics, type by type, from the oracle's cases."""

from fractions import Fraction

from moecalc.calc.flop_shares import component_of
from moecalc.calc.flops import counted_rows, step_flops
from moecalc.ir.numeric import Number
from moecalc.ir.rows import Ledger
from moecalc.ir.step import Choices, Form, Logits, Pairs, Step
from moecalc.render.markdown import markdown_table
from moecalc.sources.hf_config import read_config
from moecalc.units import format_int
from tests.console import ROOT
from tests.oracle.cases import MODULES
from tests.oracle.test_towers import MODULES as MODULES_WITH_TOWERS

PAGE = ROOT / "docs" / "counted-flops.md"

STEPS = {"prompt 64": Step.prefill(64), "prompt 128": Step.prefill(128), "decode, 97 keys": Step.decode(97)}

EXECUTED = Choices(Pairs.FULL, Logits.ALL, frozenset({Form.NAIVE, Form.COUNTED}))

HEAD = """\
# What the reference executes beyond the mathematics

transformers computes most model types with as many matmuls as the mathematics has, and there moecalc's `full`
convention equals torch's `FlopCounterMode` to the unit. These types it does not: without their kernels they run in
plain torch, which pads, loops, or computes what is thrown away afterwards; and what plain torch multiplies elementwise,
the counter does not see, so that it also counts too little. The tests hold moecalc's rows of the form `counted` to the
counter, to the unit; no figure of moecalc's contains the surplus unless it is asked for by name, with
`--form counted` or `form="counted"`, and then it says so.

FLOPs on the oracle's tiny configs (`tests/oracle/families/`), where padding weighs more than on a released model.
*Needed* is the convention `full` (all pairs, all logits, naive latent attention, matmuls and convolutions; recurrences
by chunk for a prompt, elementwise and so 0 for a token). *Counted* is what the reference executes. Written by
`python -m tests.regenerate`.
"""


TOWERS = """\
## Towers

FLOPs of vision and audio towers equal the counter too, in the reference's own `get_image_features` and
`get_audio_features` on tiny configs (`tests/oracle/test_tower_flops.py`), for every whole but these, where the tests
itemise what the reference executes beyond that. A tower runs whole: all its layers, its pooling head and its
projectors, whatever the language model reads of them. Gemma 3n's towers are not modelled, and a warning says so.
"""


def tower_types() -> list[str]:
    """The wholes in whose towers the reference executes something else than the mathematics."""
    return sorted(name for name, module in MODULES_WITH_TOWERS.items() if hasattr(module, "COUNTED"))


def counted_types() -> list[str]:
    """The model types whose reference executes something else than the mathematics."""
    return sorted(name for name, module in MODULES.items() if hasattr(module, "COUNTED"))


def page() -> str:
    """The whole document."""
    reasons = [["type", "what the reference does"]]
    figures = [["type", "step", "needed", "counted", "ratio", "counted - needed, by component"]]
    for name in counted_types():
        reasons.append([f"`{name}`", MODULES[name].COUNTED])
        ledger = read_config(MODULES[name].TINY).architecture.lower_to_ledger()
        figures += [[f"`{name}`", label, *_figures(ledger, step)] for label, step in STEPS.items()]
    # The renderer sets all columns but the first to the right; words read better to the left.
    left = [markdown_table(rows).replace(" ---: |\n", " --- |\n", 1) for rows in (reasons, figures)]
    beyond = [["type", "what the reference does"]]
    beyond += [[f"`{name}`", MODULES_WITH_TOWERS[name].COUNTED] for name in tower_types()]
    towers = markdown_table(beyond).replace(" ---: |\n", " --- |\n", 1)
    return "\n".join([HEAD, *left[:1], "", *left[1:], "", TOWERS, towers, ""])


def _figures(ledger: Ledger, step: Step) -> list[str]:
    needed, executed = step_flops(ledger, step, "full"), sum(_executed(ledger, step).values())
    return [
        format_int(needed),
        format_int(executed),
        f"{float(Fraction(executed) / Fraction(needed)):.4f}",
        _surplus(ledger, step) or "none",
    ]


def _executed(ledger: Ledger, step: Step) -> dict[str, Number]:
    return _by_component(ledger, step, EXECUTED)


def _surplus(ledger: Ledger, step: Step) -> str:
    form = Form.STEP if step.past else Form.CHUNK
    needed = _by_component(
        ledger, step, Choices(EXECUTED.pairs, EXECUTED.logits, frozenset({Form.NAIVE, form}))
    )
    executed = _executed(ledger, step)
    names = dict.fromkeys([*needed, *executed])
    changes = {name: executed.get(name, 0) - needed.get(name, 0) for name in names}
    return ", ".join(
        f"{name} {'+' if change > 0 else ''}{format_int(change)}"
        for name, change in changes.items()
        if change
    )


def _by_component(ledger: Ledger, step: Step, choices: Choices) -> dict[str, Number]:
    found: dict[str, Number] = {}
    for op in counted_rows(ledger, "full"):
        name = component_of(op.role)
        found[name] = found.get(name, 0) + op.flops(step, choices)
    return found
