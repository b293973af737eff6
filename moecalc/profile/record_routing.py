"""Record which experts a transformers model chooses: prompts run through a model directory, its routers watched.

transformers names its router classes itself, for `output_router_logits` (`_can_record_outputs`), so that no family has
to be known here: a router answers with its logits, the weights of the chosen experts and their indices.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moecalc.errors import InputError
from moecalc.specs.recordings import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

INSTALL = "pip install 'moecalc[transformers]'"

MAX_TOKENS = 8192
"""Of one prompt, unless said otherwise: longer ones are cut, and it is said."""


class Watch:
    """What the routers of one model choose, call after call."""

    def __init__(self, names: Sequence[str]) -> None:
        """`names` are the routers' places in the model, in the order of its layers."""
        self.names = list(names)
        self._chosen: dict[str, list[Tensor]] = {name: [] for name in names}
        self._probability: dict[str, Any] = {}
        self._z: dict[str, float] = dict.fromkeys(names, 0.0)
        self.scoring: set[str] = set()
        self.experts = 0

    def see(self, name: str, output: Any) -> None:
        """Keep one call of a router: logits [tokens, experts], weights [tokens, k], indices [tokens, k]."""
        import torch

        parts = (
            [part for part in output if isinstance(part, torch.Tensor)] if isinstance(output, tuple) else []
        )
        whole = [part for part in parts if not part.is_floating_point()]
        floating = [part for part in parts if part.is_floating_point()]
        if len(whole) != 1 or not floating:
            raise InputError(
                f"`{name}` does not answer with logits and the experts it chose",
                hint="this model's routers are not understood: write its choices to an npz file instead",
            )
        chosen = whole[0].reshape(-1, whole[0].shape[-1])
        logits = floating[0].reshape(-1, floating[0].shape[-1]).double()
        if logits.shape[0] != chosen.shape[0] or logits.shape[1] < chosen.shape[1]:
            raise InputError(
                f"`{name}` answers with logits of shape {list(logits.shape)}", hint="unlike any router known"
            )
        weights = floating[-1].reshape(-1, floating[-1].shape[-1])
        scoring = "softmax"
        if weights.shape == chosen.shape:
            scoring = _scoring(logits, chosen, weights.double())
            # Some families leave the chosen unsorted: best first is by weight.
            chosen = chosen.gather(-1, weights.float().argsort(dim=-1, descending=True, stable=True))
        self.scoring.add(scoring)
        self.experts = logits.shape[1]
        self._chosen[name].append(chosen.to("cpu", torch.int32))
        self._probability[name] = self._probability.get(name, 0) + _scores(logits, scoring).sum(0).cpu()
        self._z[name] += float(logits.logsumexp(-1).square().sum())

    def recording(self, source: str, starts: Sequence[int], notes: Sequence[str] = ()) -> Recording:
        """Everything seen, as one recording. Layers are counted by the number in their router's place."""
        import torch

        seen = [torch.cat(self._chosen[name]) for name in self.names]
        if len({layer.shape for layer in seen}) != 1:
            raise InputError(
                "layers choose different numbers of experts, or not for every token",
                hint="one recording is of layers that route alike",
            )
        tokens = len(seen[0])
        numbers = [
            next((int(part) for part in name.split(".") if part.isdigit()), at)
            for at, name in enumerate(self.names)
        ]
        return Recording(
            source=source,
            experts=self.experts,
            layer_names=tuple(numbers) if len(set(numbers)) == len(numbers) else tuple(range(len(numbers))),
            choices=torch.stack(seen, 1).numpy(),
            starts=tuple(starts),
            mean_probability=tuple(tuple((self._probability[name] / tokens).tolist()) for name in self.names),
            z_loss=tuple(self._z[name] / tokens for name in self.names),
            notes=(*notes, f"router probabilities: {' and '.join(sorted(self.scoring))} of the logits"),
        )


@contextmanager
def watching(model: Any) -> Iterator[Watch]:
    """Watch all routers of a transformers model. Raises InputError where it has none that can be watched."""
    classes = _router_classes(model)
    found: list[tuple[str, Any]] = (
        [(name, module) for name, module in model.named_modules() if isinstance(module, classes)]
        if classes
        else []
    )
    if not found:
        raise InputError(
            "no router to watch in this model",
            hint="a mixture-of-experts model whose class in transformers records `router_logits`",
        )
    watch = Watch([name for name, _ in found])

    def hook(name: str) -> Callable[[Any, Any, Any], None]:
        def seen(_module: Any, _inputs: Any, output: Any) -> None:
            watch.see(name, output)

        return seen

    handles = [module.register_forward_hook(hook(name)) for name, module in found]
    try:
        yield watch
    finally:
        for handle in handles:
            handle.remove()


def record(directory: str | Path, prompts: str | Path, max_tokens: int = MAX_TOKENS) -> Recording:
    """The choices for every prompt of a text file (one a line), one pass each, from a model's directory.

    Raises InputError where something is missing, or the model has no router.
    """
    folder, texts = Path(directory), _prompts(Path(prompts))
    if not (folder / "config.json").is_file():
        raise InputError(
            f"`{folder}` is no directory of a transformers model",
            hint="`--record` runs a model that you have: a directory with `config.json`, weights and a tokenizer",
        )
    try:
        import torch
        import transformers
    except ImportError:
        raise InputError(
            "`--record` needs torch and transformers, which are not installed", hint=INSTALL
        ) from None
    try:
        with _without_bars():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, dtype="auto"
            )
    except (OSError, ValueError, KeyError, ImportError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(
            f"transformers cannot load `{folder}`: {said[0][:200]}",
            hint="it needs weights and a tokenizer beside them",
        ) from None
    model.eval()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    starts, tokens, cut = [], 0, 0
    with torch.no_grad(), watching(model) as watch:
        for text in texts:
            ids = tokenizer(text, return_tensors="pt").input_ids
            cut += ids.shape[1] > max_tokens
            ids = ids[:, :max_tokens]
            if not ids.shape[1]:
                continue
            starts.append(tokens)
            tokens += ids.shape[1]
            model(input_ids=ids.to(device), use_cache=False)
    if not starts:
        raise InputError(f"`{prompts}` has no token", hint="a text file with a prompt on each line")
    notes = [f"transformers {transformers.__version__} on {device}, {len(starts):,} prompts in one pass each"]
    if cut:
        notes.append(f"{cut:,} prompts cut to {max_tokens:,} tokens")
    return watch.recording(str(folder), starts, notes)


@contextmanager
def _without_bars() -> Iterator[None]:
    """The library's own bars would stay in the terminal above the answer."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def check_target(file: str | Path) -> None:
    """Raise InputError for a file that a recording cannot be written to: to be known before the model runs."""
    path = Path(file)
    if path.suffix != ".npz":
        raise InputError(
            f"`{file}` is no npz file", hint="choices are stored as npz: `--record-to choices.npz`"
        )
    if path.exists():
        raise InputError(f"`{file}` exists already", hint="`--record-to` writes a new file")
    if not path.parent.is_dir():
        raise InputError(f"cannot write `{file}`: no such directory", hint="name a file in one that exists")


def save(recording: Recording, file: str | Path) -> None:
    """Write a recording as npz, which `read_recording` maps. Raises InputError where it cannot be written."""
    import numpy as np

    check_target(file)
    path = Path(file)
    try:
        with path.open("xb") as stream:
            np.savez(
                stream,
                choices=recording.array.astype(np.int16 if recording.experts <= 2**15 else np.int32),
                starts=np.asarray(recording.starts),
                experts=recording.experts,
                layers=np.asarray(recording.layer_names),
                mean_probability=np.asarray(recording.mean_probability),
                z_loss=np.asarray(recording.z_loss),
            )
    except FileExistsError:
        raise InputError(f"`{file}` exists already", hint="`--record-to` writes a new file") from None
    except OSError as error:
        raise InputError(f"cannot write `{file}`: {(error.strerror or str(error)).lower()}") from None


def _scores(logits: Tensor, scoring: str) -> Tensor:
    """Each expert's probability; sigmoids are made to add up to 1 (DeepSeek-V3, arXiv:2412.19437, equation 20)."""
    if scoring == "softmax":
        return logits.softmax(-1)
    scores = logits.sigmoid()
    return scores / scores.sum(-1, keepdim=True)


def _scoring(logits: Tensor, chosen: Tensor, weights: Tensor) -> str:
    """How the router turns logits into the weights that it gave: whichever of two ways comes nearer."""
    given = weights / weights.sum(-1, keepdim=True)

    def distance(scoring: str) -> float:
        ours = _scores(logits, scoring).gather(-1, chosen)
        return float((ours / ours.sum(-1, keepdim=True) - given).abs().sum())

    return min(("softmax", "sigmoid"), key=distance)


def _router_classes(model: Any) -> tuple[type, ...]:
    """The classes that transformers itself watches for `router_logits`."""
    found = set()
    for module in model.modules():
        recorded = getattr(type(module), "_can_record_outputs", None) or {}
        named = recorded.get("router_logits")
        for one in named if isinstance(named, list | tuple) else [named]:
            target = getattr(one, "target_class", one)
            if isinstance(target, type):
                found.add(target)
    return tuple(found)


def _prompts(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(
            f"cannot read `{file}`: {reason.lower()}", hint="a text file with a prompt on each line"
        ) from None
    found = [line for line in lines if line.strip()]
    if not found:
        raise InputError(f"`{file}` has no prompt", hint="a text file with a prompt on each line")
    return found
