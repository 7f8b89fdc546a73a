"""What is seen of a release that is everybody's, and whether it has to go."""

from ratoon.serving.guard.watch import Guard

__all__ = ["Guard"]
