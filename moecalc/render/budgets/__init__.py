"""The answer of `check` in every format."""
