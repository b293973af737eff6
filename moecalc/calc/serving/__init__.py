"""A serving engine's budget: what it takes, how it reserves state, and the words of its log."""
