"""A model on devices: one rank's share, what fits, and what goes into RAM."""
