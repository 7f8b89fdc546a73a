"""Live replay into a worker and a server that are killed again and again, and what is left in the end.

bootstrap -> replay, questions and blows -> settle -> learn the same undisturbed -> compare -> one HTML file
"""

from ratoon.bench.soaking.soak import Soak, of_minutes, rows, soak

__all__ = ["Soak", "of_minutes", "rows", "soak"]
