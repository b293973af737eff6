"""What one GPU, or the host's RAM, reads in a decode step."""

import msgspec


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Of a model that lies partly in RAM."""

    name: str
    bytes: float
    expert_bytes: float
    """Of these, those of routed experts that are touched."""
    bytes_per_second: int

    @property
    def seconds(self) -> float:
        """To read them."""
        return self.bytes / self.bytes_per_second
