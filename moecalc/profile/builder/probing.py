"""Whether torch has an operation on a device, and whether it makes the host wait: asked by calling it."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def answers(call: Callable[[], object]) -> bool:
    """Whether a call comes back: its operation exists, on its device and in its type."""
    try:
        call()
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return True


@contextmanager
def refusing_to_wait(device: torch.device) -> Iterator[None]:
    """Have torch raise RuntimeError where an operation on a GPU waits for it: no graph can be made of such a one."""
    if device.type != "cuda":
        yield
        return
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the mode is a prototype, which does not find everything
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
