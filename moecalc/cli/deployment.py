"""Options of the commands that put a model on devices: which devices, how the model is spread over them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import typer

from moecalc.cli.options import complete_gpu, complete_quant
from moecalc.cli.values import memory_share

if TYPE_CHECKING:
    from moecalc.specs.plan import Plan

FleetOption = Annotated[
    str | None,
    typer.Option(
        "--gpu",
        help="Devices: h100, 8xh100, rtx-4090 + rtx-3090, or local (what this machine has).",
        autocompletion=complete_gpu,
    ),
]
VramOption = Annotated[
    str | None, typer.Option("--vram", help="Memory of a device that is not listed, e.g. 24GiB.")
]
BandwidthOption = Annotated[
    str | None, typer.Option("--bandwidth", help="Memory bandwidth of that device, e.g. 1008GB/s.")
]
RamOption = Annotated[
    str | None, typer.Option("--ram", help="Memory of the host, for experts or layers beside the GPUs.")
]
RamBandwidthOption = Annotated[
    str | None, typer.Option("--ram-bandwidth", help="Bandwidth of the host's memory, e.g. 80GB/s.")
]
TensorOption = Annotated[int | None, typer.Option("--tp", help="Tensor-parallel size.")]
PipelineOption = Annotated[int | None, typer.Option("--pp", help="Pipeline stages.")]
ExpertOption = Annotated[
    int | None, typer.Option("--ep", help="Expert-parallel size: ranks over which whole experts are dealt.")
]
DataOption = Annotated[int | None, typer.Option("--dp", help="Data-parallel copies of attention.")]
AttentionDataOption = Annotated[
    int | None,
    typer.Option("--attention-dp", help="Copies of attention inside a tensor-parallel group."),
]
DecodeContextOption = Annotated[
    int | None,
    typer.Option("--dcp", help="Decode-context ranks: they deal out the cached tokens they would all hold."),
]
RedundantOption = Annotated[
    int, typer.Option("--redundant-experts", help="Copies of busy experts per layer (EPLB).")
]
StagesOption = Annotated[
    str | None, typer.Option("--stages", help="Layers of each pipeline stage, e.g. 16,15,15,15.")
]
SequenceParallelOption = Annotated[
    bool,
    typer.Option(
        "--sp", help="Norms and residuals split a step's tokens over tensor-parallel ranks (activations)."
    ),
]
EngineOption = Annotated[
    str | None,
    typer.Option("--engine", help="Whose rules and overheads: vllm, llama.cpp or generic (no engine's)."),
]
SeveralQuantsOption = Annotated[
    str | None,
    typer.Option(
        "--quant",
        help="Weights as a recipe (awq, fp8, mxfp4-experts, ...) or a GGUF mixture (q4_k_m, ...) stores them, "
        "or several with commas: `moecalc formats` lists them.",
        autocompletion=complete_quant,
    ),
]
SequencesOption = Annotated[
    int, typer.Option("--sequences", "--batch", help="Sequences held at once, over all devices.")
]
MemoryShareOption = Annotated[
    Fraction | None,
    typer.Option(
        "--gpu-memory-utilization",
        parser=memory_share,
        metavar="SHARE",
        help="Share of usable memory that may be filled, 0.9 or 90%. Default: the engine's.",
    ),
]


def plan_of(
    tensor: int | None,
    pipeline: int | None,
    expert: int | None,
    data: int | None,
    attention_data: int | None,
    decode_context: int | None,
    redundant_experts: int = 0,
    stages: str | None = None,
    sequence_parallel: bool = False,
) -> Plan | None:
    """The plan that was typed; None where nothing of it was. Raises InputError for sizes that cannot be."""
    from moecalc.api.plans import plan_from

    return plan_from(
        {
            "tp": tensor,
            "pp": pipeline,
            "ep": expert,
            "dp": data,
            "attention_dp": attention_data,
            "dcp": decode_context,
            "redundant_experts": redundant_experts,
            "stages": stages,
            "sp": sequence_parallel,
        }
    )
