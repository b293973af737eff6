"""A model as torch modules, built from its architecture, with random weights. Importing it imports torch."""

from moecalc.profile.builder.network import Network, build
from moecalc.profile.builder.numerics import Numerics

__all__ = ["Network", "Numerics", "build"]
