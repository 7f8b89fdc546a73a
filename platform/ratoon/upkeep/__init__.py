"""Operations on a release, each of which makes a candidate of it that goes through the gate like any other.

An operation is a frozen dataclass: its fields are its settings, and called it makes the candidate (`ratoon.remaking.Remake`).
It is a pure function of the release, the log and the seed, so that one that was killed is run again to the same bytes. What it
has to choose it chooses by fit rows; gate rows and the reserve judge.
"""

from collections.abc import Mapping

from ratoon.upkeep.augment import Augment
from ratoon.upkeep.distil import Distil
from ratoon.upkeep.fuse import Fuse
from ratoon.upkeep.operation import Operation
from ratoon.upkeep.prune import Prune
from ratoon.upkeep.quantise import Quantise
from ratoon.upkeep.text import Text
from ratoon.upkeep.transfer import Transfer
from ratoon.upkeep.vectors import Recode

OPERATIONS: Mapping[str, type[Operation]] = {
    one.name: one for one in (Augment, Distil, Fuse, Prune, Quantise, Recode, Text, Transfer)
}
"""Every operation, by the name that `ratoon upkeep` and a job's `operation` call it."""

__all__ = ["OPERATIONS", "Augment", "Distil", "Fuse", "Operation", "Prune", "Quantise", "Recode", "Text", "Transfer"]
