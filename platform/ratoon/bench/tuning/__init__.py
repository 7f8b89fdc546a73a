"""`ratoon upkeep tune`: settings of training, tried on the past, one slice of it after the other."""

from ratoon.bench.tuning.ground import Ground
from ratoon.bench.tuning.kept import alone
from ratoon.bench.tuning.picture import page
from ratoon.bench.tuning.search import Search, study_file
from ratoon.bench.tuning.told import Tuned

__all__ = ["Ground", "Search", "Tuned", "alone", "page", "study_file"]
