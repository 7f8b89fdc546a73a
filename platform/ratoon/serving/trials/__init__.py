"""A release on trial: who it answers, what it is compared by, and when that ends."""

from ratoon.serving.trials.slots import Given, TrialSlot

__all__ = ["Given", "TrialSlot"]
