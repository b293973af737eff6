"""Published scaling laws applied: optimal allocations of a budget, and designs beside each other at equal FLOPs."""
