"""`moecalc train MODEL`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from moecalc import cli
from moecalc.api.fleets import fleet_of
from moecalc.api.loading import load
from moecalc.api.training import train
from moecalc.calc.training.training_lines import training_report
from moecalc.cli import deployment, paying
from moecalc.cli.output import emit, warn
from moecalc.cli.values import one_format, tokens
from moecalc.errors import InputError
from moecalc.units import parse_count

EXAMPLES = (
    "moecalc train deepseek-v3 --tokens 14.8T --gpu 2048xh800 --pp 16 --ep 64 --precision fp8-deepseek --mfu 0.39",
    "moecalc train llama-3.1-405b --tokens 15.6T --sequence 8k --gpu 8192xh100 --tp 8 --pp 16 --mfu predict",
    "moecalc train qwen3-30b-a3b --tokens 1T --gpu 256xh100 --ep 8 --recompute act,norm",
    "moecalc train llama-3.1-70b --tokens 100M --gpu 4xa100 --lora r=16,target=all --quant nf4 --zero 3",
)

TokensOption = Annotated[
    str | None, typer.Option("--tokens", help="Tokens to train on: 15T, 300B (powers of 1,000).")
]
SequenceOption = Annotated[str, typer.Option("--sequence", help="Tokens of a sequence, e.g. 4096 or 8k.")]
GlobalBatchOption = Annotated[
    str | None,
    typer.Option("--global-batch", help="Tokens of a step, e.g. 4M (= 1,024 x 4,096). Default: about 4M."),
]
MicroBatchOption = Annotated[int, typer.Option("--micro-batch", help="Sequences of a microbatch.")]
TensorOption = Annotated[int, typer.Option("--tp", help="Tensor-parallel size.")]
PipelineOption = Annotated[int, typer.Option("--pp", help="Pipeline stages.")]
VirtualOption = Annotated[
    int, typer.Option("--vpp", help="Pieces of the model on each stage (interleaved pipeline).")
]
ContextOption = Annotated[
    int, typer.Option("--cp", help="Context-parallel ranks, which share each sequence.")
]
ExpertOption = Annotated[int, typer.Option("--ep", help="Ranks over which whole experts are dealt.")]
ExpertTensorOption = Annotated[
    int | None, typer.Option("--etp", help="Ranks that split each expert. Default: as --tp.")
]
ZeroOption = Annotated[
    int,
    typer.Option(
        "--zero",
        help="What data ranks share out: 0 nothing, 1 optimizer states (Megatron's distributed optimizer), 2 and "
        "gradients, 3 and weights.",
    ),
]
SequenceParallelOption = Annotated[
    bool | None,
    typer.Option(
        "--sequence-parallel/--no-sequence-parallel",
        help="Norms and residuals share tokens among tensor ranks. Default: with --tp.",
    ),
]
PrecisionOption = Annotated[
    str, typer.Option("--precision", help="bf16, fp8 (Transformer Engine), fp8-params, fp8-deepseek.")
]
OptimizerOption = Annotated[
    str | None,
    typer.Option("--optimizer", help="adamw, adamw-bf16, muon, adafactor, 8bit. Default: the precision's."),
]
RecomputeOption = Annotated[
    str,
    typer.Option(
        "--recompute", help="none, selective, full, or of core_attn, norm, act, mla_up_proj with commas."
    ),
]
AttentionOption = Annotated[
    Literal["flash", "eager"],
    typer.Option("--attention", help="Whether attention's scores are materialised (eager) or not."),
]
KernelsOption = Annotated[
    Literal["fused", "autograd"],
    typer.Option("--kernels", help="Kernels as Megatron-LM's (fused), or plain PyTorch (autograd)."),
]
DropoutOption = Annotated[bool, typer.Option("--dropout", help="Dropout as in GPT-3: its masks are kept.")]
MfuOption = Annotated[
    str | None,
    typer.Option("--mfu", help="Share of the dense bf16 peak, e.g. 0.4, or predict. Default: 0.4, assumed."),
]
ImbalanceOption = Annotated[
    str, typer.Option("--imbalance", help="Tokens of the fullest rank's experts over the mean, e.g. 1.2.")
]
LoraOption = Annotated[
    str | None, typer.Option("--lora", help="Train adapters alone: r=16,target=attention or target=all.")
]
EfficiencyOption = Annotated[
    str | None,
    typer.Option(
        "--matmul-efficiency",
        help="With --mfu predict: the best matmul as a share of its peak. Default: as measured on the device.",
    ),
]
NetworkOption = Annotated[
    str | None,
    typer.Option("--network", help="With --mfu predict: between machines, per device. Default: 50GB/s."),
]


def command(
    model: cli.options.ModelArgument,
    tokens_: TokensOption = None,
    gpu: deployment.FleetOption = None,
    sequence: SequenceOption = "4096",
    global_batch: GlobalBatchOption = None,
    micro_batch: MicroBatchOption = 1,
    tp: TensorOption = 1,
    pp: PipelineOption = 1,
    vpp: VirtualOption = 1,
    cp: ContextOption = 1,
    ep: ExpertOption = 1,
    etp: ExpertTensorOption = None,
    stages: deployment.StagesOption = None,
    zero: ZeroOption = 1,
    sequence_parallel: SequenceParallelOption = None,
    precision: PrecisionOption = "bf16",
    optimizer: OptimizerOption = None,
    recompute: RecomputeOption = "none",
    attention: AttentionOption = "flash",
    kernels: KernelsOption = "fused",
    dropout: DropoutOption = False,
    mfu: MfuOption = None,
    imbalance: ImbalanceOption = "1",
    lora: LoraOption = None,
    quant: cli.options.QuantOption = None,
    matmul_efficiency: EfficiencyOption = None,
    network: NetworkOption = None,
    price: paying.PriceOption = None,
    power: paying.PowerOption = None,
    pue: paying.PueOption = None,
    json: cli.options.JsonOption = False,
    markdown: cli.options.MarkdownOption = False,
    strict: cli.options.StrictOption = False,
) -> None:
    """What a training run takes: days, money, memory of each rank.

    FLOPs, GPU-hours, energy too. For pre-training, and for adapters (LoRA, QLoRA). The data ranks are the devices
    over --tp x --pp x --cp.
    """
    one_format(json, markdown)
    if tokens_ is None:
        raise InputError("no tokens to train on", hint="add `--tokens 15T`")
    fleet = fleet_of(gpu)
    if fleet is None:
        raise InputError("no devices to train on", hint="add `--gpu 2048xh100`")
    loaded = load(model, strict)
    length = tokens(sequence)
    assert length is not None
    run = train(
        loaded,
        fleet,
        {
            "tp": tp,
            "pp": pp,
            "cp": cp,
            "ep": ep,
            "etp": etp,
            "vpp": vpp,
            "stages": stages,
            "sp": sequence_parallel,
            "zero": zero,
        },
        tokens=parse_count(tokens_, "a number of training tokens"),
        sequence=length,
        global_batch=tokens(global_batch),
        micro_batch=micro_batch,
        precision=precision,
        optimizer=optimizer,
        recompute=recompute,
        attention=attention,
        kernels=kernels,
        dropout=dropout,
        mfu=mfu,
        imbalance=imbalance,
        lora=lora,
        quant=quant,
        matmul_efficiency=matmul_efficiency,
        network=network,
        price=price,
        power=power,
        pue=1 if pue is None else pue,
    )
    if json:
        from moecalc.render.json import report_json

        emit(report_json(training_report(run)))
    elif markdown:
        from moecalc.render.train import training_markdown

        emit(training_markdown(run))
    else:
        from moecalc.render.layout import width
        from moecalc.render.train import training_text

        emit(training_text(run, width()))
        return
    warn(run.warnings)
