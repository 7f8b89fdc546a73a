"""`ratoon bench refresh`: what a chain of refreshes is worth and costs, on sets in order of time."""

from ratoon.bench.refreshes.measuring import draw, kept, measure

__all__ = ["draw", "kept", "measure"]
