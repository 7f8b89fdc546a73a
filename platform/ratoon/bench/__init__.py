"""Every table of the README as code, and the demo that tells the same story on one screen."""

from ratoon.bench.demo import demo
from ratoon.bench.indexes import Size as IndexSize
from ratoon.bench.serving import Size as ServeSize
from ratoon.bench.tables import Soaks, Walks, run

__all__ = ["IndexSize", "ServeSize", "Soaks", "Walks", "demo", "run"]
