"""Flow 2, swap: a published release into the live slot. Readers never wait, and never see parts of two releases.

If memory is only for one index it is brought to the release while it is searched, and answers say so until it is there.

What is served = the current release and what happened to items after its window, by the log: removed ones are gone, posted
ones that it does not know are found by their features; ranked by what is popular now.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np

from ratoon.answering import lately, shift
from ratoon.arrivals import Arrivals, embedded, put
from ratoon.domain.errors import StoreError
from ratoon.domain.event import Event
from ratoon.domain.release import Release
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.shift import Shift
from ratoon.ports import EventLog, Files, Index, Indexes, PostedItems, Registry, Towers

FOREVER = 2**63 - 1
"""An offset that no event reaches."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One release, opened. Everything an answer is made of comes from one slot.

    Attributes:
        items: the ids in `index`; both change while the slot is live, in the thread that answers.
        posted: those of them that were posted after the release and are embedded from their features alone -> the offset up
            to which what was said of them was read.
        shift: what has become of popularity since the release was made; None if that changes no score.
        adopting: whether `index` is still on its way to what the release says: some items are those of the one before.
    """

    release: Release
    schema: TowerSchema
    towers: Towers
    index: Index
    items: set[str]
    shift: Shift | None = None
    posted: dict[str, int] = field(default_factory=dict)
    adopting: bool = False


class Live:
    """What one surface serves now. A reader takes `slot` once and uses it to the end.

    The slot is replaced by one attribute assignment. `lock` orders replacing it and changing its items, so that an
    item removed while a release is being opened is missing from the new slot too; readers do not take it. What is slow,
    to open a release and to embed what was posted, happens outside it and in any thread.

    Attributes:
        replayed: the slot has all item events up to this offset, and may have later ones.
        left_out: the ranges of offsets that must not be learnt from, nor followed; all from the watermark on while on hold.
    """

    def __init__(self) -> None:
        self.slot: Slot | None = None
        self.lock = Lock()
        self.replayed = 0
        self.left_out: tuple[tuple[int, int], ...] = ()


def adopt(
    live: Live,
    registry: Registry,
    log: EventLog,
    open_towers: Callable[[Files], Towers],
    indexes: Indexes,
    described: PostedItems,
) -> Release | None:
    """Serve the current release if it is not served yet; return it, or None if there is nothing new.

    Raises:
        RatoonError: the release cannot be read or does not fit together; the old slot goes on serving.
    """
    release, served = registry.current(), live.slot
    live.left_out = registry.left_out()
    if release is not None and registry.held():
        live.left_out += ((release.window.end + 1, FOREVER),)
    if release is None or (served is not None and served.release.id == release.id and not served.adopting):
        return None
    slot = _opened(live, log, release, registry.load(release), open_towers, indexes)
    coming = _embedded(slot, log, release.window.end, described)
    with live.lock:
        _bring_forward(live, slot, log, coming)
    return release


def finish(live: Live) -> None:
    """Do what adoption left to do: the index has as many copies as before once nobody holds the one that it followed.

    To be called after every look for a release, whether there was one or not; it does not wait.
    """
    if live.slot is not None:
        live.slot.index.finish()


def arrivals(live: Live, log: EventLog, described: PostedItems, only: Collection[str] | None = None) -> Arrivals | None:
    """Embed what was posted through the log since the last look, or `only` some of it; None if there is nothing to look at.

    Nothing is changed: call it from any thread, then `replay`, or `take_in` for a part, from the thread that answers.
    """
    with live.lock:
        slot, since = live.slot, live.replayed
    return None if slot is None or log.end() == since else _embedded(slot, log, since, described, only)


def replay(live: Live, log: EventLog, coming: Arrivals | None) -> None:
    """Bring what is served up to the log: what others removed and posted since the last look, and what is popular now.

    Call it from the thread that answers. What was embedded for another release is left to the next look.
    """
    with live.lock:
        if live.slot is not None and coming is not None and coming.release == live.slot.release.id:
            _bring_forward(live, live.slot, log, coming)


def take_in(live: Live, log: EventLog, coming: Arrivals | None) -> None:
    """Serve items that were just posted here, without waiting for a look. Call it from the thread that answers."""
    with live.lock:
        if live.slot is not None and coming is not None and coming.release == live.slot.release.id:
            _add(live.slot, coming, dict(log.posted(coming.start)))


def apply_item_event(live: Live, event: Event) -> None:
    """Take an item away the moment its removal is acknowledged. Call it from the thread that answers.

    Other events change nothing here: what is posted has to be embedded first, see `take_in`.
    """
    with live.lock:
        if event.kind == "remove" and event.item_id is not None and live.slot is not None:
            _take_away(live.slot, [event.item_id])


def _embedded(slot: Slot, log: EventLog, since: int, described: PostedItems, only: Collection[str] | None = None) -> Arrivals:
    """The items posted after `since` that the release does not know, or no longer; one that it knows keeps its learnt vector."""
    end = log.end()  # before anything is read: what comes in between is in the next look too
    wanted = [
        item
        for item, removed in log.posted(since)
        if (only is None or item in only) and (removed or item not in slot.items or item in slot.posted)
    ]
    batch = embedded(slot.towers, slot.schema, described(wanted, slot.schema)) if wanted else None
    return Arrivals(slot.release.id, since, end, batch)


def _bring_forward(live: Live, slot: Slot, log: EventLog, coming: Arrivals) -> None:
    alive = dict(log.posted(coming.start))
    returned = (item for item, removed in alive.items() if removed and item not in slot.posted)
    _take_away(slot, [*log.removed(coming.start), *returned])
    _add(slot, coming, alive)
    live.slot = replace(slot, shift=_shifted(slot, log, coming.end, live.left_out))
    live.replayed = coming.end


def _opened(
    live: Live,
    log: EventLog,
    release: Release,
    files: Files,
    open_towers: Callable[[Files], Towers],
    indexes: Indexes,
) -> Slot:
    schema = TowerSchema.from_json(files[SCHEMA].decode())
    towers = open_towers(files)
    if (towers.dim, towers.metric) != (release.dim, release.metric):
        raise StoreError(
            f"release {release.id}",
            expected=f"towers of {release.dim} dimensions compared by {release.metric}",
            found=f"{towers.dim} dimensions compared by {towers.metric}",
            fix="Roll back to the release before it, then refresh.",
        )
    index = _followed(live, log, release, schema, towers, files) or indexes.load(files)
    index.search(np.eye(1, release.dim, dtype=np.float32), 1)  # an index of another length fails here, not in an answer
    return Slot(release, schema, towers, index, set(index.ids()))


def _followed(live: Live, log: EventLog, release: Release, schema: TowerSchema, towers: Towers, files: Files) -> Index | None:
    """The release's index, made of what is served; None if it has to be loaded."""
    served = live.slot
    if served is None:
        return None

    def show() -> None:
        with live.lock:
            live.slot = Slot(release, schema, towers, served.index, served.items, posted=served.posted, adopting=True)

    return served.index.follow(files, show, lambda: log.removed(release.window.end))


def _shifted(slot: Slot, log: EventLog, end: int, left_out: Sequence[tuple[int, int]]) -> Shift | None:
    window = slot.release.window
    live = lately(log, end, window.end, (*window.left_out, *left_out))
    return shift(slot.index, slot.towers.popularity, live, window.end, [end + 1])


def _add(slot: Slot, coming: Arrivals, alive: Iterable[str]) -> None:
    # A look that began before an item was said to have changed may end after the change is served.
    ids = put(slot.index, coming.batch, {item for item in alive if slot.posted.get(item, 0) <= coming.end})
    slot.items.update(ids)
    slot.posted.update(dict.fromkeys(ids, coming.end))


def _take_away(slot: Slot, ids: Iterable[str]) -> None:
    gone = list(ids)
    slot.items.difference_update(gone)
    for item in gone:
        slot.posted.pop(item, None)
    slot.index.remove(gone)
