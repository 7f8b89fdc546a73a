"""The policies whose worth is asked for, as scores of what could have been shown."""

from collections import Counter, deque
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.domain.encoding import completed
from ratoon.domain.labels import Types
from ratoon.domain.schema import TowerSchema
from ratoon.ports import EventLog, Index, Towers
from ratoon.serving.exposures.exposure import Kept
from ratoon.serving.exposures.joining import offset_at

Floats = npt.NDArray[np.float64]

RECENT = 5_000
"""What is popular is counted over so many of the newest interactions, as the server counts it."""


def popularity(exposures: Sequence[Kept], log: EventLog, interactions: pa.Table, types: Types) -> list[Floats]:
    """How often each choice of each exposure was among the newest interactions when it was shown: never what came after.

    Args:
        exposures: in order of time.
        log: sees the interactions that count.
        interactions: all since the first exposure, as `joining.interactions_since` gives them.
        types: of those the ones that count; None for all.
    """
    if not exposures:
        return []
    before = log.recent(offset_at(log, exposures[0].time) - 1, RECENT)
    newest = deque((item for _, _, item in before), maxlen=RECENT)
    counts = Counter(newest)
    columns = (interactions.column(name).to_pylist() for name in ("created_timestamp", "item_id", "type"))
    arrived = [(moment, item) for moment, item, kind in zip(*columns, strict=True) if types is None or kind in types]
    found, at = [], 0
    for exposure in exposures:
        while at < len(arrived) and arrived[at][0] <= exposure.time:
            if len(newest) == RECENT:
                counts[newest[0]] -= 1
            newest.append(arrived[at][1])
            counts[arrived[at][1]] += 1
            at += 1
        found.append(np.array([counts[item] for item in exposure.choices], np.float64))
    return found


def released(exposures: Sequence[Kept], schema: TowerSchema, towers: Towers, index: Index) -> list[Floats | None]:
    """How a release scores each choice of each exposure: the user's vector from the feature values that were logged.

    None where no values were, or none of the choices is in its index; a choice that is not in it is never shown. Popularity
    is as the release has it, without what happened after it was made.
    """
    asked = [place for place, one in enumerate(exposures) if one.features]
    found: list[Floats | None] = [None] * len(exposures)
    if not asked:
        return found
    users = towers.users(_rows([exposures[place] for place in asked], schema))
    for user, place in zip(users, asked, strict=True):
        choices = exposures[place].choices
        held = [at for at, item in enumerate(choices) if item in index]
        if held:
            scores = np.full(len(choices), -np.inf)
            scores[held] = index.vectors([choices[at] for at in held]) @ user
            found[place] = scores
    return found


def unlogged(exposures: Sequence[Kept], schema: TowerSchema) -> list[str]:
    """The features of a release's user tower that no exposure has: it would read them, and here they count as missing."""
    logged = {name for one in exposures for name in one.features}
    return sorted(feature.name for feature in schema.user if feature.name not in logged)


def _rows(exposures: Sequence[Kept], schema: TowerSchema) -> pa.Table:
    """The logged values as the tower reads them, one row for each exposure."""
    columns = {}
    for feature in schema.user:
        values = [one.features.get(feature.name) for one in exposures]
        if feature.kind in ("number", "count") and any(isinstance(value, str) for value in values):
            columns[feature.name] = pa.array(values, pa.string()).cast(pa.timestamp("us", "UTC"))
        elif any(value is not None for value in values):
            columns[feature.name] = pa.array(values)
    # A table of no columns would have no rows.
    return completed(schema.user, pa.table({"": pa.nulls(len(exposures)), **columns}))
