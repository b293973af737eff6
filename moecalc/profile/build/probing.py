"""Whether torch has an operation on a device: asked by calling it."""

from collections.abc import Callable


def answers(call: Callable[[], object]) -> bool:
    """Whether a call comes back: its operation exists, on its device and in its type."""
    try:
        call()
    except (AttributeError, RuntimeError, NotImplementedError):
        return False
    return True
