"""`POST /v1/events`: what happened, one thing or up to 5,000."""

from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter

from ratoon.serving.bodies.answers import EventsAnswer
from ratoon.serving.bodies.requests import EventBody, EventsBody, EventsRequest
from ratoon.serving.metrics import Metrics
from ratoon.serving.posting import Posting, Row
from ratoon.serving.problems import documented
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.direct import Direct
from ratoon.serving.routes.lots import IdempotencyKey, Lots

INTERACTION = {"kind": "interaction", "user_id": "196", "item_id": "242", "type": "rating", "value": 4}
EXAMPLES = {
    "one": {"summary": "One event", "value": INTERACTION},
    "several": {"summary": "Several events", "value": {"events": [INTERACTION, {"kind": "remove", "item_id": "11"}]}},
}

_BODY: TypeAdapter[EventBody | EventsBody] = TypeAdapter(EventsRequest)


class Events:
    """`POST /v1/events`."""

    def __init__(self, rooms: Rooms, metrics: Metrics, posting: Posting) -> None:
        self._rooms, self._metrics, self._posting = rooms, metrics, posting
        self.hot = Direct(
            "/v1/events",
            self.events,
            direct=Lots(rooms, posting, "events", _BODY, _given, self._taken),
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

    async def _taken(self, rows: list[Row], pointer: str, key: str | None) -> dict[str, object]:
        new = await self._posting.append(rows, pointer, key)
        applied = await self._posting.apply(sorted({row["user_id"] for row in rows if row["kind"] in ("interaction", "user")}))
        self._metrics.duplicates.inc(len(rows) - len(new))
        offset = new[-1]["offset"] if new else await run_in_threadpool(self._rooms.log.end)
        return {"accepted": len(new), "duplicates": len(rows) - len(new), "offset": offset, "applied": applied}


def _given(one: EventBody, placed: str | None) -> dict[str, Any]:
    return vars(one) | {"surface": one.surface or placed}
