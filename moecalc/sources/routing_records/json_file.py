"""JSON: arrays by name, SGLang's counts, and vLLM's responses with the experts that each token was routed to."""

from __future__ import annotations

import base64
import binascii
import io
import json
from typing import TYPE_CHECKING, Any

from moecalc.errors import InputError
from moecalc.sources.json_objects import unique_keys
from moecalc.sources.routing_records.fields import CHOICES, COUNTS, numpy

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 2**28
"""Of text; more is read from npy files."""

PROMPT, ROUTED = "prompt_routed_experts", "routed_experts"
"""vLLM's, with --enable-return-routed-experts: [tokens, layers, top_k] as lists or as base64 of an npy file
(docs.vllm.ai/en/v0.21.0/training/routed_experts_replay, read 2026-11-23)."""

HINT = "counts as [[...], ...], or an object with `counts`, `choices` or vLLM's `routed_experts`: docs/routing.md"


def read_json(file: Path) -> dict[str, Any]:
    """The fields of the document, or of the responses that stand a line each in a `.jsonl`."""
    size = file.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f"{size:,} bytes of text", hint="store so many choices as `.npy`: it is mapped, not read"
        )
    raw = file.read_bytes()
    try:
        if file.suffix.lower() == ".jsonl":
            lines = [line for line in raw.splitlines() if line.strip()]
            return _responses([json.loads(line, object_pairs_hook=unique_keys) for line in lines])
        document = json.loads(raw, object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("it is no JSON that can be read", hint=HINT) from None
    return _document(document)


def _document(document: Any) -> dict[str, Any]:
    if isinstance(document, list):
        if document and isinstance(document[0], dict):
            return _responses(document)
        deep = document and isinstance(document[0], list) and document[0] and isinstance(document[0][0], list)
        return {CHOICES[0] if deep else COUNTS[0]: document}
    if not isinstance(document, dict):
        raise InputError("a single value is no recording", hint=HINT)
    choices = document.get("choices")
    if PROMPT in document or (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
        return _responses([document])
    return document


def _responses(responses: list[Any]) -> dict[str, Any]:
    """Responses of vLLM, one after the other: the prompt of each, then each of its completions, which begin anew."""
    np = numpy()
    parts: list[Any] = []
    starts: list[int] = []
    tokens = 0
    for response in responses:
        if not isinstance(response, dict):
            raise InputError("a response is no object", hint=HINT)
        prompt = _tokens(response.get(PROMPT))
        completions = [
            _tokens(choice.get(ROUTED)) for choice in response.get("choices", ()) if isinstance(choice, dict)
        ]
        joined = [prompt, *completions[:1]]
        for sequence in (joined, *([completion] for completion in completions[1:])):
            present = [part for part in sequence if part is not None and len(part)]
            if present:
                starts.append(tokens)
                parts += present
                tokens += sum(map(len, present))
    if not parts:
        raise InputError(
            "no response says which experts its tokens were routed to",
            hint="start vLLM with `--enable-return-routed-experts`",
        )
    if len({part.shape[1:] for part in parts}) > 1:
        raise InputError("responses of different layers or top-k", hint="record one model at a time")
    return {CHOICES[0]: np.concatenate(parts), "starts": starts}


def _tokens(routed: Any) -> Any:
    """[tokens, layers, top_k] of one part of a response; None where it has none."""
    if routed is None:
        return None
    np = numpy()
    if isinstance(routed, str):
        try:
            array = np.load(io.BytesIO(base64.b64decode(routed, validate=True)), allow_pickle=False)
        except (binascii.Error, ValueError, EOFError, OSError):
            raise InputError("`routed_experts` is no base64 of an npy file", hint=HINT) from None
    else:
        try:
            array = np.asarray(routed)
        except ValueError:
            raise InputError("`routed_experts` has rows of different lengths", hint=HINT) from None
    if array.ndim != 3:
        raise InputError(
            f"`routed_experts` of shape {list(array.shape)}", hint="it is [tokens, layers, top_k]"
        )
    return array
