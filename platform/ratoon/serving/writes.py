"""The routes that write: into the log first, then into what depends on it."""

import json
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Body, Path
from fastapi.concurrency import run_in_threadpool
from starlette.convertors import Convertor, register_url_convertor

from ratoon.adopt import apply_item_event, arrivals, take_in
from ratoon.domain.errors import DataError
from ratoon.domain.event import EVENT_SCHEMA, Event
from ratoon.serving.metrics import Metrics
from ratoon.serving.problems import InvalidEvent, documented
from ratoon.serving.rooms import Rooms
from ratoon.serving.schemas import (
    EventsAnswer,
    EventsBody,
    EventsRequest,
    Id,
    ItemAnswer,
    ItemRequest,
    RemovalAnswer,
)

logger = logging.getLogger("ratoon.serving")

Row = dict[str, Any]
"""One event, by the columns of EVENT_SCHEMA."""

ERRORS = documented(400, 413, 415, 422, 503)
INTERACTION = {"kind": "interaction", "user_id": "196", "item_id": "242", "type": "rating", "value": 4}
EXAMPLES = {
    "one": {"summary": "One event", "value": INTERACTION},
    "several": {"summary": "Several events", "value": {"events": [INTERACTION, {"kind": "remove", "item_id": "11"}]}},
}


class _AnyText(Convertor[str]):
    """The rest of a path, whatever it holds; Starlette's own `path` stops at a line break."""

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class Writes:
    """Handlers, with the rooms they write to."""

    def __init__(self, rooms: Rooms, metrics: Metrics) -> None:
        self._rooms, self._metrics = rooms, metrics

    def router(self) -> APIRouter:
        """The routes."""
        register_url_convertor("any", _AnyText())
        routes = APIRouter(prefix="/v1")
        routes.add_api_route(
            "/events", self.events, methods=["POST"], status_code=202, summary="Report what happened", responses=ERRORS
        )
        routes.add_api_route(
            "/items", self.post_item, methods=["POST"], status_code=202, summary="Add or change an item", responses=ERRORS
        )
        routes.add_api_route(
            "/items/{item_id:any}",
            self.delete_item,
            methods=["DELETE"],
            status_code=202,
            summary="Remove an item",
            responses=documented(422, 503),
        )
        return routes

    async def events(self, body: Annotated[EventsRequest, Body(openapi_examples=EXAMPLES)]) -> EventsAnswer:
        """Take one event or up to 5,000, all or none; answered once they are on disk.

        The users' features are brought up to date before the answer, so that the next retrieval knows what happened.
        """
        bodies = body.events if isinstance(body, EventsBody) else [body]
        rows = [self._row(place, **dict(one)) for place, one in enumerate(bodies)]
        new = await self._append(rows, "#/events/{place}" if isinstance(body, EventsBody) else "#")
        applied = await self._apply(sorted({row["user_id"] for row in rows if row["kind"] in ("interaction", "user")}))
        self._metrics.duplicates.inc(len(rows) - len(new))
        offset = new[-1]["offset"] if new else await run_in_threadpool(self._rooms.log.end)
        return EventsAnswer(accepted=len(new), duplicates=len(rows) - len(new), offset=offset, applied=applied)

    async def post_item(self, body: ItemRequest) -> ItemAnswer:
        """Add an item, or change its features; a new one is retrievable by its features from now on."""
        (new,) = await self._append([self._row(0, kind="item", **dict(body))], "#")
        slots = [surface.live.slot for surface in self._rooms.surfaces.values()]
        served = all(slot is not None and body.item_id in slot.items for slot in slots)
        return ItemAnswer(item_id=body.item_id, offset=new["offset"], retrievable="now" if served else "after the next refresh")

    async def delete_item(self, item_id: Annotated[Id, Path(description="The item.")]) -> RemovalAnswer:
        """Remove an item: it is in no answer from now on, until it is posted again."""
        (new,) = await self._append([self._row(0, kind="remove", item_id=item_id)], "")
        return RemovalAnswer(item_id=item_id, offset=new["offset"])

    def _row(self, place: int, **given: Any) -> Row:
        features = given.pop("features", None)
        if features:
            self._rooms.check_features(features)
        row = {name: value for name, value in given.items() if value is not None}
        if row["kind"] != "interaction":
            row.pop("type", None)
        # A clock that follows the events stands still between them: without the tick their order would be lost.
        moment = self._rooms.clock() + timedelta(microseconds=place + 1)
        made = {"event_id": self._rooms.new_id(), "event_timestamp": moment}
        return made | row | {"features": None if features is None else json.dumps(features)}

    async def _append(self, rows: Sequence[Row], pointer: str) -> list[Row]:
        """Make the events durable; return the new ones. `pointer` leads to the event at `place` in the body."""
        try:
            logged = await run_in_threadpool(lambda: self._rooms.log.append(pa.Table.from_pylist(rows, EVENT_SCHEMA)))
        except DataError as wrong:
            place, _, field = wrong.field.removeprefix("events[").partition("].")
            raise InvalidEvent(wrong, f"{pointer.format(place=place)}/{field}" if pointer else "") from wrong
        new: list[Row] = logged.to_pylist()
        self._metrics.events.inc(len(new))
        for row in new:
            if row["kind"] == "remove":
                self._remove(row)
        if posted := {row["item_id"] for row in new if row["kind"] == "item"}:
            await self._take_in(posted)
        return new

    def _remove(self, row: Row) -> None:
        event = Event(row["event_id"], "remove", row["event_timestamp"], item_id=row["item_id"])
        for surface in self._rooms.surfaces.values():
            apply_item_event(surface.live, event)

    async def _take_in(self, items: set[str]) -> None:
        rooms = self._rooms
        for name, surface in rooms.surfaces.items():
            try:
                coming = await run_in_threadpool(arrivals, surface.live, surface.log, rooms.posted_items, items)
                take_in(surface.live, surface.log, coming)  # here, in the thread that answers
            except Exception:  # they are in the log: the next look tries again
                logger.exception("surface %s: %d posted items are durable, but not served yet", name, len(items))

    async def _apply(self, users: list[str]) -> bool:
        # Duplicates' users too: sending the same events again is how a caller heals an answer with `applied: false`.
        try:
            if users:
                await run_in_threadpool(self._rooms.apply_user_events, users)
        except Exception:
            logger.exception("events are durable, but the features of %d users were not brought up to date", len(users))
            self._metrics.unapplied.inc()
            return False
        return True
