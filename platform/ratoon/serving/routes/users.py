"""What is known of a user right now."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ratoon.serving.bodies.answers import UserAnswer
from ratoon.serving.bodies.fields import Id
from ratoon.serving.problems import Unknown, documented
from ratoon.serving.rendering import encoded
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.surfaces import asked, surface_of

USER_ID = Annotated[Id, Path(description="The user.")]


class Users:
    """Handlers, with the rooms they read from."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def router(self) -> APIRouter:
        """The route."""
        routes = APIRouter()
        routes.add_api_route(
            "/v1/users/{user_id:any}",
            self.get,
            response_model=UserAnswer,
            summary="A user's online features and their age",
            responses=documented(404, 422, 503),
        )
        return routes

    async def get(
        self, user_id: Annotated[Id, Path(description="The user.")], surface: Annotated[str, Depends(asked)]
    ) -> Response:
        """Give a user's features as the next answer will use them, and how old they are."""
        log = surface_of(self._rooms, surface).log
        views, seen = await run_in_threadpool(lambda: (self._rooms.stored_features(user_id), log.seen(user_id)))
        if not views and not seen:
            raise Unknown("user_id", expected="a user who has features or a history", found=repr(user_id), fix="Post an event.")
        now = self._rooms.clock()
        told = {
            name: {"event_timestamp": moment, "age_s": moment and (now - moment).total_seconds(), "features": features}
            for name, (moment, features) in views.items()
        }
        return Response(encoded({"user_id": user_id, "views": told, "seen": len(seen)}), media_type="application/json")
