"""Folds: what the events of one user or item make of it, as definitions, as a step for one entity, and over millions at once."""
