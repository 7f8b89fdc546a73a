"""The Protocols that the three flows speak, one per room they call. Nothing else."""

from ratoon.ports.index import Index, Indexes
from ratoon.ports.learning import Features, Lesson, Teaching, Towers, Trainer
from ratoon.ports.log import EventLog, WholeLog
from ratoon.ports.online import OnlineFeatures, PostedItems, ServedTowers, Values
from ratoon.ports.releases import Files, Registry, TrialRegistry
from ratoon.ports.texts import Reading, TextLesson, TextsLearnt, TextTower

__all__ = [
    "EventLog",
    "Features",
    "Files",
    "Index",
    "Indexes",
    "Lesson",
    "OnlineFeatures",
    "PostedItems",
    "Reading",
    "Registry",
    "ServedTowers",
    "Teaching",
    "TextLesson",
    "TextTower",
    "TextsLearnt",
    "Towers",
    "Trainer",
    "TrialRegistry",
    "Values",
    "WholeLog",
]
