"""What `fit` was asked, and under which engine each quantization is tried."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from moecalc.api.loading import load
from moecalc.api.model import Model, StatedModel
from moecalc.api.precision import RELEASED, precision_for
from moecalc.calc.deploy.fitted import Setting
from moecalc.calc.deploy.fitting import Case, Shards
from moecalc.calc.deploy.ranks import LOADED
from moecalc.errors import InputError, UndeterminedError
from moecalc.ir.roles import Component
from moecalc.specs.engines import Engine, find_engine
from moecalc.specs.formats import Precision
from moecalc.specs.gguf_mixtures import find_mixture
from moecalc.specs.hardware import Accelerator
from moecalc.specs.kv_formats import kv_format
from moecalc.specs.recipes import find_recipe
from moecalc.specs.workload import check_length

TRIED = (RELEASED, "bf16", "fp8", "q8_0", "q6_k", "q5_k_m", "awq", "q4_k_m", "iq4_xs", "q3_k_m", "q2_k")
"""Quantizations that are tried where none is named, each a recipe or a mixture people download."""

LLAMA_CPP = "llama.cpp"

_SHARES_MEMORY = frozenset({"unified", "cpu"})
"""Kinds of device whose memory is the host's."""


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
    ) -> None:
        check_length("sequences", sequences)
        self.model = _known(model)
        self.workload = self.model.workload(context=context, batch=sequences)
        self._kv_dtype = kv_dtype
        self._utilization = utilization
        self._engine = find_engine(engine) if engine is not None else None
        self._shards: dict[tuple[tuple[Component, ...], int], Shards] = {}
        self._precisions: dict[str, Precision] = {}

    def precision(self, quant: str) -> Precision:
        """How the weights are stored. Raises InputError as `precision_for` does."""
        if quant not in self._precisions:
            self._precisions[quant] = precision_for(self.model, quant)
        return self._precisions[quant]

    def engine(self, quant: str) -> Engine:
        """The engine that was named; else llama.cpp for one of its mixtures, and no engine by name for the rest."""
        return self._engine or find_engine(LLAMA_CPP if is_mixture(quant) else "generic")

    def setting(self, quant: str, devices: Sequence[Accelerator], engine: Engine | None = None) -> Setting:
        """Under which rules a quantization is tried on such devices.

        Raises InputError where the engine has no cache in the format that was asked for.
        """
        chosen = engine or self.engine(quant)
        first = devices[0] if devices else None
        size = first.usable_bytes() if first else None
        tier = chosen.tier(size.bytes if size else 0, first.name if first else "")
        by_layers = "tensor" not in chosen.splits
        cells = chosen.reservation.rule == "cells"
        return Setting(
            engine=chosen,
            workload=self.workload,
            utilization=_share(self._utilization, chosen),
            case=Case(
                kv_dtype=self._cache(chosen),
                context=self.workload.context,
                sequences=self.workload.batch,
                prefill_chunk=tier.batched_tokens,
                logits_of_chunk=cells,
                layers_only=by_layers or is_mixture(quant),
                lookups_in_ram=cells and not any(shares_memory(device) for device in devices),
            ),
        )

    def shards(self, setting: Setting) -> Shards:
        """The model's shards as the engine loads it: llama.cpp's towers are a file of their own."""
        components = (Component.LANGUAGE,) if setting.engine.reservation.rule == "cells" else LOADED
        padding = setting.engine.vocabulary_multiple
        key = components, padding.value if padding else 1
        if key not in self._shards:
            self._shards[key] = Shards(self.model.ledger, *key)
        return self._shards[key]

    def _cache(self, engine: Engine) -> str:
        if self._kv_dtype is None:
            return kv_format(engine.kv_dtype or self.model.kv_name()).name
        name = self.model.kv_name(self._kv_dtype)
        if engine.kv_dtypes and name not in engine.kv_dtypes:
            raise InputError(
                f"{engine.name} has no cache in `{self._kv_dtype}`",
                hint=f"{engine.name} has {', '.join(engine.kv_dtypes)}".replace("ggml-", ""),
            )
        return name


def is_mixture(quant: str) -> bool:
    """Whether a quantization is one of llama.cpp's mixtures."""
    return quant != RELEASED and find_recipe(quant) is None and find_mixture(quant) is not None


def shares_memory(device: Accelerator) -> bool:
    """Whether the device's memory is the host's."""
    return device.kind in _SHARES_MEMORY


def _known(model: Any) -> Model:
    found = model if isinstance(model, Model | StatedModel) else load(model)
    if not isinstance(found, Model):
        raise UndeterminedError(
            f"`{found.name}` has no known architecture: what a rank holds cannot be said",
            hint=f"`moecalc show {found.name}` prints what follows from its figures",
        )
    return found


def _share(utilization: Fraction | float | None, engine: Engine) -> Fraction:
    if utilization is None:
        return Fraction(engine.utilization.value) if engine.utilization else Fraction(1)
    if isinstance(utilization, bool) or not 0 < utilization <= 1:  # nan is refused too
        raise InputError(f"`utilization` is {utilization!r}", hint="a share above 0 and at most 1, e.g. 0.9")
    return Fraction(utilization).limit_denominator(10_000)
