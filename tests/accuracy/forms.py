"""What is fitted: a phase by a class of engines, and for each the forms among which the data choose.

A step of a sequence is the same computation at batch 1 and at 32, on one device and on ranks of eight: so one fit spans
the regimes of a phase, and terms tell them apart. A form has every term that its phase can have; coefficients are
positive, and become small where a term says nothing.
"""

from dataclasses import dataclass

from moecalc.specs.expectations import EngineClass, Hardware, Phase, Term

Slot = tuple[Term, tuple[Hardware, ...]]
Form = tuple[Slot, ...]

GDDR: tuple[Hardware, ...] = ("gddr",)
HBM: tuple[Hardware, ...] = ("hbm",)
METAL: tuple[Hardware, ...] = ("metal",)
CUDA = (*GDDR, *HBM)


@dataclass(frozen=True)
class Cell:
    """A phase by a class of engines: where its measurements are, and the forms that are tried on them."""

    phase: Phase
    engine_class: EngineClass
    regimes: tuple[str, ...]
    metrics: tuple[str, ...]
    forms: tuple[Form, ...]
    chooses_overlap: bool = False
    """Whether tokens of a batch choose experts, so that the overlap is one of the choices."""


def form(*slots: "Term | Slot") -> Form:
    """A form of terms, each of all hardware unless it says of which."""
    return tuple((slot, ()) if isinstance(slot, str) else slot for slot in slots)


def each(term: Term, *classes: tuple[Hardware, ...]) -> Form:
    """A term with a coefficient of its own on each of the classes of hardware."""
    return tuple((term, hardware) for hardware in classes)


def _ggml(latency: Term) -> Form:
    return form(
        *each("weights", GDDR, HBM, METAL),
        *each("state", CUDA, METAL),
        *each(latency, CUDA, METAL),
        *each("arithmetic", CUDA, METAL),
    )


DECODED = ("decode-per-user", "decode", "tpot")
PREFILLED = ("prefill", "ttft")
LOADED = ("ttft",)

CELLS = (
    Cell(
        "decode",
        "llama.cpp",
        ("decode-b1-single", "decode-b1-layer-split", "decode-static-batch"),
        DECODED,
        (_ggml("operations"), _ggml("layers")),
        chooses_overlap=True,
    ),
    Cell(
        "decode",
        "serving",
        ("decode-b1-single", "decode-b1-tp", "decode-static-batch", "served"),
        DECODED,
        (
            form(
                "weights",
                "state",
                "operations",
                "exchanges",
                "dispatches",
                "prompts",
                "passes",
                "sequences",
                "scheduling",
            ),
        ),
        chooses_overlap=True,
    ),
    Cell(
        "decode",
        "any",
        ("decode-b1-single",),
        DECODED,
        (_ggml("operations"), _ggml("layers")),
    ),
    Cell(
        "prefill",
        "llama.cpp",
        ("prefill-b1-single", "prefill-static-batch"),
        PREFILLED,
        (
            form(
                *each("arithmetic", GDDR, HBM, METAL),
                *each("streams", CUDA),
                "weights",
                "state",
                "operations",
            ),
        ),
    ),
    Cell(
        "prefill",
        "serving",
        ("prefill-b1-single", "prefill-b1-tp", "prefill-static-batch"),
        PREFILLED,
        (form("compute", "streams", "weights", "operations", "exchanges"),),
    ),
    Cell(
        "loaded",
        "serving",
        ("served",),
        LOADED,
        (form("compute", "queue", "room", "step", "operations", "exchanges", "scheduling"),),
    ),
)
