"""The page for people at `/`, what it is made of, and the way to it where keys are asked for."""

from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ratoon.serving.around.access import COOKIE, shown
from ratoon.serving.bodies.fields import Id
from ratoon.serving.keys.roles import ASSETS_PATH
from ratoon.serving.metrics import Metrics
from ratoon.serving.page import ASSETS, Titles, figures, home, sign_in
from ratoon.serving.problems import Unknown
from ratoon.serving.rendering import encoded
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.surfaces import asked, slot_of, surface_of

FOUND = 8
"""Items under the box."""

LARGEST_FORM = 4_096
"""Bytes of a form with a key."""

GUARDED = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
KEPT = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


class Page:
    """Handlers, with the rooms they read from."""

    def __init__(self, rooms: Rooms, metrics: Metrics) -> None:
        self._rooms, self._metrics = rooms, metrics
        self._titles = {name: Titles() for name in rooms.surfaces}

    def router(self) -> APIRouter:
        """The routes; none of them is in the document, for programs have better ones."""
        routes = APIRouter(include_in_schema=False)
        routes.add_api_route("/", self.home, response_class=HTMLResponse)
        routes.add_api_route("/sign-in", self.sign_in, methods=["POST"])
        routes.add_api_route("/sign-out", self.sign_out, methods=["POST"])
        routes.add_api_route(ASSETS_PATH + "{name}", self.asset)
        routes.add_api_route("/page/search", self.search)
        return routes

    async def home(self, request: Request, surface: Annotated[str, Depends(asked)]) -> Response:
        """Show a person what is served; or, if keys are asked for and none was shown, where to show one."""
        keys = self._rooms.keys
        asks = keys is not None and keys.ring.asks()
        if asks and not self._good(shown(request.scope)):
            return HTMLResponse(sign_in(wrong=False), headers=GUARDED)
        surface_of(self._rooms, surface)
        known = await run_in_threadpool(figures, self._rooms, self._metrics, surface)
        return HTMLResponse(home(known, signed_in=asks), headers=GUARDED)

    async def sign_in(self, request: Request) -> Response:
        """Take a key from the form, and let the browser keep it if it is good."""
        key = _key(await request.body())
        if not self._good(key):
            return HTMLResponse(sign_in(wrong=True), 401, GUARDED)
        answer = RedirectResponse("/", 303, GUARDED)
        answer.set_cookie(COOKIE.decode(), key.decode(), httponly=True, samesite="strict", secure=_tls(request))
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Let the browser forget the key."""
        answer = RedirectResponse("/", 303, GUARDED)
        answer.delete_cookie(COOKIE.decode(), httponly=True, samesite="strict", secure=_tls(request))
        return answer

    async def asset(self, name: str) -> Response:
        """Give the page's style, script or icon."""
        found = ASSETS.get(name)
        if found is None:
            raise Unknown("name", expected=f"one of {', '.join(ASSETS)}", found=repr(name), fix="Load the page again.")
        return Response(found.content, media_type=found.kind, headers=KEPT)

    async def search(
        self, surface: Annotated[str, Depends(asked)], text: Annotated[Id, Query(description="What to look for.")]
    ) -> Response:
        """Say whether a user of that name is known, and which items are called so."""
        place = surface_of(self._rooms, surface)
        slot = slot_of(surface, place)

        def look() -> dict[str, Any]:
            user = bool(self._rooms.stored_features(text)) or bool(place.log.seen(text))
            items = self._titles[surface].search(slot, text, FOUND)
            return {"user": user, "items": [{"item_id": one.item_id, "title": one.title} for one in items]}

        return Response(
            encoded(await run_in_threadpool(look)), media_type="application/json", headers={"Cache-Control": "no-store"}
        )

    def _good(self, key: bytes | None) -> bool:
        keys = self._rooms.keys
        return keys is None or keys.ring.find(key) is not None


def _key(form: bytes) -> bytes:
    """The key in a form's body; empty if there is none."""
    fields = parse_qs(form.decode("ascii", "replace")) if len(form) <= LARGEST_FORM else {}
    return fields.get("key", [""])[0].strip().encode()


def _tls(request: Request) -> bool:
    return request.url.scheme == "https"
