"""Learning: the two towers in torch, from a lesson to a model's files."""

from ratoon.training.devices import devices
from ratoon.training.group import Group
from ratoon.training.parallel import ParallelTrainer, leading
from ratoon.training.settings import TrainingSettings
from ratoon.training.trainer import TwoTowerTrainer

__all__ = ["Group", "ParallelTrainer", "TrainingSettings", "TwoTowerTrainer", "devices", "leading"]
