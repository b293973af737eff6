"""Arguments and options that several commands share."""

from fractions import Fraction
from typing import Annotated, Literal

import typer

from moecalc.cli.values import memory_share


def complete_model(incomplete: str) -> list[str]:
    """Catalogue names for tab completion: file names only, nothing is parsed."""
    from moecalc.sources import catalog

    return [name for name in catalog.files() if name.startswith(incomplete)]


def complete_gpu(incomplete: str) -> list[str]:
    """Accelerator names for tab completion: file names only, nothing is parsed."""
    from moecalc.specs.hardware import accelerator_names

    return [name for name in accelerator_names() if name.startswith(incomplete)]


def complete_quant(incomplete: str) -> list[str]:
    """Recipes and GGUF mixtures for tab completion: file names only, nothing is parsed."""
    from moecalc.api.precision import quant_names

    return [name for name in quant_names() if name.startswith(incomplete)]


def complete_kv(incomplete: str) -> list[str]:
    """Formats of a KV cache for tab completion."""
    from moecalc.specs.kv_formats import kv_names

    return [name for name in kv_names() if name.startswith(incomplete)]


ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="A catalogue name, path, hub id or two numbers.", autocompletion=complete_model
    ),
]
ModelsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="A B [C ...]",
        help="Two or more models; ratios refer to the first.",
        autocompletion=complete_model,
    ),
]
ContextOption = Annotated[
    str | None,
    typer.Option(
        "--context",
        help="Keys a decoded token sees, e.g. 32k (k = 1,024). Default: 4k, or the trained length if shorter.",
    ),
]
PromptOption = Annotated[
    str | None, typer.Option("--prompt", help="Prompt length for prefill. Default: the context.")
]
BatchOption = Annotated[int, typer.Option("--batch", help="Sequences held at once.")]
ConventionOption = Annotated[
    str,
    typer.Option(
        "--convention",
        help="How FLOPs are counted: causal (what engines run), full (every score position, all logits) or useful "
        "(for MFU: causal pairs, all logits).",
    ),
]
PastOption = Annotated[
    str, typer.Option("--past", help="Tokens cached when the prompt comes (chunked prefill, shared prefix).")
]
PairsOption = Annotated[
    str | None, typer.Option("--pairs", help="Query-key pairs: causal or full, whatever the convention says.")
]
LogitsOption = Annotated[
    str | None, typer.Option("--logits", help="Positions the head runs for: last or all, likewise.")
]
FormOption = Annotated[
    str | None,
    typer.Option(
        "--form",
        help="naive or absorbed (latent attention), chunk or step (recurrences), or one of each: naive,step. "
        "counted: what transformers' fallback executes, where that is not what the layer needs.",
    ),
]
ImagesOption = Annotated[
    int | None,
    typer.Option(
        "--images", help="Images of a sequence (tiles, where an image is cut): FLOPs of the vision tower."
    ),
]
PatchesOption = Annotated[
    str | None,
    typer.Option(
        "--patches",
        help="Patches of each image, e.g. 1024 or 36x52. Default: the tower's, where it has one size.",
    ),
]
FramesOption = Annotated[
    int | None, typer.Option("--frames", help="Input frames of sound: FLOPs of the audio tower.")
]
DtypeOption = Annotated[
    str | None,
    typer.Option("--dtype", help="Every weight in one format (bf16, fp8, int4, ...), not as released."),
]
QuantOption = Annotated[
    str | None,
    typer.Option(
        "--quant",
        help="Weights as a recipe (awq, gptq-g32, nf4, mxfp4-experts, ...) or a GGUF mixture (q4_k_m, iq4_xs, ...) "
        "stores them: `moecalc formats` lists them.",
        autocompletion=complete_quant,
    ),
]
KvDtypeOption = Annotated[
    str | None,
    typer.Option(
        "--kv-dtype",
        help="KV cache format (bf16, fp8, q8_0, q4_0, ...). Default: the model's dtype.",
        autocompletion=complete_kv,
    ),
]
SkewOption = Annotated[
    str,
    typer.Option(
        "--skew",
        help="How tokens choose experts: uniform, zipf:S, dirichlet:A, or a file of recorded counts or choices.",
    ),
]
RuntimeOption = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        help="State as this runtime reserves it (transformers); default: what the architecture needs.",
    ),
]
GpuOption = Annotated[
    str, typer.Option("--gpu", help="Accelerator, e.g. h100, mi300x, rtx-4090.", autocompletion=complete_gpu)
]
ComparedGpuOption = Annotated[
    str,
    typer.Option(
        "--gpu",
        help="Accelerator; with a number (8xh100) all models stand on so many, without on the fewest that hold each.",
        autocompletion=complete_gpu,
    ),
]
StrictOption = Annotated[bool, typer.Option("--strict", help="A config key that nobody reads is an error.")]
ViaOption = Annotated[
    Literal["transformers"] | None,
    typer.Option(
        "--via", help="Count by another library (transformers) instead: exact totals of any type it knows."
    ),
]
TopKOption = Annotated[
    int | None,
    typer.Option(
        "--top-k", min=1, help="Experts per token, where a checkpoint's header has no config beside it."
    ),
]
HeadersOption = Annotated[
    bool,
    typer.Option(
        "--headers",
        help="Of a hub id, read the checkpoint's header too (some ranged requests), not only its config.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Versioned JSON on stdout, numbers in base units.")]
MarkdownOption = Annotated[bool, typer.Option("--markdown", help="Markdown tables on stdout.")]
MemoryShareOption = Annotated[
    Fraction,
    typer.Option(
        "--gpu-memory-utilization",
        parser=memory_share,
        metavar="SHARE",
        help="Share of usable memory given to weights and state, 0.9 or 90%.",
    ),
]
EqualKvOption = Annotated[
    bool, typer.Option("--equal-kv", help="Give every model the first one's state: the experts alone.")
]
KeysOption = Annotated[
    bool, typer.Option("--keys", help="Every key of a config: what it changes, or unread.")
]
