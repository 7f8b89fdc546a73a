"""What was made of users' events so far, so that their next ones cost what they say and not what came before them."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from ratoon.domain.event import TIME, Event
from ratoon.features.folds.carried import Carried, Row, Told, carrying
from ratoon.features.online.keys import text_keys
from ratoon.features.online.layout import Layout
from ratoon.features.online.pack import Packed
from ratoon.features.online.store import Batch
from ratoon.features.online.writing import RowWriter
from ratoon.features.views import View
from ratoon.ports import EventLog

VALUES = 1_000_000
"""How many values of users' states are kept: about a hundred megabytes."""

SESSION = 2**62
"""An offset behind every event of the log."""

EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_COLUMNS = (
    "event_timestamp",
    "event_id",
    "kind",
    "user_id",
    "item_id",
    "type",
    "value",
    "features",
    "created_timestamp",
    "offset",
)
"""In the order of `Told`."""


@dataclass(slots=True)
class _User:
    """One user's states, a view each, with all events up to an offset."""

    states: list[Carried]
    offset: int = 0
    size: int = 0

    def add(self, told: Iterable[Told]) -> bool:
        """Whether the events came in order; if not, the states are of no use any more."""
        return all(state.add(event) for event in told for state in self.states)


@dataclass(frozen=True, slots=True)
class _View:
    """How one view's rows are carried on and written."""

    name: str
    layout: Layout
    begin: Callable[[], Carried]
    writer: RowWriter


class Known:
    """Users' newest rows, by what the log has of them. Threads may share it; one at a time is served.

    Whether an event counts may be decided anew, and then everything is: `EventLog.edition` says so.
    """

    def __init__(self, views: Sequence[View], log: EventLog) -> None:
        """Args: views: foreign ones are left out; log: where the users' events are."""
        layouts = [(view, Layout.of(view.fields)) for view in views if view.origin != "foreign"]
        self._views = [_View(view.name, layout, carrying(view), RowWriter(layout)) for view, layout in layouts]
        self._log, self._lock = log, threading.Lock()
        self._users = OrderedDict[str, _User]()
        self._edition: object = None
        self._end = self._size = 0

    def batches(self, user_ids: Sequence[str]) -> list[Batch]:
        """The newest row of each user, for each view that their events say something about."""
        with self._lock:
            edition, end = self._log.edition(), self._log.end()
            if edition != self._edition or end < self._end:
                self._users.clear()
                self._size = 0
            self._edition, self._end = edition, end
            return self._packed(self._brought(user_ids, end))

    def with_session(self, user_id: str, session: Iterable[Told]) -> list[Batch]:
        """The rows of one user as if these events were in the log too; nothing is kept of it."""
        logged = _by_user(self._log.history("user", [user_id])).get(user_id, [])
        one = _User([view.begin() for view in self._views])
        one.add(sorted([*logged, *session], key=_order))
        return self._packed({user_id: one})

    def _brought(self, user_ids: Sequence[str], end: int) -> dict[str, _User]:
        """What is known of each user up to `end`; it is taken out, so that what is broken off half-way is not kept."""
        wanted = sorted(set(user_ids))
        taken = {user: one for user in wanted if (one := self._users.pop(user, None)) is not None}
        self._size -= sum(one.size for one in taken.values())
        if taken:
            fresh = _by_user(self._log.history("user", list(taken), end, min(one.offset for one in taken.values())))
            told = {user: [event for event in events if event.offset > taken[user].offset] for user, events in fresh.items()}
            taken = {user: one for user, one in taken.items() if one.add(told.get(user, ()))}
        anew = [user for user in wanted if user not in taken]
        told = _by_user(self._log.history("user", anew, end)) if anew else {}
        for user in anew:
            taken[user] = _User([view.begin() for view in self._views])
            taken[user].add(told.get(user, ()))
        self._keep(taken, end)
        return taken

    def _keep(self, users: dict[str, _User], end: int) -> None:
        for user, one in users.items():
            one.offset, one.size = end, sum(state.size + 1 for state in one.states)
            self._size += one.size
            self._users[user] = one
        while self._size > VALUES and len(self._users) > len(users):
            _, gone = self._users.popitem(last=False)
            self._size -= gone.size

    def _packed(self, users: dict[str, _User]) -> list[Batch]:
        found = []
        for place, view in enumerate(self._views):
            rows = {user: row for user, one in users.items() if (row := one.states[place].row()) is not None}
            if rows:
                found.append(Batch(view.name, view.layout, _written(view.writer, rows)))
        return found


def as_told(session: Iterable[Event]) -> list[Told]:
    """Interactions as the log would have them if each arrived when it happened."""
    return [
        Told(moment, one.event_id, one.kind, one.user_id, one.item_id, one.type, one.value, None, moment, SESSION)
        for one in session
        for moment in ((one.event_timestamp - EPOCH) // MICROSECOND,)
    ]


def _by_user(events: pa.Table) -> dict[str, list[Told]]:
    """User -> events (LOG_SCHEMA), in the order of the table."""
    columns = [events.column(name) for name in _COLUMNS]
    lists = [(column.cast(pa.int64()) if column.type == TIME else column).to_pylist() for column in columns]
    found: dict[str, list[Told]] = {}
    for told in map(Told._make, zip(*lists, strict=True)):
        found.setdefault(str(told.user_id), []).append(told)
    return found


def _order(event: Told) -> tuple[int, str]:
    return event[:2]


def _written(writer: RowWriter, rows: dict[str, Row]) -> Packed:
    stamps = np.array([(row.event_ts, row.created) for row in rows.values()], np.int64)
    return Packed(text_keys("user_id", list(rows)), [writer.bytes_of(row) for row in rows.values()], stamps[:, 0], stamps[:, 1])
