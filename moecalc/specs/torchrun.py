"""Whether this process is one of several that torchrun has started."""

import os


def rank_of_torchrun() -> int | None:
    """This process's rank as torchrun says it; None where it was not started so."""
    words = [os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR")]
    return int(words[0]) if all(words) and words[0].isdecimal() and words[2].isdecimal() else None
