"""How fast: what a step reads, the ceiling that follows, and what engines were measured to reach."""
