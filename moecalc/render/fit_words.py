"""Phrases that `fit` is made of: sizes, counts, a plan, a placement, what was assumed."""

from moecalc.calc.deploy.fitted import Fit, Setting
from moecalc.calc.deploy.offload import Offload, context_options
from moecalc.ir.numeric import Number


def assumed_words(setting: Setting) -> str:
    """What was assumed, in a sentence."""
    case = setting.case
    said = [f"KV {case.kv_dtype}"]
    if setting.engine.utilization is not None:
        outside = setting.engine.overheads.outside_bytes
        beside = f" (the CUDA context, {gib(outside)} GiB, beside it)" if outside else ""
        said.insert(0, f"memory utilization {float(setting.utilization):g}{beside}")
    said.append(f"runtime and prefill chunk ({case.prefill_chunk:,} tokens) of {_engine(setting)}")
    if case.rules is None:
        said[-1] += ", state as the architecture needs it"
        if setting.engine.name != "generic":
            said[-1] += f" (how {setting.engine.name} lays it out is not known from its logs)"
    copies = setting.engine.overheads.sampler_copies
    if case.rules is not None and copies is not None and copies.low is not None:
        said.append(
            f"logits held {copies.value} times at the sampler's peak (logs have {copies.low} to {copies.high})"
        )
    said += [f"{name} {value:,}" for name, value in setting.workload.assumed.items() if name == "context"]
    if setting.mixture:
        said.append("routing uniform")
    return ", ".join(said)


def plan_words(fit: Fit) -> str:
    """How it is spread, behind a comma; nothing on one device."""
    plan = fit.holding.plan
    if plan.stages and len(fit.fleet.groups) == 1:
        return f", {plan.with_stages}"
    if plan.stages:
        return f", layers {' + '.join(map(str, plan.stages))}"
    return f", {plan.words}" if plan.devices > 1 else ""


def moved_words(found: Offload) -> str:
    """What lies in RAM."""
    if found.gpu_layers < found.layers:
        count = found.layers - found.gpu_layers
        return "1 layer in RAM" if count == 1 else f"{count} layers in RAM"
    if not found.expert_layers:
        return "the token embedding in RAM"
    count = len(found.expert_layers)
    return f"the experts of {count} layer{'s' if count > 1 else ''} in RAM"


def flags_words(fit: Fit, found: Offload) -> str:
    """What to type to llama.cpp."""
    case = fit.setting.case
    return " ".join([*found.flags, context_options(case.context, case.sequences)])


def _engine(setting: Setting) -> str:
    return "no engine by name (`--engine`)" if setting.engine.name == "generic" else setting.engine.name


def bound_words(value: int | None, limit: int) -> str:
    """A limit; `any` where it is beyond what anyone meets, `-` where there is none."""
    if value is None:
        return "-"
    return "any" if value >= limit else f"{value:,}"


def gib(size: Number) -> str:
    """GiB to three digits, without the unit, which stands once for several."""
    gib = float(size) / 2**30
    if abs(gib) >= 100:
        return f"{gib:,.0f}"
    return f"{gib:.1f}" if abs(gib) >= 10 else f"{gib:.2f}"
