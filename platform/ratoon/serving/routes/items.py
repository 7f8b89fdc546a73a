"""Routes about items: what is served of them, and changes that the next answer shows."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request

from ratoon.adopt import Slot
from ratoon.domain.errors import DataError
from ratoon.domain.query import Known
from ratoon.serving.bodies.answers import ItemAnswer, ItemState, RemovalAnswer
from ratoon.serving.bodies.fields import Id
from ratoon.serving.bodies.requests import ItemPatch, ItemRequest
from ratoon.serving.posting import Posting
from ratoon.serving.problems import Misfit, Unknown, documented
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.events import IdempotencyKey
from ratoon.serving.routes.surfaces import asked, placed_on, slot_of, surface_of

ITEM_ID = Annotated[Id, Path(description="The item.")]


class Items:
    """Handlers, with the rooms that they read from and write to."""

    def __init__(self, rooms: Rooms, posting: Posting) -> None:
        self._rooms, self._posting = rooms, posting

    def router(self) -> APIRouter:
        """The routes."""
        routes, path = APIRouter(), "/v1/items/{item_id:item}"
        written = documented(400, 404, 409, 413, 415, 422, 503)
        routes.add_api_route(
            "/v1/items", self.post, methods=["POST"], status_code=202, summary="Add or change an item", responses=written
        )
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

    async def post(self, request: Request, body: ItemRequest, idempotency_key: IdempotencyKey = None) -> ItemAnswer:
        """Add an item, or change its features; a new one is retrievable by its features from now on."""
        placed_on(self._rooms, request.scope)
        return await self._changed(body.item_id, body, idempotency_key)

    async def patch(
        self, request: Request, item_id: ITEM_ID, body: ItemPatch, idempotency_key: IdempotencyKey = None
    ) -> ItemAnswer:
        """Change what is said of an item that is served; features that are not named stay."""
        placed_on(self._rooms, request.scope)
        if not any(slot is not None and item_id in slot.index for slot in self._slots()):
            raise _unknown(item_id)
        return await self._changed(item_id, body, idempotency_key)

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

    async def _changed(self, item_id: str, body: ItemRequest | ItemPatch, key: str | None) -> ItemAnswer:
        given = {"features": body.features, "event_timestamp": body.event_timestamp}
        try:
            row = self._posting.row(0, key, kind="item", item_id=item_id, **given)
        except DataError as wrong:
            raise Misfit(wrong, "#/" + wrong.field.replace(".", "/")) from wrong
        new = await self._posting.append([row], "#", key)
        offset = new[0]["offset"] if new else self._rooms.log.end()
        served = all(slot is not None and item_id in slot.index for slot in self._slots())
        return ItemAnswer(item_id=item_id, offset=offset, retrievable="now" if served else "after the next refresh")

    def _slots(self) -> list[Slot | None]:
        return [surface.live.slot for surface in self._rooms.surfaces.values()]


def _unknown(item_id: str) -> Unknown:
    return Unknown("item_id", expected="an item that is served", found=repr(item_id), fix="Post it first.")
