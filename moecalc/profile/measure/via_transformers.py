"""`--via transformers`: that library's own module of a config, with the weights it starts training from."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from moecalc.errors import InputError
from moecalc.profile.measure.device import import_torch
from moecalc.profile.measure.torch_errors import first_line, is_out_of_memory

CHUNK = 2048
"""Tokens that a cache is filled with at once."""


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """The library's warnings left out: ids of special tokens that a config leaves at their defaults decide no size."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


class _State:
    """A cache of the library, for how many sequences, and how many tokens of each it has seen."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.cache: Any = None
        self.tokens = 0


class TransformersRunner:
    """The library's module. Its states are filled by real prefill: what a cache holds is the library's own affair."""

    def __init__(self, config: Mapping[str, Any], device: Any, dtype: Any, seed: int) -> None:
        """Raise InputError where the library is not installed, or cannot build the config."""
        torch = import_torch()
        try:
            import transformers
        except ImportError:
            raise InputError(
                "`--via transformers` needs the transformers library",
                hint="pip install 'moecalc[transformers]'",
            ) from None
        self._torch = torch
        self._device = device
        self.name = f"transformers {transformers.__version__}"
        values = dict(config)
        model_type = values.pop("model_type", None)
        torch.manual_seed(seed)
        try:
            with _quiet(transformers.logging):
                reference = transformers.AutoConfig.for_model(model_type, **values)
                with torch.device(device):
                    made = transformers.AutoModelForCausalLM.from_config(
                        reference, dtype=dtype, trust_remote_code=False
                    )
        except Exception as error:
            if is_out_of_memory(error):
                raise
            # Whatever the library raises about a config is an answer to the user, not a fault of ours.
            reason = first_line(error).split(". ")[0]
            raise InputError(
                f"{self.name} cannot build `{model_type}`: {reason[:200]}",
                hint="leave `--via` out: moecalc's own runner builds models from their architecture",
            ) from error
        self._model = made.eval()
        text = reference.get_text_config()
        self.vocabulary = int(text.vocab_size)

    def parameters(self) -> Iterator[Any]:
        """Its parameters: the library ties what is tied."""
        yield from self._model.parameters()

    def tensors(self) -> Iterator[Any]:
        """What its checkpoint would hold."""
        yield from self._model.state_dict().values()

    def new_state(self, batch: int, slots: int) -> _State:  # noqa: ARG002 - its caches grow as they are filled
        """An empty cache."""
        return _State(batch)

    def fill(self, state: _State, tokens: int) -> None:
        """Read tokens where there are too few; cut the cache where there are too many and it can be cut."""
        if tokens == 0:
            state.cache, state.tokens = None, 0
        if state.tokens > tokens:
            try:
                state.cache.crop(tokens)
            except (AttributeError, NotImplementedError, RuntimeError, ValueError):
                return  # a recurrent state, or a window that has gone round: it keeps its few tokens more
            state.tokens = tokens
        while state.tokens < tokens:
            new = min(CHUNK, tokens - state.tokens)
            ids = self._torch.randint(self.vocabulary, (state.batch, new), device=self._device)
            self.prefill(ids, state)

    def state_tensors(self, state: _State) -> Iterable[Any] | None:
        """All tensors that the cache's layers hold; None of a cache that is not made of layers."""
        layers = getattr(state.cache, "layers", None)
        if layers is None:
            return None
        return [value for layer in layers for value in vars(layer).values() if self._torch.is_tensor(value)]

    def prefill(self, ids: Any, state: _State) -> Any:
        """Logits of the last position."""
        made = self._model(input_ids=ids, past_key_values=state.cache, use_cache=True, logits_to_keep=1)
        state.cache = made.past_key_values
        state.tokens += ids.shape[1]
        return made.logits[:, -1]

    def decode(self, ids: Any, state: _State) -> Any:
        """Logits of one new token."""
        return self.prefill(ids, state)

    def touched(self) -> None:
        """Nobody counts what the library's routers choose."""

    def count_flops(self, call: Callable[[], object]) -> tuple[None, tuple[str, ...]]:  # noqa: ARG002 - see below
        """Not counted: torch has no formula for the kernels that the library runs attention and experts by."""
        return None, ()

    def attention_kernels(self) -> tuple[str, ...]:
        """The library chooses them, and says nothing."""
        return ()
