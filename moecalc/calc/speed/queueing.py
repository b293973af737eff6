"""How long a prompt waits for those before it: requests under way in a closed loop, each replaced as it ends.

A copy of attention reads prompts one after another; between its prompt and its end a request is away, decoding.
That is a closed network of one queue and one delay, and mean value analysis of it is exact (Reiser and Lavenberg 1980,
"Mean-Value Analysis of Closed Multichain Queuing Networks", doi:10.1145/322186.322195): with n requests under way, a
prompt that comes finds the queue as n - 1 would have left it.
"""

import msgspec


class Queue(msgspec.Struct, frozen=True):
    """What a prompt meets on average."""

    wait_seconds: float
    """Until its own reading begins."""
    per_second: float
    """Prompts read per second, and so requests that end."""


def closed_queue(service_seconds: float, away_seconds: float, requests: int) -> Queue:
    """The queue of `requests` under way, each of which takes `service_seconds` in turn and is `away_seconds` between.

    Raises ValueError where there is no request or a time is not positive.
    """
    if requests < 1 or service_seconds <= 0 or away_seconds < 0:
        raise ValueError("a queue needs a request, a service that takes time, and no negative time away")
    waiting = response = per_second = 0.0
    for under_way in range(1, requests + 1):
        response = service_seconds * (1 + waiting)
        per_second = under_way / (response + away_seconds)
        waiting = per_second * response
    return Queue(response - service_seconds, per_second)
