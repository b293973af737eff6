"""Timing of real prefill and decode steps, held against what was computed of them."""
