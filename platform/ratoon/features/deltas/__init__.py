"""Deltas: which rows of a view arrived, changed or vanished since a position that the caller keeps. Knows no Feast."""

from ratoon.features.deltas.changes import Changed, Stats, Touched, changed, remember, touched
from ratoon.features.deltas.positions import Position, files_of, reach

__all__ = ["Changed", "Position", "Stats", "Touched", "changed", "files_of", "reach", "remember", "touched"]
