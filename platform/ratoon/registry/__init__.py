"""What is published, and the only writer of CURRENT."""

from ratoon.registry.files import FileRegistry
from ratoon.registry.notes import Refusal
from ratoon.registry.trials import Ended, Trials

__all__ = ["Ended", "FileRegistry", "Refusal", "Trials"]
