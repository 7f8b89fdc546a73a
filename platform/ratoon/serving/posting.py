"""Events on their way in: into the log first, then into what depends on it. Those that come at once share the work."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import perf_counter
from typing import Any

import pyarrow as pa
from fastapi.concurrency import run_in_threadpool

from ratoon.adopt import apply_item_event, arrivals, take_in
from ratoon.domain.errors import DataError, StoreError
from ratoon.domain.event import EVENT_SCHEMA, Event
from ratoon.serving.metrics import Metrics
from ratoon.serving.problems import Misfit, ReusedKey
from ratoon.serving.rooms import Rooms
from ratoon.serving.together import Together

logger = logging.getLogger("ratoon.serving")

Row = dict[str, Any]
"""One event, by the columns of EVENT_SCHEMA; with `offset` once it is in the log."""


class Posting:
    """Takes events: durable first, then seen in answers."""

    def __init__(self, rooms: Rooms, metrics: Metrics) -> None:
        self._rooms, self._metrics = rooms, metrics
        self._appending = Together(self._append)
        self._applying, self._taking = Together(self._apply), Together(self._take_in)

    def row(self, place: int, key: str | None = None, **given: Any) -> Row:
        """An event as the log takes it, dated and named where the caller did not.

        Args:
            place: of the event in its batch.
            key: what the caller will send again if it hears nothing.
        """
        features = given.pop("features", None)
        row = {name: value for name, value in given.items() if value is not None}
        if row["kind"] != "interaction":
            row.pop("type", None)
        # A clock that follows the events stands still between them: without the tick their order would be lost.
        moment = self._rooms.clock() + timedelta(microseconds=place + 1)
        named = self._rooms.new_id() if key is None else f"{key}/{place}"
        made = {"event_id": named, "event_timestamp": moment}
        whole = made | row | {"features": None if features is None else json.dumps(features)}
        if features:
            try:
                self._rooms.check_features(features)
            except DataError as wrong:
                self._refuse(whole, wrong)
                raise
        return whole

    def _refuse(self, row: Row, wrong: DataError) -> None:
        self._metrics.refused.inc()
        self._rooms.refuse(row, str(wrong), self._rooms.clock())

    async def append(self, rows: Sequence[Row], pointer: str, key: str | None = None) -> list[Row]:
        """Make the events durable; return the new ones.

        Args:
            pointer: leads to the event at `place` in the body.
            key: which the rows are named by where the caller did not name them; ReusedKey if it came before with others.
        """
        if key is not None:
            await self._refuse_reuse(key, rows)
        try:
            new = await self._appending.do(rows)
        except StoreError:
            self._metrics.append_failures.inc()
            raise
        except DataError as wrong:
            place, _, field = wrong.field.removeprefix("events[").partition("].")
            await run_in_threadpool(self._refuse, rows[int(place)], wrong)
            raise Misfit(wrong, f"{pointer.format(place=place)}/{field}" if pointer else "") from wrong
        if key is not None and len(new) < len(rows):  # somebody may have sent it at the same moment
            await self._refuse_reuse(key, rows)
        self._metrics.events.inc(len(new))
        for row in new:
            if row["kind"] == "remove":
                self._remove(row)
        if posted := {row["item_id"] for row in new if row["kind"] == "item"}:
            await self._taking.do(posted)
        if self._rooms.place is not None and any(row["kind"] in ("item", "remove") for row in rows):
            whole = len(new) == len(rows)
            end = new[-1]["offset"] if whole else await run_in_threadpool(self._rooms.log.end)
            self._rooms.place.tell(end, here=not whole)
        return new

    async def _refuse_reuse(self, key: str, rows: Sequence[Row]) -> None:
        """Raise if what came with the key before was something else: events come all or none."""
        keyed = {row["event_id"]: row for place, row in enumerate(rows) if row["event_id"] == f"{key}/{place}"}
        known = (await run_in_threadpool(self._rooms.log.known, sorted(keyed))).to_pylist()
        others = (event[name] != value for event in known for name, value in _content(keyed[event["event_id"]]).items())
        if known and (len(known) < len(keyed) or any(others)):
            raise ReusedKey(
                "Idempotency-Key",
                expected="the body that it came with first",
                found=f"{key!r} with another body",
                fix="Use a new key for a new request; nothing of this one was stored twice.",
            )

    def _remove(self, row: Row) -> None:
        event = Event(row["event_id"], "remove", row["event_timestamp"], item_id=row["item_id"])
        for surface in self._rooms.surfaces.values():
            for live in surface.lives:
                apply_item_event(live, event)

    async def _append(self, lots: Sequence[Sequence[Row]]) -> Sequence[list[Row] | Exception]:
        """Which events of each lot were new; all that wait become durable at once, and each alone if one of them is wrong."""
        try:
            return await run_in_threadpool(self._logged, lots)
        except DataError:
            return [await self._append_alone(lot) for lot in lots]

    async def _append_alone(self, lot: Sequence[Row]) -> list[Row] | Exception:
        try:
            return (await run_in_threadpool(self._logged, [lot]))[0]
        except (DataError, StoreError) as wrong:
            return wrong

    def _logged(self, lots: Sequence[Sequence[Row]]) -> list[list[Row]]:
        rows = [row for lot in lots for row in lot]
        logged = self._rooms.log.append(pa.Table.from_pylist(rows, EVENT_SCHEMA))
        happened, arrived = (logged.column(name).cast(pa.int64()).to_numpy() for name in ("event_timestamp", "created_timestamp"))
        self._metrics.arrived((arrived - happened) / 1e6)
        new = dict(zip(logged.column("event_id").to_pylist(), logged.column("offset").to_pylist(), strict=True))
        # Of two lots with one event the first has brought it.
        return [[row | {"offset": new.pop(row["event_id"])} for row in lot if row["event_id"] in new] for lot in lots]

    async def _take_in(self, lots: Sequence[set[str]]) -> Sequence[None]:
        rooms, items = self._rooms, set[str]().union(*lots)
        for name, surface in rooms.surfaces.items():
            try:
                began = perf_counter()
                for live in surface.lives:
                    coming = await run_in_threadpool(arrivals, live, surface.behind, rooms.posted_items, items)
                    take_in(live, surface.log, coming)  # here, in the thread that answers
                self._metrics.fresh(name, "event_to_indexed", perf_counter() - began, len(items))
            except Exception:  # they are in the log: the next look tries again
                logger.exception("surface %s: %d posted items are durable, but not served yet", name, len(items))
        return [None] * len(lots)

    async def apply(self, users: list[str]) -> bool:
        """Value users' features anew; whether that was done."""
        # Duplicates' users too: sending the same events again is how a caller heals an answer with `applied: false`.
        return not users or await self._applying.do(users)

    async def _apply(self, lots: Sequence[Sequence[str]]) -> Sequence[bool]:
        users, began = sorted(set[str]().union(*lots)), perf_counter()
        try:
            await run_in_threadpool(self._rooms.apply_user_events, users)
        except Exception:
            logger.exception("events are durable, but the features of %d users were not brought up to date", len(users))
            self._metrics.unapplied.inc(len(lots))
            return [False] * len(lots)
        for name in self._rooms.surfaces:
            self._metrics.fresh(name, "event_to_online", perf_counter() - began, len(users))
        return [True] * len(lots)


def _content(row: Row) -> Mapping[str, Any]:
    """What the caller said of an event, without what was made up for it."""
    return {name: row.get(name) for name in ("kind", "user_id", "item_id", "type", "value", "features", "request_id", "surface")}
