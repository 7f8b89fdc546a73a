"""User features at request time: read in one round trip, and written anew the moment an event is acknowledged."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ratoon.domain.event import Event
from ratoon.domain.inputs import Inputs
from ratoon.domain.schema import TowerSchema
from ratoon.features.online.block import Block, Layouts, block, conformed
from ratoon.features.online.kept import Kept, Reading
from ratoon.features.online.keys import text_keys
from ratoon.features.online.known import Known, as_told
from ratoon.features.online.layout import Layout
from ratoon.features.online.opening import Place
from ratoon.features.online.rows import RowReader, moment
from ratoon.features.online.store import APPLIED, Wanted, reached, read
from ratoon.features.online.valued import valued
from ratoon.features.views import View, load
from ratoon.ports import EventLog, Values

SECOND_US = 1_000_000

EVENTS_AT_ONCE = 1_000_000
USERS_AT_ONCE = 1_000
"""What is read of the log, and whose histories, at once: what bounds the memory of catching up."""

ALWAYS = range(-(2**63), 2**63)
"""Every moment, in microseconds since 1970."""

PLANS = 8
"""Releases of which it is kept how their users' rows are read."""

PLACE = "online.json"
"""The file beside `views.json` that says where the online store is."""


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    """How the users' rows are read for one release, as long as the views are what they are.

    Attributes:
        views, readers, ttls: the views to be read, how, and the microseconds after which their values are missing; 0: never.
        ids: the inputs that are the user's own id.
    """

    schema: TowerSchema
    layouts: dict[str, Layout]
    views: list[str]
    readers: list[RowReader]
    ttls: list[int]
    ids: list[str]

    @classmethod
    def of(cls, schema: TowerSchema, layouts: dict[str, Layout]) -> "_Plan":
        """Views in the order in which the repository has them."""
        ttls = {feature.view: feature.ttl * SECOND_US for feature in schema.user if feature.view}
        views = [name for name in layouts if name in ttls]
        readers = [RowReader(layouts[name], [one for one in schema.user if one.view == name]) for name in views]
        ids = [feature.name for feature in schema.user if feature.kind == "id"]
        return cls(schema, layouts, views, readers, [ttls[name] for name in views], ids)

    def read(self, user_id: str, rows: Sequence[bytes | None], now: int, layouts: Layouts) -> Reading | None:
        """The inputs in one user's rows, a row for each view; None if there is none.

        Args:
            now: microseconds since 1970; any number where no view has a ttl.
            layouts: finds those of older rows.
        """
        if rows.count(None) == len(rows):
            return None
        values: dict[str, object] = dict.fromkeys(self.ids, user_id)
        since, until = ALWAYS.start, ALWAYS.stop
        for row, reader, ttl in zip(rows, self.readers, self.ttls, strict=True):
            if row is None:
                continue
            over = int.from_bytes(row[8:16], "little", signed=True) + ttl + 1
            if ttl and now >= over:
                since = max(since, over)
                continue
            until = min(until, over) if ttl else until
            values |= reader.read(conformed(reader.layout, row, layouts))
        return Reading(self, Inputs(values), range(since, until))


class OnlineUsers:
    """Reads user features, and values them from the log. Safe to share by threads; imports no Feast."""

    def __init__(self, folder: Path, log: EventLog) -> None:
        """Args: folder: where `online.json` and `views.json` are; log: where the users' histories are."""
        self._folder, self._log = folder, log
        self._lock = threading.Lock()
        self._store = Place.load(folder / PLACE).open()
        self._views: tuple[View, ...] = ()
        self._layouts: dict[str, Layout] = {}
        self._known, self._kept = Known((), log), Kept()
        self._views = self._user_views()
        self._caught_up: dict[str, int] = {}
        self._plans: tuple[_Plan, ...] = ()

    def user(self, user_id: str, schema: TowerSchema, session: Sequence[Event] = ()) -> Values | None:
        """The user tower's inputs that have a value; None for a user without a single stored row.

        A value older than its view's ttl, by the log's clock, counts as missing, and so does a feature that `schema` has and
        the repository has no more.

        Args:
            session: interactions that the log does not have: what depends on them is as if it had them, and is not stored.
        """
        plan = self._plan(schema)
        now = int(self._log.now().timestamp()) * SECOND_US if any(plan.ttls) else 0
        written = self._store.written()
        turn = self._kept.turn(written)
        if not session and (known := self._kept.of(user_id, plan, now)) is not None:
            return known
        rows = [found[0] for found in self._store.rows(plan.views, text_keys("user_id", [user_id]))]
        if session:
            fresh = self._with(user_id, session)
            rows = [fresh.get(view, row) for view, row in zip(plan.views, rows, strict=True)]
        reading = plan.read(user_id, rows, now, self._store.layout)
        if reading is None:
            return None
        if written is not None and not session:
            self._kept.keep(turn, user_id, reading)
        return reading.inputs

    def _plan(self, schema: TowerSchema) -> "_Plan":
        layouts = self._layouts
        for plan in self._plans:
            if plan.schema is schema and plan.layouts is layouts:
                return plan
        made = _Plan.of(schema, layouts)
        self._plans = (made, *self._plans[: PLANS - 1])
        return made

    def users(self, user_ids: Sequence[str], schema: TowerSchema) -> pa.Table:
        """One row per id, in the ids' order, of the user tower's inputs; all missing for a user without a stored row."""
        blocks = self._read(user_ids, schema)
        columns = {}
        for feature in schema.user:
            if feature.kind == "id":
                columns[feature.name] = pa.array(user_ids, pa.string())
            elif feature.view in blocks and feature.name in blocks[feature.view].layout.positions:
                columns[feature.name] = blocks[feature.view].arrow(feature.name)
            else:
                columns[feature.name] = pa.nulls(len(user_ids))
        return pa.table(columns)

    def _read(self, user_ids: Sequence[str], schema: TowerSchema) -> dict[str, Block]:
        ttl = {feature.view: feature.ttl * SECOND_US for feature in schema.user if feature.view}
        wanted = [Wanted(name, layout, ttl[name]) for name, layout in self._layouts.items() if name in ttl]
        now = int(self._log.now().timestamp()) * SECOND_US
        blocks = read(self._store, wanted, text_keys("user_id", user_ids), now)
        return {one.view: block for one, block in zip(wanted, blocks, strict=True)}

    def stored(self, user_id: str) -> dict[str, tuple[datetime | None, Values]]:
        """View -> when the newest event that it knows of a user happened, and its features as they are stored, expired or not."""
        layouts = self._layouts
        found = self._store.rows(list(layouts), text_keys("user_id", [user_id]))
        blocks = {
            name: block(layout, rows, self._store.layout)
            for (name, layout), rows in zip(layouts.items(), found, strict=True)
            if rows[0] is not None
        }
        return {name: (moment(int(one.records["event_ts"][0])), one.table().to_pylist()[0]) for name, one in blocks.items()}

    def refresh(self, user_ids: Sequence[str]) -> None:
        """Value these users' features by all that the log has of them, and store them, all at once."""
        if batches := self._known.batches(user_ids):
            self._store.write(batches)
            self._kept.forget(user_ids)

    def _with(self, user_id: str, session: Sequence[Event]) -> dict[str, bytes]:
        """View -> the row of one user, as if a session's events had just arrived."""
        return {batch.view: batch.packed.rows[0] for batch in self._known.with_session(user_id, as_told(session))}

    def catch_up(self) -> int:
        """Apply what the log has beyond the newest materialisation; needed at the start and after each materialisation.

        Returns how many users were refreshed.
        """
        with self._lock:
            self._views = self._user_views()
            applied, end = self._store.notes(APPLIED), self._log.end()
            begun = {view.name: reached(applied, view.edition, end) for view in self._views if view.origin != "foreign"}
        if begun == self._caught_up:
            return 0
        users = self._users_of(min(begun.values(), default=0), end)
        for first in range(0, len(users), USERS_AT_ONCE):
            self._store.write(valued(self._views, self._log.history("user", users[first : first + USERS_AT_ONCE])))
            self._kept.forget()
        self._caught_up = begun
        return len(users)

    def _users_of(self, after: int, end: int) -> list[str]:
        """Who has events at offsets after < offset <= end."""
        found: set[str] = set()
        for first in range(after, end, EVENTS_AT_ONCE):
            events = self._log.read(first, min(first + EVENTS_AT_ONCE, end))
            found.update(pc.unique(events.column("user_id")).drop_null().to_pylist())
        return sorted(found)

    def _user_views(self) -> tuple[View, ...]:
        views = tuple(view for view in load(self._folder / "views.json") if view.entity == "user" and view.online)
        if views != self._views:
            self._store.prepare([view.name for view in views])
            self._layouts = {view.name: Layout.of(view.fields) for view in views}
            self._known = Known(views, self._log)
        return views
