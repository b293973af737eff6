"""`train`: what it takes to train a model, or adapters beside it, on a fleet."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from moecalc.api.fleets import fleet_from
from moecalc.api.loading import load
from moecalc.api.model import Model, StatedModel
from moecalc.api.outlays import draw_of, outlay_of, pue_of
from moecalc.api.plans import training_plan_from
from moecalc.api.precision import precision_for
from moecalc.api.training_input import (
    check_experts,
    check_positions,
    check_tokens,
    device_of,
    imbalance_of,
    sequences_of_a_step,
    share_of,
    sixteen_bit_peak,
    warnings_of_formats,
)
from moecalc.calc.cost.outlay import Outlay
from moecalc.calc.training.training import Training
from moecalc.calc.training.training_activations import Saving
from moecalc.calc.training.training_flops import TrainingFlops, training_flops_by_layer
from moecalc.calc.training.training_memory import TrainingMemory
from moecalc.calc.training.training_time import StepModel, StepPrediction
from moecalc.errors import InputError, UndeterminedError
from moecalc.ir.roles import Component
from moecalc.specs.fleet import Fleet, require_bandwidth
from moecalc.specs.hardware import Accelerator, Format
from moecalc.specs.machines import NETWORK_BYTES_PER_SECOND
from moecalc.specs.money import Amount
from moecalc.specs.training import find_optimizer, find_training_precision, matmuls
from moecalc.specs.training_choices import (
    Attention,
    Kernels,
    Lora,
    Recompute,
    parse_lora,
    parse_recompute,
)
from moecalc.specs.training_plan import TrainingPlan
from moecalc.specs.workload import check_length
from moecalc.units import parse_bytes_per_second

MFU = Decimal("0.4")
"""Assumed where nothing is said: Llama 3.1 405B reached 0.38 to 0.43 (arXiv 2407.21783, table 4)."""

PREDICT = "predict"


def train(
    model: Any,
    gpu: Fleet | str,
    plan: TrainingPlan | Mapping[str, Any] | None = None,
    *,
    tokens: int,
    sequence: int = 4096,
    global_batch: int | None = None,
    micro_batch: int = 1,
    precision: str = "bf16",
    optimizer: str | None = None,
    recompute: Recompute | str = "none",
    attention: Attention = "flash",
    kernels: Kernels = "fused",
    dropout: bool = False,
    mfu: Amount | None = None,
    imbalance: Amount = 1,
    lora: Lora | str | None = None,
    quant: str | None = None,
    matmul_efficiency: Amount | None = None,
    network: str | None = None,
    price: Amount | None = None,
    power: Amount | None = None,
    pue: Amount = 1,
) -> Training:
    """What a run over so many `tokens` takes on a fleet under a plan, and what each rank holds.

    `global_batch` is in tokens of a step, `micro_batch` in sequences. `mfu` is a share of the dense bf16 peak, or
    `predict`. `imbalance` is tokens of the fullest rank's experts over the mean. `quant` stores the frozen weights of
    a `lora` run as a recipe does (QLoRA). `price` is USD per GPU-hour, `power` watts per device (None: the TDP).

    Raises InputError for sizes that do not divide, naming the rule, and UndeterminedError where a peak, or the
    architecture, is not known.
    """
    fleet = fleet_from(gpu)
    plan = training_plan_from(plan, fleet.count)
    found = model if isinstance(model, Model | StatedModel) else load(model)
    if not isinstance(found, Model):
        raise UndeterminedError(
            f"`{found.name}` has no known architecture to train",
            hint=f"`moecalc show {found.name}` prints what follows from its figures",
        )
    device = device_of(fleet, plan)
    check_tokens(tokens)
    check_length("--sequence", sequence)
    check_length("--micro-batch", micro_batch)
    defaults: dict[str, str | int] = {}
    batch = sequences_of_a_step(global_batch, sequence, micro_batch, plan, defaults)
    stored = find_training_precision(precision)
    chosen = optimizer or stored.optimizer
    check_experts(found, plan)
    adapters = parse_lora(lora) if isinstance(lora, str) else lora
    if quant is not None and adapters is None:
        raise InputError(
            f"`--quant {quant}`: quantized weights cannot be trained",
            hint="`--lora r=16,target=all` trains adapters beside them (QLoRA)",
        )
    if sequence % plan.context:
        raise InputError(
            f"`--cp {plan.context}` does not divide the {sequence:,} tokens of a sequence",
            hint="context ranks share each sequence evenly",
        )
    if sequence // plan.context % plan.stream_ranks:
        raise InputError(
            f"`--tp {plan.tensor}` does not divide the {sequence // plan.context:,} tokens of a sequence that each "
            "context rank has",
            hint="sequence parallelism shares them evenly; `--no-sequence-parallel` leaves them whole",
        )
    saving = Saving(
        plan=plan,
        precision=stored,
        sequence=sequence,
        attention=attention,
        kernels=kernels,
        recompute=parse_recompute(recompute) if isinstance(recompute, str) else recompute,
        dropout=dropout,
        lora=adapters,
        imbalance=imbalance_of(imbalance, plan),
    )
    memory = TrainingMemory(
        ledger=found.ledger,
        plan=plan,
        saving=saving,
        optimizer=find_optimizer(chosen),
        micro_batch=micro_batch,
        microbatches=batch // (plan.copies * micro_batch),
        frozen_precision=None if quant is None else precision_for(found, quant),
        gradient_bytes=stored.gradient_bytes,
    )
    flops = training_flops_by_layer(memory.rows, memory.layers, sequence, adapters)
    assert (
        len(memory.stages) == plan.pipeline
    )  # lays the plan out, and refuses one that does not fit the model
    peak_format, peak = sixteen_bit_peak(device)
    share, words, prediction = _mfu(
        mfu, StepSource(device, memory, flops, peak, peak_format), matmul_efficiency, network, defaults
    )
    draw, draw_words = draw_of(fleet, power)
    outlay, price_words = _rent(fleet, price)
    return Training(
        name=found.name,
        title=found.title,
        source=found.source,
        fleet=fleet.describe(),
        devices=fleet.count,
        tokens=tokens,
        global_batch=batch,
        precision=precision,
        optimizer=chosen,
        memory=memory,
        total_parameters=found.params.total,
        active_parameters=found.params.active(),
        sequence_flops=flops.useful,
        peak=peak,
        peak_format=peak_format,
        mfu=share,
        mfu_words=words,
        prediction=prediction,
        outlay=outlay,
        price_words=price_words,
        draw=draw,
        draw_words=draw_words,
        pue=pue_of(pue),
        usable=device.usable_bytes(),
        quant=quant,
        defaults=defaults,
        warnings=(
            *found.warnings,
            *warnings_of_formats(device, peak_format, stored.arithmetic),
            *_warnings(found, memory),
            *_warnings_of_lengths(found, tokens, batch, sequence),
        ),
    )


class StepSource(NamedTuple):
    """What a prediction of a step starts from."""

    device: Accelerator
    memory: TrainingMemory
    flops: TrainingFlops
    peak: int
    peak_format: Format


def _mfu(
    mfu: Amount | None,
    source: StepSource,
    matmul_efficiency: Amount | None,
    network: str | None,
    defaults: dict[str, str | int],
) -> tuple[float, str, StepPrediction | None]:
    """The share of the peak, what it rests on, and its items where it is predicted."""
    if mfu is None or str(mfu).strip().lower() != PREDICT:
        for option, value in (("--matmul-efficiency", matmul_efficiency), ("--network", network)):
            if value is not None:
                raise InputError(f"`{option}` belongs to a prediction", hint="add `--mfu predict`")
        if mfu is None:
            defaults["MFU"] = f"{MFU:%}".replace(".0%", "%")
            return float(MFU), "assumed (Llama 3.1 405B: 38% to 43%, arXiv 2407.21783, table 4)", None
        return float(share_of("--mfu", mfu)), f"as given, of the dense {source.peak_format} peak", None
    device = source.device
    achieved, low, words = _matmuls(source, matmul_efficiency)
    if network is None:
        speed = NETWORK_BYTES_PER_SECOND
        defaults["network"] = "50 GB/s per device between machines"
    else:
        speed = parse_bytes_per_second(network)
        if speed == 0:
            raise InputError("`--network` is nothing", hint="type `--network 50GB/s`")
    predicted = StepModel(
        memory=source.memory,
        flops=source.flops,
        peak=source.peak,
        peak_format=source.peak_format,
        achieved=achieved,
        achieved_low=low,
        bandwidth=require_bandwidth(device).bytes_per_second,
        link=device.interconnect.bytes_per_second if device.interconnect else None,
        network=speed,
    ).predict()
    if device.interconnect is None and any(item.sends for item in predicted.items):
        words += f"; no link of {device.name} is known here: its ranks exchange at the network's speed"
    return predicted.mfu, f"predicted: {words}{_of_its_own_peak(source, predicted.mfu)}", predicted


def _matmuls(source: StepSource, efficiency: Amount | None) -> tuple[int, int, str]:
    """FLOP/s of the fastest bf16 matmul and of the fastest in the run's precision, and what they rest on.

    Raises UndeterminedError where nobody measured one and no efficiency is given.
    """
    device, peak = source.device, source.peak
    known, arithmetic = matmuls(), source.memory.saving.precision.arithmetic
    measured = known.stand_in(device.name)
    achieved = known.per_second(measured, "bf16")
    low = known.per_second(measured, arithmetic)
    words = "matmuls as measured"
    if measured != device.name:
        words += f" on {measured}, which has the same chip"
    if efficiency is not None:
        share = share_of("--matmul-efficiency", efficiency)
        fast = device.peak(arithmetic)
        achieved = int(share * peak)
        low = int(share * (fast.per_second if fast else peak))
        words = f"matmuls at {float(share):.0%} of their peak, as given"
        if fast is None:
            words += f"; no {arithmetic} peak is published: the {source.peak_format} one stands for it"
    if achieved is None or low is None:
        raise UndeterminedError(
            f"nobody's measured {arithmetic} matmul is known for `{device.name}`",
            hint="`--matmul-efficiency 0.8` gives its share of the peak; or give `--mfu 0.4`",
        )
    return achieved, low, words


def _of_its_own_peak(source: StepSource, mfu: float) -> str:
    """What a share of the bf16 peak, which FP8 can exceed, is of the faster format's own."""
    arithmetic = source.memory.saving.precision.arithmetic
    own = source.device.peak(arithmetic)
    if arithmetic in {"bf16", source.peak_format} or own is None:
        return ""
    return f"; of the {source.peak_format} peak, {mfu * source.peak / own.per_second:.0%} of the {arithmetic} one"


def _rent(fleet: Fleet, price: Amount | None) -> tuple[Outlay | None, str]:
    try:
        outlay = outlay_of(fleet, None, price, Decimal(1), None, None, None)
    except UndeterminedError as error:
        return None, f"{error.message}: `--price 2.50` gives one"
    return outlay, "; ".join(outlay.words)


def _warnings_of_lengths(model: Model, tokens: int, batch: int, sequence: int) -> list[str]:
    found = []
    if tokens < batch * sequence:
        found.append(
            f"{tokens:,} tokens are less than one step of {batch * sequence:,}: `--global-batch` sets it"
        )
    positions = check_positions(model, sequence)
    return found if positions is None else [*found, positions]


def _warnings(model: Model, memory: TrainingMemory) -> list[str]:
    found = []
    saving, plan = memory.saving, memory.plan
    if "core_attn" in saving.recompute.modules and saving.attention == "flash":
        found.append("flash attention keeps no scores: recomputing attention's core saves nothing")
    if any(w.component is Component.MTP for w in model.ledger.weights):
        found.append("the multi-token-prediction modules are not counted")
    if any(w.component in {Component.VISION, Component.AUDIO} for w in model.ledger.weights):
        found.append("the towers for images and sound are not counted")
    if any(w.role.group == "residual" and len(w.shape) > 1 for w in memory.rows.weights):
        found.append("several residual streams: one is counted among the activations")
    if any(w.role.group == "recurrent" for w in memory.rows.weights) and saving.kernels == "autograd":
        found.append("recurrences in plain PyTorch keep far more than is counted here")
    if plan.zero > 1 and plan.pipeline > 1:
        found.append(
            f"ZeRO {plan.zero} exchanges with every microbatch of a pipeline, and DeepSpeed refuses the two together"
        )
    if memory.microbatches < plan.pipeline:
        found.append(
            f"{memory.microbatches} microbatches for {plan.pipeline} pipeline stages: some always idle"
        )
    return found
