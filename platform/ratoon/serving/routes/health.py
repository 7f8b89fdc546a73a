"""Whether the process lives and can answer, and what it has counted."""

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, Response

from ratoon.serving.around.draining import Draining
from ratoon.serving.metrics import CONTENT_TYPE, Metrics
from ratoon.serving.problems import documented
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.surfaces import slot_of


class Health:
    """Handlers, with the rooms they read from."""

    def __init__(self, rooms: Rooms, metrics: Metrics, draining: Draining) -> None:
        self._rooms, self._metrics, self._draining = rooms, metrics, draining

    def router(self) -> APIRouter:
        """The routes."""
        routes = APIRouter()
        routes.add_api_route("/healthz", self.healthz, response_class=PlainTextResponse, summary="Whether the process lives")
        routes.add_api_route(
            "/readyz",
            self.readyz,
            response_class=PlainTextResponse,
            summary="Whether requests may be sent here",
            responses=documented(503),
        )
        routes.add_api_route("/metrics", self.metrics, response_class=PlainTextResponse, summary="Prometheus metrics")
        return routes

    async def healthz(self) -> Response:
        """Answer while the process lives, whatever it can serve."""
        return PlainTextResponse("ok\n")

    async def readyz(self) -> Response:
        """Answer 200 once every surface has a release to answer from, until the process is told to stop."""
        self._draining.refuse()
        for name, surface in self._rooms.surfaces.items():
            slot_of(name, surface)
        return PlainTextResponse("ready\n")

    async def metrics(self) -> Response:
        """Everything counted since the start."""
        return PlainTextResponse(await run_in_threadpool(self._metrics.text, self._rooms), media_type=CONTENT_TYPE)
