"""`ratoon bench serve`: what a request costs beside an empty one, and what it goes through: adoptions, floods, failures."""

from ratoon.bench.serving.measuring import ITEMS, Size, kept, measure

__all__ = ["ITEMS", "Size", "kept", "measure"]
