"""How a model is spread over devices: the parallel sizes, what they multiply to, and which combinations exist.

Terms are the field's (Shoeybi et al. 2019, arXiv 1909.08053; Lepikhin et al. 2020, arXiv 2006.16668; vLLM's and
SGLang's parallelism guides):

tensor             splits matrices by heads, intermediate size and vocabulary
pipeline           splits the layers into stages
data               copies of attention, each with sequences of its own; experts are copied with them unless `expert`
                   spreads them over the copies
attention_data     the same inside a tensor-parallel group: attention is copied, all else stays split (SGLang's
                   data-parallel attention)
expert             ranks over which whole experts are dealt out
decode_context     ranks of a tensor-parallel group over which the cached tokens are dealt out
"""

from math import ceil, gcd

import msgspec

from moecalc.errors import InputError

MOST_DEVICES = 65_536
"""More than any deployment of one model: a slip of the pen."""

OPTIONS = {
    "tensor": "--tp",
    "pipeline": "--pp",
    "expert": "--ep",
    "data": "--dp",
    "attention_data": "--attention-dp",
    "decode_context": "--dcp",
}
"""Parallel sizes of a plan -> the options that say them."""

SWITCHES = {"sequence_parallel": "--sp"}
"""The same of what is on or off."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The parallel sizes of a deployment; 1 everywhere is a single device."""

    tensor: int = 1
    pipeline: int = 1
    expert: int = 1
    data: int = 1
    attention_data: int = 1
    decode_context: int = 1
    sequence_parallel: bool = False
    """Norms and residuals of a tensor-parallel group split the tokens among its ranks (activations only)."""
    redundant_experts: int = 0
    """Copies of busy experts beside the model's own, per layer (expert-parallel load balancing)."""
    stages: tuple[int, ...] = ()
    """Layers of each pipeline stage where the user chose them; empty: as even as they can be."""
    vocabulary_multiple: int = 1
    """The vocabulary is padded to a multiple of this before it is split (vLLM: 64)."""

    def __post_init__(self) -> None:
        """Refuse sizes below 1 and combinations that cannot be laid out. Raises InputError."""
        for name, option in OPTIONS.items():
            size = getattr(self, name)
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise InputError(f"`{option}` is {size!r}", hint="parallel sizes are whole numbers from 1")
        if self.devices > MOST_DEVICES:
            raise InputError(
                f"`--tp` x `--pp` x `--dp` is {self.devices:,} devices", hint=f"at most {MOST_DEVICES:,}"
            )
        self._must_divide("attention_data", self.tensor, "--tp")
        self._must_divide("decode_context", self.attention_ranks, "the ranks that share attention")
        if self.expert > 1 and self.stage_devices == 1:
            raise InputError(
                f"`--ep {self.expert}` deals experts out over the ranks of `--tp` x `--dp`, which is 1",
                hint=f"`--tp {self.expert} --ep {self.expert}` or `--dp {self.expert} --ep {self.expert}`",
            )
        self._must_divide("expert", self.stage_devices, "`--tp` x `--dp`")
        if self.redundant_experts < 0:
            raise InputError(
                f"`--redundant-experts` is {self.redundant_experts}", hint="a whole number from 0"
            )
        if self.stages and (len(self.stages) != self.pipeline or min(self.stages) < 1):
            raise InputError(
                f"{len(self.stages)} stages {self.stages} for `--pp {self.pipeline}`",
                hint="name the layers of every stage, at least 1 each: `--stages 16,15,15,15`",
            )

    def _must_divide(self, name: str, whole: int, words: str) -> None:
        size = getattr(self, name)
        if whole % size:
            raise InputError(
                f"`{OPTIONS[name]} {size}` does not divide {words} = {whole}",
                hint=f"sizes that divide it: {', '.join(map(str, divisors(whole)))}",
            )

    @property
    def devices(self) -> int:
        """Devices in all: expert and decode-context ranks are among them."""
        return self.tensor * self.pipeline * self.data

    @property
    def stage_devices(self) -> int:
        """Devices of one pipeline stage."""
        return self.tensor * self.data

    @property
    def attention_ranks(self) -> int:
        """Ranks that split the heads of one copy of attention."""
        return self.tensor // self.attention_data

    @property
    def replicas(self) -> int:
        """Copies of attention, each with sequences of its own."""
        return self.data * self.attention_data

    @property
    def expert_tensor(self) -> int:
        """Ranks that split each expert's intermediate size.

        Without expert parallelism that is the tensor-parallel group; with it, what `expert` leaves of the stage's
        devices, at most the tensor-parallel group.
        """
        if self.expert == 1:
            return self.tensor
        return gcd(self.tensor, self.stage_devices // self.expert)

    def sequences(self, batch: int) -> int:
        """Sequences of the fullest copy of attention when `batch` are spread over all."""
        return ceil(batch / self.replicas)

    def layers_of_stages(self, layers: int) -> tuple[range, ...]:
        """The layers of each pipeline stage. Raises InputError for more stages than layers.

        Uneven layers go as vLLM deals them (get_pp_indices, vllm/distributed/utils.py): one more for each stage from
        the last but one backwards, since the last has the head and the first the embedding.
        """
        if self.pipeline > layers:
            raise InputError(
                f"`--pp {self.pipeline}` is more stages than {layers} layers", hint=f"at most `--pp {layers}`"
            )
        sizes = list(self.stages)
        if sizes and sum(sizes) != layers:
            raise InputError(
                f"stages {tuple(sizes)} hold {sum(sizes)} layers", hint=f"the model has {layers}"
            )
        if not sizes:
            sizes = [layers // self.pipeline] * self.pipeline
            for place in range(layers % self.pipeline):
                sizes[-2 - place if self.pipeline > 1 else 0] += 1
        starts = [sum(sizes[:stage]) for stage in range(self.pipeline)]
        return tuple(range(start, start + size) for start, size in zip(starts, sizes, strict=True))

    @property
    def words(self) -> str:
        """The plan as options: `--tp 8 --ep 8`; `1 device` where nothing is split."""
        named = [
            f"{option} {getattr(self, name)}" for name, option in OPTIONS.items() if getattr(self, name) > 1
        ]
        if self.redundant_experts:
            named.append(f"--redundant-experts {self.redundant_experts}")
        named += [option for name, option in SWITCHES.items() if getattr(self, name)]
        return " ".join(named) or "1 device"

    @property
    def with_stages(self) -> str:
        """The same with the layers of uneven stages: `--pp 3 --stages 11,11,10`."""
        return f"{self.words} --stages {','.join(map(str, self.stages))}" if self.stages else self.words


def divisors(number: int) -> list[int]:
    """All whole divisors of a number, ascending."""
    return [size for size in range(1, number + 1) if number % size == 0]
