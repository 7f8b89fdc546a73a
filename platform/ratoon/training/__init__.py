"""Learning: the two towers in torch, from a lesson to a model's files."""

from ratoon.training.devices import devices
from ratoon.training.settings import TrainingSettings
from ratoon.training.trainer import TwoTowerTrainer

__all__ = ["TrainingSettings", "TwoTowerTrainer", "devices"]
