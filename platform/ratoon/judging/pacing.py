"""What an answer costs by each of two user towers, told by the same clock at the same time: what holds on any machine."""

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from ratoon.domain.encoding import completed
from ratoon.domain.gate import Pace
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.judging.pair import Pair
from ratoon.ports import Values

USERS = 64
"""Users whose vectors are asked for, one at a time, as a server does."""

ROUNDS = 7
"""Times that each tower is asked, in turns; of each user the quickest counts, for all else is what the machine did beside it."""


def paced(parent: Pair, candidate: Pair, rows: pa.Table, cpu: Callable[[], float]) -> Pace:
    """Microseconds of CPU for one user by both user towers.

    Args:
        rows: of user features, at least one.
        cpu: this process's CPU seconds so far.
    """
    some = rows.take(np.unique(np.linspace(0, rows.num_rows - 1, USERS).astype(np.int64)))
    asked = [(pair, _values(pair, some)) for pair in (parent, candidate)]
    took = np.array([[_seconds(pair, values, cpu) for pair, values in asked] for _ in range(ROUNDS)])
    before, after = (took.min(axis=0).mean(axis=1) * 1e6).tolist()
    return Pace(before, after)


def _values(pair: Pair, rows: pa.Table) -> list[Values]:
    features = TowerSchema.from_json(pair.model[SCHEMA].decode()).user
    named = completed(features, rows).select([feature.name for feature in features])
    return [{name: value for name, value in row.items() if value is not None} for row in named.to_pylist()]


def _seconds(pair: Pair, values: Sequence[Values], cpu: Callable[[], float]) -> list[float]:
    took = []
    for one in values:
        began = cpu()
        pair.towers.user(one)
        took.append(cpu() - began)
    return took
