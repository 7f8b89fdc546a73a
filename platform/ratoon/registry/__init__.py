"""What is published, and the only writer of CURRENT."""

from ratoon.registry.files import FileRegistry
from ratoon.registry.notes import Refusal

__all__ = ["FileRegistry", "Refusal"]
