"""The oracle: transformers' own modules, and torch's FLOP counter around them.

Everything here asks code that nobody in this project wrote. Eager attention and eager experts are pinned,
because with the defaults FlopCounterMode counts zero for CPU sdpa attention and for grouped_mm experts.
"""

import contextlib
import inspect
import io
import logging
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache
from transformers.models.minimax.modeling_minimax import MiniMaxCache
from transformers.utils import logging as transformers_logging

transformers_logging.set_verbosity_error()
logging.getLogger("torch").setLevel(logging.ERROR)
torch.set_num_threads(1)


def build_config(config: dict[str, Any]) -> Any:
    """The reference configuration object for a config mapping with a `model_type`."""
    values = dict(config)
    return AutoConfig.for_model(values.pop("model_type"), **values)


def build_model(config: dict[str, Any], device: str = "cpu") -> torch.nn.Module:
    """The reference model with random weights (or none at all on `meta`), in float32, eager everywhere."""
    reference = build_config(config)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(
            reference, attn_implementation="eager", dtype=torch.float32, experts_implementation="eager"
        )
    # The counter's hooks stumble over views of parameters that want gradients (DBRX passes such views to a module).
    return model.eval().requires_grad_(False)


TOWERS = frozenset(
    {
        "vision_tower",
        "vision_model",
        "visual",
        "audio_tower",
        "embed_vision",
        "embed_audio",
        "embed_tokens_extend",
        "image_encoder",
        "img_temporal_embedding",
        "visual_projection",
        "vision_embed_tokens",
        "vision_embedder",
        "multi_modal_projector",
    }
)
"""What the reference's classes call the modules that turn images and sound into embeddings."""


def language_parameters(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters of the language model as the reference registers them, towers and projectors left out."""
    return {
        name: parameter for name, parameter in model.named_parameters() if TOWERS.isdisjoint(name.split("."))
    }


def prefill_flops(model: torch.nn.Module, prompt: int) -> int:
    """What FlopCounterMode counts in a plain forward pass over `prompt` tokens, all logits."""
    tokens = torch.arange(prompt)[None] % 7
    return count(lambda: model(input_ids=tokens, use_cache=False))


def decode_flops(model: torch.nn.Module, past: int) -> int:
    """What FlopCounterMode counts in one cached decode step with `past` tokens behind it."""
    cache = fill_cache(model, past)
    token = torch.zeros(1, 1, dtype=torch.long)
    return count(lambda: model(input_ids=token, use_cache=True, **{_cache_argument(model): cache}))


def fill_cache(model: torch.nn.Module, tokens: int) -> Any:
    """The reference's cache object after a prompt of `tokens` tokens."""
    prompt = torch.arange(tokens)[None] % 7
    name, cache = _cache_argument(model), _empty_cache(model)
    with torch.no_grad():
        output = model(input_ids=prompt, use_cache=True, **{name: cache})
    # RecurrentGemma fills the cache it is given and returns none.
    return getattr(output, name, cache)


def _cache_argument(model: torch.nn.Module) -> str:
    arguments = inspect.signature(model.forward).parameters
    return next((name for name in ("cache_params", "state") if name in arguments), "past_key_values")


def _empty_cache(model: torch.nn.Module) -> Any:
    """MiniMax takes no other cache than one of its own class; RWKV and xLSTM make their own."""
    if model.config.model_type in ("rwkv", "xlstm"):
        return None
    return MiniMaxCache() if model.config.model_type == "minimax" else DynamicCache(config=model.config)


def count(run: Any) -> int:
    """What FlopCounterMode counts while `run` runs."""
    with (
        torch.no_grad(),
        contextlib.redirect_stdout(io.StringIO()),
        FlopCounterMode(display=False) as counter,
    ):
        run()
    return int(counter.get_total_flops())


def cache_elements(cache: Any) -> int:
    """Elements of every floating tensor in the reference's cache, each storage once (K may be V)."""
    tensors: dict[int, torch.Tensor] = {}
    seen: set[int] = set()

    def visit(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            if value.is_floating_point() and value.numel():
                tensors[value.data_ptr()] = value
        elif id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, dict):
                inner: Any = value.values()
            elif isinstance(value, list | tuple):
                inner = value
            elif type(value).__module__.startswith("transformers."):
                inner = vars(value).values()
            else:
                return
            for item in inner:
                visit(item)

    # MiniMax keeps its recurrent states beside the layers.
    visit([cache.layers, getattr(cache, "linear_cache", [])] if hasattr(cache, "layers") else cache)
    return sum(tensor.numel() for tensor in tensors.values())
