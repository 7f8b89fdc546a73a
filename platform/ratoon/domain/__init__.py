"""Frozen values and pure decisions: no clock, no environment, no file, no random state of its own."""
