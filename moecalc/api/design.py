"""Search for an architecture within budgets: a family's sizes varied, and of what fits the designs that none beats."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from moecalc.api.candidates import fleets_of
from moecalc.api.export import spec_name
from moecalc.api.loading import load
from moecalc.api.model import Model, StatedModel
from moecalc.api.precision import RELEASED, precision_for
from moecalc.calc.comparing.deployment import MAX_GPUS
from moecalc.calc.design.found import Designed
from moecalc.calc.design.objectives import FIELDS, NEED_DEVICES, parse_objectives
from moecalc.calc.design.search import Case, Hardware, search
from moecalc.calc.speed.machine import machine
from moecalc.calc.speed.roofline import operand_formats
from moecalc.errors import InputError, UndeterminedError
from moecalc.ir.rows import Ledger
from moecalc.sources.spec import ModelSpec
from moecalc.specs.design_axes import KINDS, MULTIPLE, Axis, check_multiple, parse_axis
from moecalc.specs.design_budget import TOLERANCE, Budget, parse_budget, parse_tolerance
from moecalc.specs.design_space import space_of
from moecalc.specs.design_template import Template
from moecalc.specs.formats import Precision, find_format
from moecalc.specs.hardware import Accelerator
from moecalc.specs.recipes import find_recipe
from moecalc.specs.workload import Workload, plan_workload
from moecalc.units import format_bytes_decimal, format_parameters, parse_bytes, parse_parameters


def design(
    like: Any,
    axes: Mapping[str, str],
    *,
    active: str | None = None,
    total: str | None = None,
    vram: str | None = None,
    tolerance: str | None = None,
    context: int | None = None,
    batch: int = 1,
    gpu: str | None = None,
    quant: str | None = None,
    kv_dtype: str | None = None,
    multiple: int = MULTIPLE,
    pareto: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
) -> Designed:
    """Every combination of the axes in the family of a model, held against the budgets.

    `axes` are sizes by name (`experts`: `32..512`), as `specs.design_axes` lists them; the model's other sizes stay.
    `active` and `total` are targets (within the tolerance, 5%), bounds or ranges of parameters; `vram` the most that
    weights and the state of `batch` sequences at the context may take. With a GPU (`h100`: the fewest that hold each
    design; `8xh100`: these) speed and cost count too. `progress` hears how many of all were looked at.

    Raises InputError for what cannot be, and UndeterminedError for a model without a known architecture.
    """
    model = _known(like)
    check_multiple(multiple)
    chosen = [parse_axis(name, text, multiple) for name, text in axes.items()]
    template = Template(model.name, model.architecture)
    space = space_of(template, chosen, multiple)
    workload = plan_workload(model.context_length if context is None else None, context=context, batch=batch)
    precision = _precision(model, quant, chosen)
    kv = _kv_name(model, kv_dtype, chosen)
    hardware, accelerator, note = _hardware(gpu, model.ledger, precision, kv)
    case = Case(
        precision=precision,
        kv_dtype=kv,
        context=workload.context,
        batch=workload.batch,
        hardware=hardware,
    )
    budgets = _budgets(active, total, vram, tolerance, hardware)
    known = tuple(
        name
        for name in FIELDS
        if name not in NEED_DEVICES
        or (hardware is not None and (name != "cost" or hardware.usd_per_hour is not None))
    )
    objectives = parse_objectives(pareto, known)
    done = 0

    def tell(looked_at: int) -> None:
        nonlocal done
        done += looked_at
        progress(done, space.count)

    found = search(space, case, budgets, objectives, tell)
    return Designed(
        like=model.name,
        source=model.source,
        axes=space.axes,
        kept={
            name: size
            for name, size in template.sizes.items()
            if name not in space.names and not (name == "expert_width" and "granularity" in space.names)
        },
        left_out=template.left_out,
        rules=tuple(rule.words for rule in space.rules),
        multiple=multiple,
        case=case,
        device=accelerator.name if accelerator else None,
        price=_price_words(accelerator) if accelerator else None,
        capacity_note=note,
        budgets=tuple(budgets),
        objectives=objectives,
        found=found,
        defaults=_defaults(workload, model, quant, kv_dtype),
        warnings=(*model.warnings, *workload.warnings),
        sizes=tuple(space.sizes(row.values) for row in found.frontier),
        nearest_sizes=space.sizes(found.nearest.values) if found.nearest else None,
    )


def spec_of(
    like: Any, designed: Designed, row: int, name: str | None = None, quant: str | None = None
) -> ModelSpec:
    """The spec of a row of the frontier (from 1), which loads to the same figures.

    Raises InputError where there is no such row.
    """
    model = _known(like)
    count = len(designed.sizes)
    if not 1 <= row <= count:
        raise InputError(
            f"there is no design {row}: {count:,} {'is' if count == 1 else 'are'} on the frontier",
            hint="the first column of the table numbers them",
        )
    sizes = designed.sizes[row - 1]
    precision = designed.case.precision
    words = ", ".join(f"{KINDS[size].words} {value:,}" for size, value in sizes.items())
    context = max(designed.case.context, model.context_length or 0)
    return ModelSpec(
        name=spec_name(name or f"{model.name}-design-{row}"),
        title=f"{model.title}, redesigned",
        dtype=precision.default,
        quantization=dict(precision.roles),
        context=context,
        read_from=f"moecalc design --like {model.name}" + (f" --quant {quant}" if quant else ""),
        note=words,
        architecture=Template(model.name, model.architecture).built(sizes),
    )


def _known(like: Any) -> Model:
    model = like if isinstance(like, Model | StatedModel) else load(like)
    if not isinstance(model, Model):
        raise UndeterminedError(
            f"`{model.name}` has no known architecture to design after",
            hint="`--like qwen3-30b-a3b`, `deepseek-v3`, `mixtral-8x7b` or another of `moecalc list`",
        )
    return model


def _precision(model: Model, quant: str | None, axes: Sequence[Axis]) -> Precision:
    """How every design's weights are stored: in the same formats by role, whatever its sizes."""
    if quant is None:
        return _by_role(model.precision, RELEASED)
    recipe = find_recipe(quant)
    widths = [axis for axis in axes if axis.name != "layers"]
    if recipe is not None and recipe.whole_groups and widths:
        raise InputError(
            f"`{recipe.name}` refuses matrices that do not fill its groups, which a search does not sort out",
            hint=f"search in fp8 or nf4, `--export` a row, and try `moecalc show FILE --quant {recipe.name}`",
        )
    return _by_role(precision_for(model, quant), quant)


def _by_role(precision: Precision, name: str) -> Precision:
    placed = [
        place for place in precision.placements if place.layers is not None or place.columns is not None
    ]
    if placed or any(find_format(form).name.startswith("ggml-") for form in precision.formats):
        raise InputError(
            f"`{name}` is another mixture of formats for every design",
            hint=f"search in fp8 or nf4, `--export` a row, and try `moecalc show FILE --quant {name}`",
        )
    # Prediction modules are left out of designs, and with them what is placed there alone.
    return msgspec.structs.replace(precision, placements=())


def _kv_name(model: Model, kv_dtype: str | None, axes: Sequence[Axis]) -> str:
    name = model.kv_name(kv_dtype)
    block = find_format(name).row_block
    for axis in axes:
        wrong = [value for value in axis.values if value % block] if axis.name == "head_dim" else []
        if wrong:
            raise InputError(
                f"`{kv_dtype}` stores blocks of {block} along the head dimension, and `--head-dim` has {wrong[0]}",
                hint="choose a cache format without blocks: `bf16`, `fp16` or `fp8`",
            )
    return name


def _hardware(
    gpu: str | None, ledger: Ledger, precision: Precision, kv: str
) -> tuple[Hardware | None, Accelerator | None, str]:
    """The devices, their accelerator, and what their usable memory rests on."""
    if gpu is None:
        return None, None, ""
    candidates = fleets_of(gpu, None, None, choose=True)
    fleet = candidates[0].fleet
    if len(candidates) > 1 or not fleet.is_uniform:
        raise InputError(
            f"`--gpu {gpu}` names several kinds of devices, and designs are held against one",
            hint=f"`--gpu {fleet.devices[0].name}`",
        )
    device = fleet.devices[0]
    usable = device.usable_bytes()
    if usable is None:
        raise UndeterminedError(
            f"`{device.name}` has no published memory", hint="`moecalc hardware` lists what is known"
        )
    price = device.price()
    hardware = Hardware(
        machine=machine(device, operand_formats(ledger, precision, kv)),
        usable_bytes=usable.bytes,
        count=None if candidates[0].open else fleet.count,
        usd_per_hour=price.usd_per_gpu_hour if price else None,
    )
    return hardware, device, usable.note


def _budgets(
    active: str | None, total: str | None, vram: str | None, tolerance: str | None, hardware: Hardware | None
) -> list[Budget]:
    share = TOLERANCE if tolerance is None else parse_tolerance(tolerance)
    budgets = [
        parse_budget(name, text, parse_parameters, format_parameters, share)
        for name, text in (("active", active), ("total", total))
        if text is not None
    ]
    if vram is not None:
        budgets.append(parse_budget("vram", vram, parse_bytes, format_bytes_decimal, only_bound=True))
    if hardware is not None:
        most = (hardware.count or MAX_GPUS) * hardware.usable_bytes
        name = hardware.machine.name
        words = f"what {hardware.count or f'{MAX_GPUS:,}'}x {name} hold ({format_bytes_decimal(most)})"
        budgets.append(Budget(figure="vram", text=words, high=Fraction(most)))
    return budgets


def _price_words(accelerator: Accelerator) -> str | None:
    price = accelerator.price()
    if price is None:
        return None
    return f"${price.usd_per_gpu_hour} per GPU-hour, {price.provider}, {price.date or 'undated'}"


def _defaults(workload: Workload, model: Model, quant: str | None, kv_dtype: str | None) -> dict[str, Any]:
    defaults = {name: value for name, value in workload.assumed.items() if name == "context"}
    if quant is None:
        defaults["weights"] = model.precision.label
    if kv_dtype is None:
        defaults["kv_dtype"] = model.kv_dtype
    return defaults
