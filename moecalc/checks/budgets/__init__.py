"""Budgets: limits on a model's figures, kept in a file beside the code and checked like a bundle's size."""
