"""Training: FLOPs, memory per rank, and time."""
