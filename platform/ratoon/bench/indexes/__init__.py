"""`ratoon bench index`: what the index costs, what it answers while it changes, and what others do on the same vectors."""

from ratoon.bench.indexes.measuring import ITEMS, Size, draw, kept, measure

__all__ = ["ITEMS", "Size", "draw", "kept", "measure"]
