"""How a training run is laid over devices: the plan of a deployment, and what only training has.

Megatron-LM's groups: tensor x pipeline x context x data ranks are all devices; the experts of a stage are dealt out
over the same tensor x context x data ranks as expert x expert-tensor x expert-data ones (parallel folding,
arXiv 2504.14960).
"""

from typing import Any, Literal

from moecalc.errors import InputError
from moecalc.specs.plan import Plan, divisors

Zero = Literal[0, 1, 2, 3]


class TrainingPlan(Plan, frozen=True, kw_only=True):
    """The parallel sizes of a training run. `data` counts data x context ranks: all that hold the same weights."""

    context: int = 1
    """Ranks that share the tokens of a sequence."""
    virtual: int = 1
    """Pieces of the model on each pipeline stage (interleaved schedule, arXiv 2104.04473, section 2.2)."""
    expert_tensor_ranks: int | None = None
    """Ranks that split each expert's matrices; None for what a deployment of the same sizes would use."""
    zero: int = 1
    """0: all replicated; 1: optimizer states and master weights split over the data ranks (Megatron-LM's distributed
    optimizer); 2: gradients too; 3: weights too (ZeRO, arXiv 1910.02054)."""

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be laid out, naming the rule. Raises InputError."""
        super().__post_init__()
        if self.zero not in {0, 1, 2, 3}:
            raise InputError(
                f"`--zero` is {self.zero}", hint="0, 1 (optimizer), 2 (and gradients) or 3 (and weights)"
            )
        for option, size in (("--cp", self.context), ("--vpp", self.virtual), ("--etp", self.expert_tensor)):
            if size < 1:
                raise InputError(f"`{option}` is {size}", hint="parallel sizes are whole numbers from 1")
        if self.virtual > 1 and self.pipeline == 1:
            raise InputError(
                f"`--vpp {self.virtual}` interleaves pipeline stages, and there is one",
                hint="add `--pp 4`, say",
            )
        ranks = self.stage_devices
        if self.expert * self.expert_tensor > ranks or ranks % (self.expert * self.expert_tensor):
            raise InputError(
                f"`--ep {self.expert}` x `--etp {self.expert_tensor}` does not divide the {ranks} ranks of a stage "
                "(`--tp` x `--cp` x data)",
                hint=f"sizes that divide it: {', '.join(map(str, divisors(ranks)))}",
            )

    @property
    def expert_tensor(self) -> int:
        """Ranks that split each expert's matrices."""
        if self.expert_tensor_ranks is not None:
            return self.expert_tensor_ranks
        return super().expert_tensor

    @property
    def copies(self) -> int:
        """Copies of the model: each works on microbatches of its own."""
        return self.data // self.context

    @property
    def expert_data(self) -> int:
        """Ranks of a stage that hold the same experts."""
        return self.stage_devices // (self.expert * self.expert_tensor)

    @property
    def stream_ranks(self) -> int:
        """Ranks that share the tokens of norms and the residual stream, beside context parallelism."""
        return self.tensor if self.sequence_parallel else 1

    @property
    def words(self) -> str:
        """The plan as options, data ranks derived from the rest."""
        sizes = {
            "--tp": self.tensor,
            "--pp": self.pipeline,
            "--vpp": self.virtual,
            "--cp": self.context,
            "--ep": self.expert,
            "--etp": self.expert_tensor if self.expert > 1 else 1,
        }
        named = [f"{option} {size}" for option, size in sizes.items() if size > 1]
        return " ".join([*named, f"--zero {self.zero}"])

    @property
    def pieces(self) -> Plan:
        """The cut through the layers alone, every piece of an interleaved pipeline as a stage of its own."""
        return Plan(pipeline=self.pipeline * self.virtual, stages=self.stages)


def training_plan(
    devices: int,
    *,
    tensor: int = 1,
    pipeline: int = 1,
    context: int = 1,
    expert: int = 1,
    expert_tensor: int | None = None,
    virtual: int = 1,
    stages: tuple[int, ...] = (),
    sequence_parallel: bool | None = None,
    zero: int = 1,
) -> TrainingPlan:
    """The plan of a run on so many devices; the data ranks are what the other sizes leave.

    Sequence parallelism is on wherever tensor parallelism is, unless told otherwise. Raises InputError for sizes
    that do not divide, naming the rule.
    """
    for option, size in (("--tp", tensor), ("--pp", pipeline), ("--cp", context)):
        if size < 1:
            raise InputError(f"`{option}` is {size}", hint="parallel sizes are whole numbers from 1")
    group = tensor * pipeline * context
    if devices % group:
        raise InputError(
            f"`--tp {tensor}` x `--pp {pipeline}` x `--cp {context}` = {group} does not divide {devices:,} devices",
            hint="the devices are tensor x pipeline x context x data ranks",
        )
    ranks = devices // pipeline
    if expert < 1 or ranks % expert:
        raise InputError(
            f"`--ep {expert}` does not divide the {ranks:,} ranks of a stage (`--tp` x `--cp` x data)",
            hint=f"sizes that divide it: {', '.join(map(str, divisors(ranks)))}",
        )
    sizes: dict[str, Any] = {"tensor": tensor, "pipeline": pipeline, "context": context, "expert": expert}
    return TrainingPlan(
        **sizes,
        data=devices // group * context,
        expert_tensor_ranks=expert_tensor,
        virtual=virtual,
        stages=stages,
        sequence_parallel=tensor > 1 if sequence_parallel is None else sequence_parallel,
        zero=zero,
    )
