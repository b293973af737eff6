"""What can be timed: a model's modules with weights of random numbers, whoever wrote them."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from moecalc.profile.measure.steps import Touched


class Runner(Protocol):
    """A model on a device, as timing sees it."""

    @property
    def name(self) -> str:
        """Whose modules run."""
        ...

    def parameters(self) -> Iterable[Any]:
        """Every parameter, tied ones once."""
        ...

    def tensors(self) -> Iterable[Any]:
        """Everything stored: parameters and buffers."""
        ...

    def new_state(self, batch: int, slots: int) -> Any:
        """An empty cache for that many sequences of at most that many tokens."""
        ...

    def fill(self, state: Any, tokens: int) -> None:
        """Make a state as if that many tokens had been read, so that the next step follows them; 0 empties it."""
        ...

    def state_tensors(self, state: Any) -> Iterable[Any] | None:
        """Everything that a cache holds."""
        ...

    def prefill(self, ids: Any, state: Any) -> Any:
        """Logits of the last position [batch, vocabulary] of new tokens [batch, tokens], which the state then holds."""
        ...

    def decode(self, ids: Any, state: Any) -> Any:
        """Logits [batch, vocabulary] of one new token for each sequence [batch, 1]."""
        ...

    def touched(self) -> Touched | None:
        """Distinct experts that the last step chose; None where there are none, or nobody counts."""
        ...

    def count_flops(self, call: Callable[[], object]) -> tuple[int | None, tuple[str, ...]]:
        """FLOPs of a call, and the operations that have no formula; None where too much of it is not seen."""
        ...

    def attention_kernels(self) -> tuple[str, ...]:
        """Kernels that computed attention in the last call that was counted; none where nobody knows."""
        ...


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One distinct kind of layer."""

    name: str
    layers: int
    """How many of it the whole model runs."""
    stored: int
    """How many of it the whole model stores: 1 where it is the same one wherever it stands."""


class Layered(Runner, Protocol):
    """A runner whose layers can be left out."""

    def without_layers(self) -> Runner:
        """The same embeddings, final norm and head, and nothing between them."""
        ...


def stored_bytes(tensors: Iterable[Any]) -> int:
    """Bytes of tensors, each storage once."""
    storages = {(t.untyped_storage().data_ptr(), t.device): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def elements(tensors: Iterable[Any]) -> int:
    """Elements of tensors."""
    return sum(t.numel() for t in tensors)
