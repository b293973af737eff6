"""moecalc's own runner: the network that is built from an architecture, whole or by its kinds of layers."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from moecalc.api.model import Model
from moecalc.errors import InputError
from moecalc.ir.rows import Kind as Stored
from moecalc.profile.measure.asked import Asked
from moecalc.profile.measure.runner import Kind, Layered, Runner
from moecalc.profile.measure.steps import Touched
from moecalc.specs.formats import Precision


class OwnRunner:
    """A network, as timing sees it."""

    name = "moecalc"

    def __init__(self, network: Any) -> None:
        self._network = network
        self._filled: Any = None
        self._kernels: tuple[str, ...] = ()
        self._experts = {
            place.index: int(block.experts)
            for place in network.built
            for block in (place.layer.ffn, place.layer.beside)
            if block is not None and hasattr(block, "experts")
        }

    def without_layers(self) -> "OwnRunner":
        """The same embeddings, final norm and head, and nothing between them."""
        return OwnRunner(self._network.without_layers())

    def parameters(self) -> Iterator[Any]:
        """Its parameters, tied ones once."""
        return (entry.tensor for entry in self._network.weights() if entry.row.kind is Stored.PARAMETER)

    def tensors(self) -> Iterator[Any]:
        """These, their scales, and its buffers."""
        return (tensor for entry in self._network.weights() for tensor in (entry.tensor, *entry.beside))

    def new_state(self, batch: int, slots: int) -> Any:
        """Every slot allocated."""
        return self._network.new_state(batch, slots)

    def fill(self, state: Any, tokens: int) -> None:
        """Random entries at first; after that only the place of the next token is set back."""
        if tokens == 0:
            state.reset()
        elif self._filled is state:
            state.length = tokens
        else:
            self._filled = state
            self._network.fill(state, tokens)

    def state_tensors(self, state: Any) -> Iterator[Any]:
        """Every slot of every layer."""
        yield from state.tensors()

    def prefill(self, ids: Any, state: Any) -> Any:
        """Logits of the last position."""
        return self._network.prefill(ids, state)

    def decode(self, ids: Any, state: Any) -> Any:
        """Logits of one new token."""
        return self._network.decode(ids, state)

    def touched(self) -> Touched | None:
        """Distinct experts that hold weights, of the last call."""
        chosen = self._network.chosen_experts()
        if not chosen:
            return None
        counted = [int((layer.unique() < self._experts[index]).sum()) for index, layer in chosen.items()]
        return Touched(
            distinct=float(sum(counted)),
            experts=sum(self._experts[index] for index in chosen),
            layers=len(counted),
        )

    def count_flops(self, call: Callable[[], object]) -> tuple[int | None, tuple[str, ...]]:
        """Matmuls and convolutions of a call, and the operations that nobody has a formula for."""
        from moecalc.profile.builder.counters import count

        counted = count(call)
        self._kernels = counted.kernels
        # A count that lacks an operation is too low, and no count.
        return None if counted.uncounted else counted.flops, counted.uncounted

    def attention_kernels(self) -> tuple[str, ...]:
        """Each that ran in the last call that was counted, and where none is fused why."""
        return self._kernels


class OwnMaker:
    """Builds networks. Raises InputError for what the builder does not build."""

    name = "moecalc"
    notes: Sequence[str] = ()

    def __init__(
        self,
        model: Model,
        asked: Asked,
        device: Any,
        dtype: Any,
        vocabulary: int,
        precision: Precision | None = None,
    ) -> None:
        from moecalc.profile.builder.plan import kinds

        self._architecture = model.architecture
        self._asked = asked
        self.device = device
        self._dtype, self._precision = dtype, precision
        self.vocabulary = vocabulary
        found = kinds(self._architecture)  # none of looped stacks; refuses what is not built
        stack = self._architecture.stacks[0]
        self.kinds = tuple(
            Kind(
                name=kind.name,
                layers=kind.layers,
                stored=1 if stack.layers[kind.name].shared else kind.layers,
            )
            for kind in found
        )
        self._routed = any(weight.pool is not None for weight in model.ledger.weights)

    def whole(self) -> Runner:
        """All layers."""
        return self._build("all")

    def with_layers_of(self, kind: Kind, layers: int) -> Layered:
        """Embeddings, final norm, head, and so many layers of a kind."""
        return self._build((kind.name,) * layers)

    def _build(self, layers: Any) -> OwnRunner:
        from moecalc.profile.builder import build

        if self._routed:
            _require_numpy()
        network = build(
            self._architecture,
            dtype=self._dtype,
            device=self.device,
            layers=layers,
            routing=self._asked.skew if self._routed else None,
            seed=self._asked.seed,
            precision=self._precision,
        )
        return OwnRunner(network.eval())


def _require_numpy() -> None:
    from importlib.util import find_spec

    if find_spec("numpy") is None:
        raise InputError(
            "experts are drawn with numpy, which is not installed",
            hint="pip install 'moecalc[profile]'",
        )
