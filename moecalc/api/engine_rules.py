"""What an engine takes and refuses: formats, caches, shares of memory and plans, for `fit` and `serve` alike."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from moecalc.api.loading import load
from moecalc.api.model import Model, StatedModel
from moecalc.api.precision import RELEASED
from moecalc.calc.deploy.blocks import cut_blocks, whole_blocks
from moecalc.calc.deploy.shares import Shares
from moecalc.errors import InputError, UndeterminedError
from moecalc.ir.numeric import Number
from moecalc.ir.roles import Component
from moecalc.ir.rows import Ledger
from moecalc.specs.engines import Engine
from moecalc.specs.fleet import Fleet
from moecalc.specs.formats import Precision
from moecalc.specs.gguf_mixtures import find_mixture
from moecalc.specs.hardware import Accelerator
from moecalc.specs.kv_formats import kv_format
from moecalc.specs.plan import OPTIONS, SWITCHES, Plan
from moecalc.specs.recipes import find_recipe

_GGML_READS = frozenset({"fp32", "bf16", "fp16", "mxfp4"})
"""Formats beside its own that llama.cpp takes over as they are when it converts a checkpoint."""

_SHARES_MEMORY = frozenset({"unified", "cpu"})
"""Kinds of device whose memory is the host's."""


def known_model(model: Any) -> Model:
    """The model, loaded. Raises UndeterminedError where its architecture is not known."""
    found = model if isinstance(model, Model | StatedModel) else load(model)
    if not isinstance(found, Model):
        raise UndeterminedError(
            f"`{found.name}` has no known architecture: what a rank holds cannot be said",
            hint=f"`moecalc show {found.name}` prints what follows from its figures",
        )
    return found


def is_mixture(quant: str | None) -> bool:
    """Whether a quantization is one of llama.cpp's mixtures."""
    return quant not in {None, RELEASED} and find_recipe(quant) is None and find_mixture(quant) is not None


def is_paged(engine: Engine) -> bool:
    """Whether it reserves blocks as vLLM does, and loads what vLLM loads."""
    return engine.reservation.rule == "paged"


def has_cells(engine: Engine) -> bool:
    """Whether it reserves cells as llama.cpp does, and reads what llama.cpp reads."""
    return engine.reservation.rule == "cells"


def by_layers(engine: Engine) -> bool:
    """Whether several devices can only be given whole layers each."""
    return "tensor" not in engine.splits


def shares_memory(device: Accelerator) -> bool:
    """Whether the device's memory is the host's."""
    return device.kind in _SHARES_MEMORY


def lookups_in_ram(engine: Engine, devices: tuple[Accelerator, ...]) -> bool:
    """Whether look-up tables stay in memory that is not the devices' own (llama.cpp beside GPUs)."""
    return has_cells(engine) and not any(shares_memory(device) for device in devices)


def share_of(utilization: Fraction | float | None, engine: Engine) -> Fraction:
    """The share of memory that may be filled; 1 where the engine has no such option.

    Raises InputError for a share that is none, and for one that the engine cannot be told.
    """
    if utilization is not None and (isinstance(utilization, bool) or not 0 < utilization <= 1):  # nan too
        raise InputError(
            f"`gpu_memory_utilization` is {utilization!r}",
            hint="a share of memory above 0 and at most 1, e.g. 0.9",
        )
    if engine.utilization is None:
        if utilization is not None:
            raise InputError(
                f"{engine.name} has no share of memory that it may fill: it takes what it needs",
                hint="leave `--gpu-memory-utilization` out, or choose another engine: `--engine vllm`",
            )
        return Fraction(1)
    if utilization is None:
        return Fraction(engine.utilization.value)
    return Fraction(utilization).limit_denominator(10_000)


def cache_of(found: Model, engine: Engine, kv_dtype: str | None) -> str:
    """The format of the cache. Raises InputError where the engine has none in the format that was asked for."""
    if kv_dtype is None:
        return kv_format(engine.kv_dtype or found.kv_name()).name
    name = found.kv_name(kv_dtype)
    if engine.kv_dtypes and name not in engine.kv_dtypes:
        raise InputError(
            f"{engine.name} has no cache in `{kv_dtype}`",
            hint=f"{engine.name} has {', '.join(engine.kv_dtypes)}".replace("ggml-", ""),
        )
    return name


def formats_of(ledger: Ledger, precision: Precision) -> set[str]:
    """The formats that the language model's weights are stored in."""
    rows = (weight for weight in ledger.weights if weight.component is Component.LANGUAGE)
    return {format_.name for weight in rows for _, format_ in precision.parts(weight)}


def llama_cpp_reads(ledger: Ledger, precision: Precision) -> bool:
    """Whether llama.cpp has every format that the language model's weights are stored in."""
    return not _foreign(ledger, precision)


def check_formats(found: Model, engine: Engine, precision: Precision, quant: str | None) -> None:
    """Raises InputError where the engine does not read a format that the weights are stored in."""
    if not has_cells(engine):
        return
    foreign = _foreign(found.ledger, precision)
    if foreign:
        where = (
            f"`{found.name}` is stored"
            if quant in {None, RELEASED}
            else f"`--quant {quant}` stores the weights"
        )
        raise InputError(
            f"{engine.name} has no `{foreign[0]}`, in which {where}",
            hint="choose one of its mixtures: `--quant q8_0`, `--quant q4_k_m`",
        )


def check_plan(found: Model, engine: Engine, plan: Plan, fleet: Fleet) -> None:
    """Raises InputError for a plan that has other devices than the fleet, or that the engine does not run."""
    options = OPTIONS | SWITCHES
    for name, option in options.items():
        if int(getattr(plan, name)) > (name in OPTIONS) and name not in engine.splits:
            has = ", ".join(f"`{options[split]}`" for split in engine.splits)
            layers = by_layers(engine)
            raise InputError(
                f"`{plan.words}`: {engine.name} has no `{option}` that its logs back"
                + (", and deals whole layers to its devices" if layers else ""),
                hint=f"{engine.name} has {has}"
                + (f": `--pp {plan.devices}`, or leave the plan out" if layers else ""),
            )
    check_count(plan, fleet)
    if is_paged(engine):
        _check_experts(found, engine, plan)


def check_count(plan: Plan, fleet: Fleet) -> None:
    """Raise InputError where a plan is of another number of devices than the fleet has."""
    if plan.devices != fleet.count:
        raise InputError(
            f"the plan is of 1 device, and `--gpu` names {fleet.count}"
            if plan.devices == 1
            else f"`{plan.words}` makes {plan.devices} devices, and `--gpu` names {fleet.count}",
            hint=_completed(plan, fleet.count),
        )


def format_warnings(engine: Engine, quant: str | None) -> Iterator[str]:
    """What is to be said of a format under the engine."""
    if is_paged(engine) and is_mixture(quant):
        yield f"{engine.name} reads GGUF files by way of an experiment; no log of it backs these figures"


def context_warnings(engine: Engine, capacity_bytes: Number, granted_bytes: Number) -> Iterator[str]:
    """Where the CUDA context finds no room beside the share of memory that the engine may fill."""
    spare, needed = capacity_bytes - granted_bytes, engine.overheads.outside_bytes
    if spare < needed:
        yield (
            "the share of memory leaves too little for the CUDA context beside it "
            f"({float(spare) / 2**30:.2f} of {float(needed) / 2**30:.2f} GiB): {engine.name} refuses to start"
        )


def cut_warnings(shares: Shares, precision: Precision, plan: Plan) -> Iterator[str]:
    """Quantization blocks that the plan cuts: vLLM and SGLang do not load such shards."""
    cuts = cut_blocks(shares, precision)
    if not cuts:
        return
    worst = cuts[0]
    sizes = [str(size) for size in whole_blocks(shares.ledger, precision)]
    dealt = ", or `--ep` to deal experts out whole" if worst.role.startswith("routed") else ""
    yield (
        f"`{plan.words}` leaves `{worst.role}` {worst.share:,} wide on a rank, no whole blocks of {worst.block} "
        f"({worst.format}): vLLM and SGLang refuse to load that; `--tp` {', '.join(sizes)} cut none{dealt}"
    )


def _foreign(ledger: Ledger, precision: Precision) -> list[str]:
    names = sorted(formats_of(ledger, precision))
    return [name for name in names if name not in _GGML_READS and not name.startswith("ggml-")]


def _check_experts(found: Model, engine: Engine, plan: Plan) -> None:
    """VLLM deals experts over all ranks of a stage or over none (FusedMoEParallelConfig)."""
    ranks = plan.stage_devices
    if plan.expert not in {1, ranks}:
        raise InputError(
            f"{engine.name} deals whole experts over `--tp` x `--dp` = {ranks} ranks, not {plan.expert}",
            hint=f"type `--ep {ranks}`",
        )
    mixture = any(weight.pool is not None for weight in found.ledger.weights)
    if plan.data > 1 and plan.expert == 1 and mixture:
        raise InputError(
            f"with `--dp {plan.data}` {engine.name} copies attention, and spreads the experts over all ranks",
            hint=f"type `--ep {ranks}`; copies that share nothing are {plan.data} deployments of their own",
        )


def _completed(plan: Plan, devices: int) -> str:
    """The plan with pipeline stages or copies that make up the number of devices."""
    product = "`--tp` x `--pp` x `--dp` is the number of devices"
    rest, odd = divmod(devices, plan.devices)
    if odd or rest == 0:
        return product
    words = plan.words if plan.devices > 1 else ""
    ways = [
        f"`{words} {option} {rest}`".replace("` ", "`") for option in ("--pp", "--dp") if option not in words
    ]
    return (" or ".join(ways) or f"`--gpu {plan.devices}x...`") + f": {product}"
