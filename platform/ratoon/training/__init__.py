"""Learning: the two towers in torch, from a lesson to a model's files."""

from ratoon.training.devices import devices
from ratoon.training.group import Group
from ratoon.training.parallel import ParallelTrainer, leading
from ratoon.training.settings import TrainingSettings
from ratoon.training.texts import SentenceTower
from ratoon.training.trainer import TwoTowerTrainer

__all__ = ["Group", "ParallelTrainer", "SentenceTower", "TrainingSettings", "TwoTowerTrainer", "devices", "leading"]
