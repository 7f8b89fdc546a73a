"""A release on trial: who it answers, what it is compared by, and when that ends."""

from ratoon.serving.trials.slots import Answering, Given, TrialSlot

__all__ = ["Answering", "Given", "TrialSlot"]
