"""Flow 2, swap: a published release into the live slot. Readers never wait, and never see parts of two releases.

If memory is only for one index it is brought to the release while it is searched, and answers say so until it is there.

What is served = the current release and what happened to items after its window, by the log: removed ones are gone, posted
ones that it does not know are found by their features; ranked by what is popular now.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np

from ratoon.answering import Lately, shift, warm
from ratoon.arrivals import Arrivals, amend, parted, put
from ratoon.domain.errors import StoreError
from ratoon.domain.event import Event
from ratoon.domain.release import Release
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.domain.shift import Shift
from ratoon.domain.window import Ranges
from ratoon.ports import EventLog, Files, Index, Indexes, PostedItems, Registry, ServedTowers


@dataclass(frozen=True, slots=True)
class Slot:
    """One release, opened. Everything an answer is made of comes from one slot.

    Attributes:
        index: changes while the slot is live, in the thread that answers.
        posted: the items in it that were posted after the release and are embedded from their features alone -> the offset up
            to which what was said of them was read.
        shift: what has become of popularity since the release was made; None if that changes no score.
        adopting: whether `index` is still on its way to what the release says: some items are those of the one before.
    """

    release: Release
    schema: TowerSchema
    towers: ServedTowers
    index: Index
    shift: Shift | None = None
    posted: dict[str, int] = field(default_factory=dict)
    adopting: bool = False


class Live:
    """What one surface serves now. A reader takes `slot` once and uses it to the end.

    The slot is replaced by one attribute assignment. `lock` orders replacing it and changing its items, so that an
    item removed while a release is being opened is missing from the new slot too; readers do not take it. What is slow,
    to open a release and to embed what was posted, happens outside it and in any thread.

    Attributes:
        prepared: a release that was opened before this process was forked; it is served if it still is the current one.
        replayed: the slot has all item events up to this offset, and may have later ones.
        followed: it has what item events up to this offset say of items, and popularity as of `replayed`.
        left_out: the ranges of offsets that must not be followed, see `Window.unfollowed`.
        without: those that the slot's popularity is without.
        gone: items that were taken away since the last look for what is popular began; some may be back.
    """

    def __init__(self, prepared: Slot | None = None) -> None:
        self.slot: Slot | None = None
        self.prepared = prepared
        self.lock = Lock()
        self.replayed = self.followed = 0
        self.left_out: Ranges = ()
        self.without: Ranges = ()
        self.lately = Lately()
        self.gone: list[str] = []


def adopt(
    live: Live,
    registry: Registry,
    log: EventLog,
    open_towers: Callable[[Files], ServedTowers],
    indexes: Indexes,
    described: PostedItems,
) -> Release | None:
    """Serve the current release if it is not served yet; return it, or None if there is nothing new.

    Raises:
        RatoonError: the release cannot be read or does not fit together; the old slot goes on serving.
    """
    release, served = registry.current(), live.slot
    if release is not None:
        live.left_out = release.window.unfollowed(registry.left_out(), registry.held())
    if release is None or (served is not None and served.release.id == release.id and not served.adopting):
        return None
    slot, live.prepared = live.prepared, None  # what is not current any more takes no memory from here on
    if slot is None or slot.release.id != release.id:
        slot = _opened(live, log, release, registry.load(release), open_towers, indexes)
    _begin(live, slot, log, described)
    return release


def serve(
    live: Live,
    release: Release,
    files: Files,
    log: EventLog,
    open_towers: Callable[[Files], ServedTowers],
    indexes: Indexes,
    described: PostedItems,
) -> None:
    """Put a release into a live slot, whether or not it is current.

    Raises:
        RatoonError: the release cannot be read or does not fit together; the old slot goes on serving.
    """
    _begin(live, _opened(live, log, release, files, open_towers, indexes), log, described)


def _begin(live: Live, slot: Slot, log: EventLog, described: PostedItems) -> None:
    coming = _embedded(slot, log, slot.release.window.end, described)
    coming = _shifted(live, slot, log, coming)
    with live.lock:
        live.followed = coming.end
        _bring_forward(live, slot, log, coming)


def finish(live: Live) -> None:
    """Do what adoption left to do: the index has as many copies as before once nobody holds the one that it followed.

    To be called after every look for a release, whether there was one or not; it does not wait.
    """
    if live.slot is not None:
        live.slot.index.finish()


def prepare(registry: Registry, open_towers: Callable[[Files], ServedTowers], indexes: Indexes) -> Slot | None:
    """The current release, opened and not served, for processes to be forked; None if there is none. Raises like `adopt`."""
    if (release := registry.current()) is None:
        return None
    files = registry.load(release)
    return _slot(release, files, open_towers, lambda *_: indexes.load(files))


def arrivals(
    live: Live, log: EventLog, described: PostedItems, only: Collection[str] | None = None, light: bool = False
) -> Arrivals | None:
    """Embed what was posted through the log since the last look, or `only` some of it; None if there is nothing to look at.

    Nothing is changed: call it from any thread, then `replay`, or `take_in` for a part, from the thread that answers.

    Args:
        light: since `live.followed`, for `forward`.
    """
    with live.lock:
        slot, since = live.slot, max(live.replayed, live.followed) if light else live.replayed
        live.gone = live.gone if light or only is not None else []
    if slot is None or (log.end() == since and (light or live.without == live.left_out)):
        return None
    coming = _embedded(slot, log, since, described, only)
    return coming if light or only is not None else _shifted(live, slot, log, coming)


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
            _add(live.slot, coming, coming.by_now(log)[0])


def forward(live: Live, log: EventLog, coming: Arrivals | None) -> None:
    """Like `replay`, but for what is popular now: so little that a query can wait for it. `coming` is of a `light` look."""
    with live.lock:
        if live.slot is not None and coming is not None and coming.release == live.slot.release.id:
            live.gone += (gone := _bring(live.slot, log, coming))
            live.slot = _without(live.slot, gone)
            live.followed = max(live.followed, coming.end)


def apply_item_event(live: Live, event: Event) -> None:
    """Take an item away the moment its removal is acknowledged. Call it from the thread that answers.

    Other events change nothing here: what is posted has to be embedded first, see `take_in`.
    """
    with live.lock:
        if event.kind == "remove" and event.item_id is not None and live.slot is not None:
            live.gone.append(event.item_id)
            live.slot = slot = _without(live.slot, [event.item_id])
            _take_away(slot, [event.item_id])


def _embedded(slot: Slot, log: EventLog, since: int, described: PostedItems, only: Collection[str] | None = None) -> Arrivals:
    """The items posted after `since`: a vector for each that the release does not know, or no longer; the others keep theirs."""
    end = log.end()  # before anything is read: what comes in between is in the next look too
    told, gone = dict(log.posted(since)), frozenset(log.removed(since))
    posted = {item: removed for item, removed in told.items() if only is None or item in only}
    new = {item for item, removed in posted.items() if removed or item not in slot.index or item in slot.posted}
    table = described(list(posted), slot.schema) if posted else None
    return Arrivals(slot.release.id, since, end, *parted(table, new, slot.towers, slot.schema), posted=told, gone=gone)


def _bring_forward(live: Live, slot: Slot, log: EventLog, coming: Arrivals) -> None:
    gone = [*_bring(slot, log, coming), *live.gone, *(coming.batch.ids if coming.batch else ())]
    live.slot = _without(replace(slot, shift=coming.shift), [item for item in gone if item not in slot.index])
    live.replayed, live.followed, live.without = coming.end, max(live.followed, coming.end), live.left_out


def _bring(slot: Slot, log: EventLog, coming: Arrivals) -> list[str]:
    """Take away and add items; those that were taken away, though they may have come back."""
    alive, gone = coming.by_now(log)
    gone += [item for item, removed in alive.items() if removed and item not in slot.posted]
    _take_away(slot, gone)
    _add(slot, coming, alive)
    return gone


def _without(slot: Slot, items: Collection[str]) -> Slot:
    """The slot without these items among what has become popular."""
    shift = slot.shift
    gone = {item for item in items if shift is not None and item in shift.by_item}
    return replace(slot, shift=shift.without(gone)) if shift is not None and gone else slot


def _opened(
    live: Live,
    log: EventLog,
    release: Release,
    files: Files,
    open_towers: Callable[[Files], ServedTowers],
    indexes: Indexes,
) -> Slot:
    def index(schema: TowerSchema, towers: ServedTowers) -> Index:
        return _followed(live, log, release, schema, towers, files) or indexes.load(files)

    return _slot(release, files, open_towers, index)


def _slot(
    release: Release,
    files: Files,
    open_towers: Callable[[Files], ServedTowers],
    index_of: Callable[[TowerSchema, ServedTowers], Index],
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
    index = index_of(schema, towers)
    index.search(np.eye(1, release.dim, dtype=np.float32), 1)  # an index of another length fails here, not in an answer
    warm(index)
    return Slot(release, schema, towers, index)


def _followed(
    live: Live, log: EventLog, release: Release, schema: TowerSchema, towers: ServedTowers, files: Files
) -> Index | None:
    """The release's index, made of what is served; None if it has to be loaded."""
    served = live.slot
    if served is None:
        return None

    def show() -> None:
        with live.lock:
            live.slot = Slot(release, schema, towers, served.index, posted=served.posted, adopting=True)

    return served.index.follow(files, show, lambda: log.removed(release.window.end))


def _shifted(live: Live, slot: Slot, log: EventLog, coming: Arrivals) -> Arrivals:
    """With what is popular at its end, of the items that come too."""
    window = slot.release.window
    timeline = live.lately.upto(log, coming.end, window.end, (*window.left_out, *live.left_out))
    found = shift(coming.joined(slot.index), slot.towers.popularity, timeline, window.end, [coming.end + 1])
    return replace(coming, shift=found.ready() if found is not None else None)


def _add(slot: Slot, coming: Arrivals, alive: Iterable[str]) -> None:
    # A look that began before an item was said to have changed may end after the change is served.
    fresh = {item for item in alive if slot.posted.get(item, 0) <= coming.end}
    ids = put(slot.index, coming.batch, fresh)
    amend(slot.index, coming.edits, fresh)
    slot.posted.update(dict.fromkeys(ids, coming.end))


def _take_away(slot: Slot, ids: Iterable[str]) -> None:
    gone = list(ids)
    for item in gone:
        slot.posted.pop(item, None)
    slot.index.remove(gone)
