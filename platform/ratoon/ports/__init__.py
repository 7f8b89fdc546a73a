"""The Protocols that the three flows speak, one per room they call. Nothing else."""

from ratoon.ports.index import Index, Indexes
from ratoon.ports.learning import Features, Lesson, Teaching, Towers, Trainer
from ratoon.ports.log import EventLog, WholeLog
from ratoon.ports.online import OnlineFeatures, PostedItems, ServedTowers, Values
from ratoon.ports.releases import Files, Registry, TrialRegistry

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
    "ServedTowers",
    "Teaching",
    "Towers",
    "Trainer",
    "TrialRegistry",
    "Values",
    "WholeLog",
]
