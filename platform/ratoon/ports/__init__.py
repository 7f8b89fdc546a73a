"""The Protocols that the three flows speak, one per room they call. Nothing else."""

from ratoon.ports.index import Index, Indexes
from ratoon.ports.learning import Features, Lesson, Towers, Trainer
from ratoon.ports.log import EventLog, WholeLog
from ratoon.ports.online import OnlineFeatures, PostedItems
from ratoon.ports.releases import Files, Registry

__all__ = [
    "EventLog",
    "Features",
    "Files",
    "Index",
    "Indexes",
    "Lesson",
    "OnlineFeatures",
    "PostedItems",
    "Registry",
    "Towers",
    "Trainer",
    "WholeLog",
]
