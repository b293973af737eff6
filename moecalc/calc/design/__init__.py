"""Searching for an architecture: every candidate's figures, and those that no other beats."""
