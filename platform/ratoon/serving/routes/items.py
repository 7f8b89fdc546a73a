"""Routes about items: what is served of them, and changes that the next answer shows."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import TypeAdapter

from ratoon.adopt import Slot
from ratoon.domain.errors import DataError
from ratoon.domain.query import Known
from ratoon.serving.bodies.answers import ItemAnswer, ItemState, RemovalAnswer
from ratoon.serving.bodies.fields import Id
from ratoon.serving.bodies.requests import ItemPatch, ItemRequest, ItemsBody, ItemsRequest
from ratoon.serving.posting import Posting, Row
from ratoon.serving.problems import Misfit, Unknown, documented
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.direct import Direct
from ratoon.serving.routes.lots import IdempotencyKey, Lots
from ratoon.serving.routes.surfaces import asked, placed_on, slot_of, surface_of

ITEM_ID = Annotated[Id, Path(description="The item.")]
ITEM = {"item_id": "242", "features": {"title": "Kolya (1996)", "year": 1996}}
EXAMPLES = {
    "one": {"summary": "One item", "value": ITEM},
    "several": {"summary": "Several items", "value": {"items": [ITEM, {"item_id": "11"}]}},
}

_BODY: TypeAdapter[ItemRequest | ItemsBody] = TypeAdapter(ItemsRequest)


class Items:
    """Handlers, with the rooms that they read from and write to."""

    def __init__(self, rooms: Rooms, posting: Posting) -> None:
        self._rooms, self._posting = rooms, posting

    def router(self) -> APIRouter:
        """The routes."""
        routes, path = APIRouter(), "/v1/items/{item_id:item}"
        posted = Direct(
            "/v1/items",
            self.post,
            direct=Lots(self._rooms, self._posting, "items", _BODY, _given, self._taken),
            methods=["POST"],
            status_code=202,
            response_model=ItemAnswer,
            summary="Add or change items",
            responses=documented(400, 404, 409, 413, 415, 422, 503),
        )
        routes.routes.append(posted)
        routes.add_api_route(
            path,
            self.patch,
            methods=["PATCH"],
            status_code=202,
            summary="Change an item",
            responses=documented(400, 404, 409, 413, 415, 422, 503),
        )
        routes.add_api_route(
            path, self.delete, methods=["DELETE"], status_code=202, summary="Remove an item", responses=documented(404, 422, 503)
        )
        routes.add_api_route(path, self.get, summary="An item as it is served", responses=documented(404, 422, 503))
        return routes

    async def post(
        self, body: Annotated[ItemsRequest, Body(openapi_examples=EXAMPLES)], idempotency_key: IdempotencyKey = None
    ) -> ItemAnswer:
        """Add one item or up to 5,000, or change their features, all or none.

        New ones are retrievable by their features from now on.
        """
        raise NotImplementedError(body, idempotency_key)

    async def patch(
        self, request: Request, item_id: ITEM_ID, body: ItemPatch, idempotency_key: IdempotencyKey = None
    ) -> ItemAnswer:
        """Change what is said of an item that is served; features that are not named stay."""
        placed_on(self._rooms, request.scope)
        if not any(slot is not None and item_id in slot.index for slot in self._slots()):
            raise _unknown(item_id)
        given = {"features": body.features, "event_timestamp": body.event_timestamp}
        try:
            row = self._posting.row(0, idempotency_key, kind="item", item_id=item_id, **given)
        except DataError as wrong:
            raise Misfit(wrong, "#/" + wrong.field.replace(".", "/")) from wrong
        return ItemAnswer.model_validate(await self._taken([row], "#", idempotency_key))

    async def delete(self, request: Request, item_id: ITEM_ID) -> RemovalAnswer:
        """Remove an item: it is in no answer from now on, until it is posted again."""
        placed_on(self._rooms, request.scope)
        (new,) = await self._posting.append([self._posting.row(0, kind="remove", item_id=item_id)], "")
        return RemovalAnswer(item_id=item_id, offset=new["offset"])

    async def get(self, item_id: ITEM_ID, surface: Annotated[str, Depends(asked)]) -> ItemState:
        """Say what a surface shows of an item."""
        slot = slot_of(surface, surface_of(self._rooms, surface))
        shown = slot.index.columns([item_id])
        if item_id not in shown:
            raise _unknown(item_id)
        source: Known = "features" if item_id in slot.posted else "index"
        return ItemState(item_id=item_id, item=shown[item_id], source=source)

    async def _taken(self, rows: Sequence[Row], pointer: str, key: str | None) -> dict[str, object]:
        new = await self._posting.append(rows, pointer, key)
        offset = new[-1]["offset"] if new else await run_in_threadpool(self._rooms.log.end)
        served = all(slot is not None and row["item_id"] in slot.index for slot in self._slots() for row in rows)
        return {
            "item_id": rows[-1]["item_id"],
            "offset": offset,
            "retrievable": "now" if served else "after the next refresh",
            "accepted": len(new),
            "duplicates": len(rows) - len(new),
        }

    def _slots(self) -> list[Slot | None]:
        return [surface.live.slot for surface in self._rooms.surfaces.values()]


def _given(one: ItemRequest, _placed: str | None) -> dict[str, Any]:
    return vars(one) | {"kind": "item"}


def _unknown(item_id: str) -> Unknown:
    return Unknown("item_id", expected="an item that is served", found=repr(item_id), fix="Post it first.")
