"""Flow 2, swap: a published release into the live slot. Readers never wait, and never see parts of two releases.

What is served = the current release, less the items that the log says were removed after that release's window, ranked by
what is popular now.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np

from ratoon.answering import Shift, shift
from ratoon.domain.errors import StoreError
from ratoon.domain.event import Event
from ratoon.domain.popularity import KEPT, Timeline
from ratoon.domain.release import Release
from ratoon.domain.schema import TowerSchema
from ratoon.ports import EventLog, Files, Index, Indexes, Registry, Towers

SCHEMA = "schema.json"
"""The file of a release that says what its towers are fed."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One release, opened. Everything an answer is made of comes from one slot.

    Attributes:
        items: the ids in `index`; both only ever lose items while the slot is live.
        shift: what has become of popularity since the release was made; None if that changes no score.
    """

    release: Release
    schema: TowerSchema
    towers: Towers
    index: Index
    items: set[str]
    shift: Shift | None = None


class Live:
    """What one surface serves now. A reader takes `slot` once and uses it to the end.

    The slot is replaced by one attribute assignment. `lock` orders replacing it and removing items from it, so that an
    item removed while a release is being opened is missing from the new slot too; readers do not take it.
    """

    def __init__(self) -> None:
        self.slot: Slot | None = None
        self.lock = Lock()
        self.replayed = 0


def adopt(
    live: Live, registry: Registry, log: EventLog, open_towers: Callable[[Files], Towers], indexes: Indexes
) -> Release | None:
    """Serve the current release if it is not served yet; return it, or None if there is nothing new.

    Raises:
        RatoonError: the release cannot be read or does not fit together; the old slot goes on serving.
    """
    release, served = registry.current(), live.slot
    if release is None or (served is not None and served.release.id == release.id):
        return None
    slot = _opened(release, registry.load(release), open_towers, indexes)
    with live.lock:
        live.replayed = log.end()
        _take_away(slot, log.removed(release.window.end))
        live.slot = replace(slot, shift=_shifted(slot, log, live.replayed))
    return release


def replay(live: Live, log: EventLog) -> None:
    """Take away what others removed through the log since the last look, and see what is popular now.

    Call it from the thread that answers.
    """
    end = log.end()
    with live.lock:
        if live.slot is not None and end > live.replayed:
            _take_away(live.slot, log.removed(live.replayed))
            live.slot = replace(live.slot, shift=_shifted(live.slot, log, end))
            live.replayed = end


def apply_item_event(live: Live, event: Event) -> None:
    """Take an item away the moment its removal is acknowledged. Call it from the thread that answers.

    Other events change nothing here: a posted item has no vector before the next refresh.
    """
    with live.lock:
        if event.kind == "remove" and event.item_id is not None and live.slot is not None:
            _take_away(live.slot, [event.item_id])


def _opened(release: Release, files: Files, open_towers: Callable[[Files], Towers], indexes: Indexes) -> Slot:
    schema = TowerSchema.from_json(files[SCHEMA].decode())
    towers, index = open_towers(files), indexes.load(files)
    if (towers.dim, towers.metric) != (release.dim, release.metric):
        raise StoreError(
            f"release {release.id}",
            expected=f"towers of {release.dim} dimensions compared by {release.metric}",
            found=f"{towers.dim} dimensions compared by {towers.metric}",
            fix="Roll back to the release before it, then refresh.",
        )
    index.search(np.eye(1, release.dim, dtype=np.float32), 1)  # an index of another length fails here, not in an answer
    return Slot(release, schema, towers, index, set(index.ids()))


def _shifted(slot: Slot, log: EventLog, end: int) -> Shift | None:
    window = slot.release.window
    lately = Timeline.of(log.recent(end, KEPT + max(0, end - window.end)), window.left_out)
    return shift(slot.index, slot.towers.popularity, lately, window.end, [end + 1])


def _take_away(slot: Slot, ids: Iterable[str]) -> None:
    gone = list(ids)
    slot.items.difference_update(gone)
    slot.index.remove(gone)
