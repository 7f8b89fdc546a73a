"""`ratoon bench refresh`: what a chain of refreshes is worth and costs, on sets in order of time."""

from ratoon.bench.refreshes.keeping import draw, kept
from ratoon.bench.refreshes.measuring import Size, measure

__all__ = ["Size", "draw", "kept", "measure"]
