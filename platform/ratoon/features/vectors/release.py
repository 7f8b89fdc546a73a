"""A release's item vectors as its index serves them, and its users' as its tower gives them."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.embedding import Vectors
from ratoon.domain.encoding import completed
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.event import TIME
from ratoon.domain.release import Release
from ratoon.domain.schema import TowerSchema
from ratoon.features.joins import point_in_time
from ratoon.features.repository import FeastRepository
from ratoon.features.vectors.definition import vector_view, vector_views
from ratoon.features.vectors.parts import written
from ratoon.features.vectors.publishing import Served, Vectored, publish, retire
from ratoon.ports import EventLog, Index, Towers

EVENTS_AT_ONCE = 1_000_000
USERS_AT_ONCE = 20_000
"""What is read of the log, and embedded, at once: what bounds memory beside the vectors themselves."""


def publish_release(
    repository: FeastRepository,
    log: EventLog,
    release: Release,
    index: Index,
    towers: Towers | None,
    schema: TowerSchema,
) -> list[Vectored]:
    """Write one release's vectors into the repository's views of them, items first.

    A user's is the one that the release gave when it was first served, from the rows that are ingested.

    Args:
        towers: the release's; None to leave its users out.
        schema: what the towers are fed.

    Raises:
        DataError: the release does not say since when it was served, or a view cannot be written to.
    """
    if release.published is None:
        raise DataError(
            f"release {release.id[:12]} of surface {release.surface!r}",
            expected="a manifest that says from when on it was served",
            found="an older one",
            fix="Publish the vectors of a release that is made from now on: run `ratoon refresh`.",
        )
    views = [vector_view(repository, "item"), *([vector_view(repository, "user")] if towers else [])]
    since, ids, now = release.published, index.ids(), log.now()
    batches = [(ids, index.vectors(ids))]
    if towers:
        users = _users(log, since)
        batches.append((users, _embedded(repository, users, since, towers, schema)))
    about = release.surface, release.id, release.sequence, release.vector_space, since
    return [publish(view, Served(*about, *batch), now) for view, batch in zip(views, batches, strict=True)]


def retire_space(repository: FeastRepository, release: Release, space: str, now: datetime) -> list[Vectored]:
    """End a space in all views of a surface's vectors that have it.

    Args:
        release: the surface's current one.

    Raises:
        UsageError: nothing was published in that space, or it is the one that is served.
    """
    known = {view: {one.part.space for one in written(view, release.surface)} for view in vector_views(repository)}
    others = sorted(set().union(*known.values()) - {release.vector_space})
    if space not in others:
        raise UsageError(
            "--retire",
            expected=f"a space that is published and no longer served: {', '.join(others) or 'there is none'}",
            found=f"{space!r}, which the current release is in" if space == release.vector_space else repr(space),
            fix="Retire a space when all its consumers ask for a newer one.",
        )
    return [retire(view, release.surface, space, now) for view, spaces in known.items() if space in spaces]


def _users(log: EventLog, until: datetime) -> list[str]:
    """Everybody with an event that had arrived, sorted."""
    found, first, end = set[str](), 0, log.end()
    while first < end:
        events = log.read(first, min(first + EVENTS_AT_ONCE, end))
        here = pc.less_equal(events.column("created_timestamp"), pa.scalar(until, TIME))
        found.update(pc.unique(events.filter(here).column("user_id")).drop_null().to_pylist())
        first += EVENTS_AT_ONCE
    return sorted(found)


def _embedded(
    repository: FeastRepository, users: Sequence[str], moment: datetime, towers: Towers, schema: TowerSchema
) -> Vectors:
    """What the user tower makes of everybody's features as of a moment; features that the repository dropped are missing."""
    there = {(view.name, field.name) for view in repository.views for field in view.fields}
    references = [f"{one.view}:{one.name}" for one in schema.user if (one.view, one.name) in there]
    vectors = np.empty((len(users), towers.dim), np.float32)
    for first in range(0, len(users), USERS_AT_ONCE):
        block = users[first : first + USERS_AT_ONCE]
        keys = pa.table({"user_id": pa.array(block, pa.string()), "event_timestamp": pa.array([moment] * len(block), TIME)})
        features = completed(schema.user, point_in_time(repository, keys, references))
        vectors[first : first + len(block)] = towers.users(features)
    return vectors
