"""What `fit` was asked, and under which engine each quantization is tried."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from moecalc.api.engine_rules import (
    by_layers,
    cache_of,
    check_plan,
    has_cells,
    is_mixture,
    known_model,
    lookups_in_ram,
    share_of,
)
from moecalc.api.precision import RELEASED, precision_for
from moecalc.calc.deploy.budget import Holding, Rules
from moecalc.calc.deploy.case import Case
from moecalc.calc.deploy.fitted import Setting
from moecalc.calc.deploy.fitting import best_holding
from moecalc.calc.deploy.ranks import LOADED, Sharded
from moecalc.calc.deploy.shards import Shards
from moecalc.calc.routing.experts import pools_of
from moecalc.calc.serving.rules import EngineRules
from moecalc.calc.serving.serving import Scheduler
from moecalc.errors import UndeterminedError
from moecalc.ir.roles import Component
from moecalc.specs.engines import Engine, Tier, find_engine
from moecalc.specs.fleet import Fleet
from moecalc.specs.formats import Precision
from moecalc.specs.hardware import Accelerator
from moecalc.specs.plan import Plan
from moecalc.specs.workload import check_length

TRIED = (RELEASED, "bf16", "fp8", "q8_0", "q6_k", "q5_k_m", "awq", "q4_k_m", "iq4_xs", "q3_k_m", "q2_k")
"""Quantizations that are tried where none is named, each a recipe or a mixture people download."""

LLAMA_CPP = "llama.cpp"


class Asked:
    """A model, and the questions that every quantization and device answers."""

    def __init__(
        self,
        model: Any,
        *,
        context: int | None,
        sequences: int,
        kv_dtype: str | None,
        utilization: Fraction | float | None,
        engine: str | None,
        layout_required: bool = False,
    ) -> None:
        """With `layout_required` an engine that was named must have a known layout for the model's state.

        Otherwise, and where no engine was named, state counts as the architecture needs it where that is not known.
        """
        check_length("sequences", sequences)
        self.model = known_model(model)
        self.workload = self.model.workload(context=context, batch=sequences)
        self._kv_dtype = kv_dtype
        self._utilization = utilization
        self._engine = find_engine(engine) if engine is not None else None
        self._layout_required = layout_required and engine is not None
        self._shards: dict[tuple[tuple[Component, ...], int], Shards] = {}
        self._precisions: dict[str, Precision] = {}
        self._rules: dict[tuple[object, ...], Rules | None] = {}

    @property
    def left_out_words(self) -> tuple[str, ...]:
        """What keeps mixtures from being tried beside what was asked for, where something that was typed does."""
        if self._engine is not None or self._utilization is None:
            return ()
        return (
            f"GGUF mixtures are left out: {LLAMA_CPP} has no share of memory to be told (`--gpu-memory-utilization`)",
        )

    def precision(self, quant: str) -> Precision:
        """How the weights are stored. Raises InputError as `precision_for` does."""
        if quant not in self._precisions:
            self._precisions[quant] = precision_for(self.model, quant)
        return self._precisions[quant]

    def engine(self, quant: str) -> Engine:
        """The engine that was named; else llama.cpp for one of its mixtures, and no engine by name for the rest."""
        return self._engine or find_engine(LLAMA_CPP if is_mixture(quant) else "generic")

    def setting(self, quant: str, devices: Sequence[Accelerator], engine: Engine | None = None) -> Setting:
        """Under which rules a quantization is tried on such devices; `engine` stands in for the one that was asked for.

        Raises InputError where the engine has no cache in the format that was asked for, or no share of memory to
        be told; UndeterminedError where its layout of state is needed and not known.
        """
        chosen = (engine or self.engine(quant)).on(devices)
        instead = engine is not None and engine.utilization is None
        sizes = [
            (size.bytes if size else 0, device) for device in devices for size in [device.usable_bytes()]
        ]
        least, device = min(sizes, key=lambda pair: pair[0], default=(0, None))
        tier = chosen.tier(least, device.name if device else "")
        share = share_of(None if instead else self._utilization, chosen)
        cache = cache_of(self.model, chosen, self._kv_dtype)
        return Setting(
            engine=chosen,
            workload=self.workload,
            utilization=share,
            case=Case(
                kv_dtype=cache,
                context=self.workload.context,
                sequences=self.workload.batch,
                prefill_chunk=tier.batched_tokens,
                logits_of_chunk=has_cells(chosen),
                layers_only=by_layers(chosen),
                lookups_in_ram=lookups_in_ram(chosen, tuple(devices)),
                rules=self._rules_of(chosen, tier, cache),
            ),
            mixture=bool(pools_of(self.model.ledger)),
        )

    def shards(self, setting: Setting) -> Shards:
        """The model's shards as the engine loads it: llama.cpp's towers are a file of their own."""
        key = self._components(setting.engine), _vocabulary_multiple(setting.engine)
        if key not in self._shards:
            self._shards[key] = Shards(self.model.ledger, *key)
        return self._shards[key]

    def holding(self, setting: Setting, fleet: Fleet, quant: str, plan: Plan | None) -> Holding:
        """The model under the plan, or under the best of those that the devices allow.

        Raises InputError for a plan that has other devices or that the engine does not run.
        """
        shards, precision = self.shards(setting), self.precision(quant)
        if plan is None:
            return best_holding(shards, precision, setting.room(fleet), setting.case)
        check_plan(self.model, setting.engine, plan, fleet)
        return setting.case.holding(shards.sharded(plan), precision)

    def _rules_of(self, engine: Engine, tier: Tier, kv_dtype: str) -> Rules | None:
        if engine.reservation.rule == "logical":
            return None
        key = engine.name, engine.overheads.tiles, tier, kv_dtype
        if key not in self._rules:
            self._rules[key] = self._made_rules(engine, tier, kv_dtype)
        return self._rules[key]

    def _made_rules(self, engine: Engine, tier: Tier, kv_dtype: str) -> Rules | None:
        scheduler = Scheduler(
            context=self.workload.context,
            sequences=min(tier.sequences, tier.batched_tokens),
            batched_tokens=tier.batched_tokens,
            utilization=Fraction(1),
        )
        rules = EngineRules(engine, scheduler)
        whole = Sharded(ledger=self.model.ledger, plan=Plan(), components=self._components(engine))
        try:
            rules.state_bytes(whole, 0, 1, kv_dtype, 1)
        except UndeterminedError:
            if self._layout_required and self._engine is not None and engine.name == self._engine.name:
                raise
            return None
        return rules

    def _components(self, engine: Engine) -> tuple[Component, ...]:
        return (Component.LANGUAGE,) if has_cells(engine) else LOADED


def _vocabulary_multiple(engine: Engine) -> int:
    return engine.vocabulary_multiple.value if engine.vocabulary_multiple else 1
