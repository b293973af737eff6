"""SGLang's `expert_distribution_recorder_*.pt`, and a tensor of counts or choices by itself.

Three forms (sglang/srt/eplb/expert_distribution.py, read 2026-11-23): `--expert-distribution-recorder-mode stat`
writes `logical_count` [steps, layers, experts]; `per_pass` writes `records` with `global_physical_count` [layers,
slots] each; `per_token` adds `topk_ids_of_layer` [layers, tokens, 8], padded with -1. Slots are turned into experts
by `last_physical_to_logical_map`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moecalc.errors import InputError
from moecalc.sources.routing_records.fields import CHOICES, COUNTS, PHYSICAL, numpy

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 2**32

TORCH = "pip install 'moecalc[profile]'"


def read_torch(file: Path) -> dict[str, Any]:
    """The fields of the file, which is read without running what it may hold (`weights_only`)."""
    if file.stat().st_size > MAX_BYTES:
        raise InputError(
            f"{file.stat().st_size:,} bytes", hint="a recording of less than 4 GiB, or choices as `.npy`"
        )
    try:
        import torch
    except ImportError:
        raise InputError("files of torch need it, and it is not installed", hint=TORCH) from None
    import pickle
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of pickles it refuses next
            found = torch.load(file, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError):
        raise InputError(
            "it is no file of tensors alone, or a damaged one",
            hint="SGLang's recorder and `torch.save` write them",
        ) from None
    if isinstance(found, torch.Tensor):
        array = found.numpy()
        return {COUNTS[0] if array.ndim == 2 else CHOICES[0]: array}
    if not isinstance(found, dict):
        raise InputError(
            "it holds neither a tensor nor named ones", hint="docs/routing.md shows what is read"
        )
    if isinstance(found.get("records"), list):
        return _records(found)
    return {str(name): _plain(value) for name, value in found.items()}


def _plain(value: Any) -> Any:
    return value.numpy() if hasattr(value, "numpy") else value


def _records(found: dict[str, Any]) -> dict[str, Any]:
    """Passes put together. A pass of prompts says where each begins; in a pass of decoding each token is another's."""
    np = numpy()
    records = found["records"]
    slots = _plain(found.get(PHYSICAL[1]))
    extra = {} if slots is None else {PHYSICAL[0]: slots}
    if not records:
        raise InputError("it has no forward passes", hint="record while requests run, then dump")
    if any(record.get("rank") != records[0].get("rank") for record in records):
        extra["notes"] = ("passes of several ranks",)
    if all("topk_ids_of_layer" in record for record in records):
        parts, starts, tokens = [], [], 0
        for record in records:
            part = _plain(record["topk_ids_of_layer"]).transpose(1, 0, 2)
            lengths = record.get("extend_seq_lens") or [1] * len(part)
            starts += [tokens + sum(map(int, lengths[:at])) for at in range(len(lengths))]
            parts.append(part)
            tokens += len(part)
        chosen = np.concatenate(parts)
        width = int((chosen >= 0).any(axis=(0, 1)).sum())
        return {CHOICES[0]: chosen[:, :, : max(width, 1)], "starts": starts, **extra}
    counted = [_plain(record[COUNTS[-1]]) for record in records if COUNTS[-1] in record]
    if not counted:
        raise InputError(
            "its passes have neither counts nor choices", hint="docs/routing.md shows what is read"
        )
    return {COUNTS[0]: sum(counted[1:], start=counted[0]), **extra}
