"""`POST /v1/events`: what happened, one thing or up to 5,000."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from ratoon.domain.errors import DataError, RatoonError
from ratoon.serving.bodies.answers import EventsAnswer
from ratoon.serving.bodies.requests import MOST_EVENTS, EventBody, EventsBody, EventsRequest
from ratoon.serving.metrics import Metrics
from ratoon.serving.posting import Posting, Row
from ratoon.serving.problems import Misfit, answer, documented, is_json, unsupported
from ratoon.serving.rendering import encoded
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.direct import Direct, body_of
from ratoon.serving.routes.surfaces import placed_on

INTERACTION = {"kind": "interaction", "user_id": "196", "item_id": "242", "type": "rating", "value": 4}
EXAMPLES = {
    "one": {"summary": "One event", "value": INTERACTION},
    "several": {"summary": "Several events", "value": {"events": [INTERACTION, {"kind": "remove", "item_id": "11"}]}},
}
Key = Annotated[str, Field(min_length=1, max_length=200)]
IdempotencyKey = Annotated[
    Key | None,
    Header(description="Sent twice with the same body, it counts once; for events without an `event_id` of their own."),
]
JSON = [(b"content-type", b"application/json")]

LARGE = 16 * 1024
"""Bytes from which on a body is read in another thread, so that answers go on meanwhile."""
AT_ONCE = 200
"""Events that are validated in one step, in which no other thread runs."""

_KEY: TypeAdapter[str] = TypeAdapter(Key)
_BODY: TypeAdapter[EventBody | EventsBody] = TypeAdapter(EventsRequest)


class Events:
    """`POST /v1/events`."""

    def __init__(self, rooms: Rooms, metrics: Metrics, posting: Posting) -> None:
        self._rooms, self._metrics, self._posting = rooms, metrics, posting
        self.hot = Direct(
            "/v1/events",
            self.events,
            direct=self,
            methods=["POST"],
            status_code=202,
            response_model=EventsAnswer,
            summary="Report what happened",
            responses=documented(400, 404, 409, 413, 415, 422, 503),
        )

    def router(self) -> APIRouter:
        """The route."""
        routes = APIRouter()
        routes.routes.append(self.hot)
        return routes

    async def events(
        self, body: Annotated[EventsRequest, Body(openapi_examples=EXAMPLES)], idempotency_key: IdempotencyKey = None
    ) -> EventsAnswer:
        """Take one event or up to 5,000, all or none; answered once they are on disk.

        The users' features are brought up to date before the answer, so that the next retrieval knows what happened.
        """
        raise NotImplementedError(body, idempotency_key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer `POST /v1/events`: as `events` says, without what FastAPI's way there would cost."""
        try:
            if not is_json(scope):
                await unsupported(scope)(scope, receive, send)
                return
            key, placed = _key_of(scope), placed_on(self._rooms, scope)
            data = await body_of(receive)
            if len(data) > LARGE:
                rows, many = await run_in_threadpool(self._rows, data, placed, key)
            else:
                rows, many = self._rows(data, placed, key)
            told = encoded(await self._taken(rows, many, key))
        except (RatoonError, ValidationError, RequestValidationError, HTTPException) as error:
            await answer(scope, error)(scope, receive, send)
            return
        length = (b"content-length", str(len(told)).encode())
        await send({"type": "http.response.start", "status": 202, "headers": [*JSON, length]})
        await send({"type": "http.response.body", "body": told})

    async def _taken(self, rows: list[Row], many: bool, key: str | None) -> dict[str, object]:
        new = await self._posting.append(rows, "#/events/{place}" if many else "#", key)
        applied = await self._posting.apply(sorted({row["user_id"] for row in rows if row["kind"] in ("interaction", "user")}))
        self._metrics.duplicates.inc(len(rows) - len(new))
        offset = new[-1]["offset"] if new else await run_in_threadpool(self._rooms.log.end)
        return {"accepted": len(new), "duplicates": len(rows) - len(new), "offset": offset, "applied": applied}

    def _rows(self, data: bytes, placed: str | None, key: str | None) -> tuple[list[Row], bool]:
        """What is to be logged, and whether it came as several."""
        body = _parsed(data)
        many = isinstance(body, dict) and "events" in body
        return [self._row(place, key, placed, one, many) for place, one in enumerate(_validated(body))], many

    def _row(self, place: int, key: str | None, placed: str | None, given: EventBody, many: bool) -> Row:
        try:
            return self._posting.row(place, key, **vars(given) | {"surface": given.surface or placed})
        except DataError as wrong:
            field = wrong.field.replace(".", "/")
            raise Misfit(wrong, f"#/events/{place}/{field}" if many else f"#/{field}") from wrong


def _key_of(scope: Scope) -> str | None:
    """The request's Idempotency-Key, if it has one; RequestValidationError if it cannot be one."""
    said = next((value for name, value in scope["headers"] if name == b"idempotency-key"), None)
    if said is None:
        return None
    try:
        return _KEY.validate_python(said.decode("latin-1"))
    except ValidationError as wrong:
        found = [{**one, "loc": ("header", "idempotency-key")} for one in wrong.errors(include_url=False)]
        raise RequestValidationError(found) from wrong


def _parsed(data: bytes) -> object:
    try:
        return from_json(data)
    except ValueError as wrong:
        raise RequestValidationError([{"type": "json_invalid", "loc": ("body",), "msg": str(wrong)}]) from wrong


def _validated(body: Any) -> Iterator[EventBody]:
    """The events of a body; RequestValidationError or ValidationError names what is wrong, of many events in the first lot."""
    events = body.get("events") if isinstance(body, dict) else None
    if not isinstance(events, list) or not AT_ONCE < len(events) <= MOST_EVENTS:
        made = _BODY.validate_python(body, from_attributes=True)
        yield from _events(made)
        return
    for first in range(0, len(events), AT_ONCE):
        try:
            made = _BODY.validate_python(body | {"events": events[first : first + AT_ONCE]})
        except ValidationError as wrong:
            found = [{**one, "loc": ("body", *_further(one["loc"], first))} for one in wrong.errors(include_url=False)]
            raise RequestValidationError(found) from wrong
        yield from _events(made)


def _events(body: EventBody | EventsBody) -> Sequence[EventBody]:
    return body.events if isinstance(body, EventsBody) else [body]


def _further(place: Sequence[str | int], by: int) -> list[str | int]:
    """Where something is in the whole body that was found in the lot of events from the place `by` on."""
    return [step + by if isinstance(step, int) and at and place[at - 1] == "events" else step for at, step in enumerate(place)]
