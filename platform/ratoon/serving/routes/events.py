"""Routes that write: into the log first, then into what depends on it."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import perf_counter
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Body, Header, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from ratoon.adopt import apply_item_event, arrivals, take_in
from ratoon.domain.errors import DataError, StoreError
from ratoon.domain.event import EVENT_SCHEMA, Event
from ratoon.serving.bodies.answers import EventsAnswer
from ratoon.serving.bodies.requests import EventsBody, EventsRequest
from ratoon.serving.metrics import Metrics
from ratoon.serving.problems import Misfit, ReusedKey, documented
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.surfaces import placed_on
from ratoon.serving.together import Together

logger = logging.getLogger("ratoon.serving")

Row = dict[str, Any]
"""One event, by the columns of EVENT_SCHEMA."""

INTERACTION = {"kind": "interaction", "user_id": "196", "item_id": "242", "type": "rating", "value": 4}
EXAMPLES = {
    "one": {"summary": "One event", "value": INTERACTION},
    "several": {"summary": "Several events", "value": {"events": [INTERACTION, {"kind": "remove", "item_id": "11"}]}},
}
IdempotencyKey = Annotated[
    Annotated[str, Field(min_length=1, max_length=200)] | None,
    Header(description="Sent twice with the same body, it counts once; for events without an `event_id` of their own."),
]


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
        if features:
            self._rooms.check_features(features)
        row = {name: value for name, value in given.items() if value is not None}
        if row["kind"] != "interaction":
            row.pop("type", None)
        # A clock that follows the events stands still between them: without the tick their order would be lost.
        moment = self._rooms.clock() + timedelta(microseconds=place + 1)
        named = self._rooms.new_id() if key is None else f"{key}/{place}"
        made = {"event_id": named, "event_timestamp": moment}
        return made | row | {"features": None if features is None else json.dumps(features)}

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
        new = {row["event_id"]: row for row in self._rooms.log.append(pa.Table.from_pylist(rows, EVENT_SCHEMA)).to_pylist()}
        # Of two lots with one event the first has brought it.
        return [[new.pop(row["event_id"]) for row in lot if row["event_id"] in new] for lot in lots]

    async def _take_in(self, lots: Sequence[set[str]]) -> Sequence[None]:
        rooms, items = self._rooms, set[str]().union(*lots)
        for name, surface in rooms.surfaces.items():
            try:
                began = perf_counter()
                for live in surface.lives:
                    coming = await run_in_threadpool(arrivals, live, surface.log, rooms.posted_items, items)
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


class Events:
    """`POST /v1/events`."""

    def __init__(self, rooms: Rooms, metrics: Metrics, posting: Posting) -> None:
        self._rooms, self._metrics, self._posting = rooms, metrics, posting

    def router(self) -> APIRouter:
        """The route."""
        routes = APIRouter()
        routes.add_api_route(
            "/v1/events",
            self.events,
            methods=["POST"],
            status_code=202,
            summary="Report what happened",
            responses=documented(400, 404, 409, 413, 415, 422, 503),
        )
        return routes

    async def events(
        self,
        request: Request,
        body: Annotated[EventsRequest, Body(openapi_examples=EXAMPLES)],
        idempotency_key: IdempotencyKey = None,
    ) -> EventsAnswer:
        """Take one event or up to 5,000, all or none; answered once they are on disk.

        The users' features are brought up to date before the answer, so that the next retrieval knows what happened.
        """
        many = isinstance(body, EventsBody)
        bodies = body.events if isinstance(body, EventsBody) else [body]
        placed = placed_on(self._rooms, request.scope)
        happened = [dict(one) | {"surface": one.surface or placed} for one in bodies]
        rows = [self._row(place, idempotency_key, one, many) for place, one in enumerate(happened)]
        new = await self._posting.append(rows, "#/events/{place}" if many else "#", idempotency_key)
        applied = await self._posting.apply(sorted({row["user_id"] for row in rows if row["kind"] in ("interaction", "user")}))
        self._metrics.duplicates.inc(len(rows) - len(new))
        offset = new[-1]["offset"] if new else await run_in_threadpool(self._rooms.log.end)
        return EventsAnswer(accepted=len(new), duplicates=len(rows) - len(new), offset=offset, applied=applied)

    def _row(self, place: int, key: str | None, given: dict[str, Any], many: bool) -> Row:
        try:
            return self._posting.row(place, key, **given)
        except DataError as wrong:
            field = wrong.field.replace(".", "/")
            raise Misfit(wrong, f"#/events/{place}/{field}" if many else f"#/{field}") from wrong


def _content(row: Row) -> Mapping[str, Any]:
    """What the caller said of an event, without what was made up for it."""
    return {name: row.get(name) for name in ("kind", "user_id", "item_id", "type", "value", "features", "request_id", "surface")}
