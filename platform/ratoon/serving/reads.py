"""The routes that only read: candidates, the current release, health, metrics, the page."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from pydantic import TypeAdapter

from ratoon.adopt import Slot
from ratoon.domain import query
from ratoon.domain.filters import parsed
from ratoon.retrieve import retrieve
from ratoon.serving.metrics import Metrics
from ratoon.serving.page import page
from ratoon.serving.problems import NotReady, UnknownSurface, documented
from ratoon.serving.rooms import Rooms, Surface
from ratoon.serving.schemas import Id, ReleaseAnswer, RetrieveAnswer, RetrieveRequest

_ANSWER: TypeAdapter[dict[str, object]] = TypeAdapter(dict[str, object])

SurfaceName = Annotated[Id, Query(description="The product surface.")]


class Reads:
    """Handlers, with the rooms they read from."""

    def __init__(self, rooms: Rooms, metrics: Metrics) -> None:
        self._rooms, self._metrics = rooms, metrics

    def router(self) -> APIRouter:
        """The routes."""
        routes = APIRouter()
        routes.add_api_route(
            "/v1/retrieve",
            self.retrieve,
            methods=["POST"],
            response_model=RetrieveAnswer,
            summary="Candidates for a user",
            responses=documented(400, 404, 413, 415, 422, 503),
        )
        routes.add_api_route(
            "/v1/releases/current",
            self.current,
            response_model=ReleaseAnswer,
            summary="What a surface serves",
            responses=documented(404, 422, 503),
        )
        routes.add_api_route("/healthz", self.healthz, response_class=PlainTextResponse, summary="Whether the process lives")
        routes.add_api_route(
            "/readyz",
            self.readyz,
            response_class=PlainTextResponse,
            summary="Whether every surface has a release",
            responses=documented(503),
        )
        routes.add_api_route("/metrics", self.metrics, response_class=PlainTextResponse, summary="Prometheus metrics")
        routes.add_api_route("/", self.home, response_class=HTMLResponse, include_in_schema=False)
        return routes

    async def retrieve(self, body: RetrieveRequest, request: Request) -> Response:
        """Give up to k candidates, best first, for the user's features as they are now."""
        surface = self._surface(body.surface)
        asked = query.Query(
            user_id=body.user_id,
            k=surface.policy.k if body.k is None else body.k,
            exclude=frozenset(body.exclude_ids),
            exclude_seen=surface.policy.exclude_seen if body.exclude_seen is None else body.exclude_seen,
            popular=body.source == "popular",
            filter=None if body.filter is None else parsed(body.filter),
        )
        answer = retrieve(asked, _slot(body.surface, surface), self._rooms.online, surface.log)
        self._metrics.retrievals.labels(body.surface, answer.source).inc()
        candidates = [
            {"item_id": one.item_id, "score": one.score, "rank": rank, "item": one.display, "source": one.source}
            for rank, one in enumerate(answer.candidates, 1)
        ]
        return _json(
            request_id=request.state.request_id,
            user_id=body.user_id,
            source=answer.source,
            release=answer.release,
            sequence=answer.sequence,
            watermark=answer.watermark,
            adopting=answer.adopting,
            candidates=candidates,
        )

    async def current(self, surface: SurfaceName = "default") -> Response:
        """Describe the release that answers for a surface."""
        slot = _slot(surface, self._surface(surface))
        release = slot.release
        return _json(
            id=release.id,
            surface=surface,
            sequence=release.sequence,
            parent=release.parent,
            scope=release.scope,
            watermark=release.window.as_of,
            offset=release.window.end,
            dim=release.dim,
            metric=release.metric,
            items=len(slot.index),
        )

    async def healthz(self) -> Response:
        """Answer while the process lives, whatever it can serve."""
        return PlainTextResponse("ok\n")

    async def readyz(self) -> Response:
        """Answer 200 once every surface has a release to answer from."""
        for name, surface in self._rooms.surfaces.items():
            _slot(name, surface)
        return PlainTextResponse("ready\n")

    async def metrics(self) -> Response:
        """Everything counted since the start."""
        return PlainTextResponse(self._metrics.text(self._rooms), media_type="text/plain; version=0.0.4")

    async def home(self) -> Response:
        """Show a person what is served."""
        return HTMLResponse(page(self._rooms))

    def _surface(self, name: str) -> Surface:
        surface = self._rooms.surfaces.get(name)
        if surface is None:
            known = ", ".join(sorted(self._rooms.surfaces))
            raise UnknownSurface("surface", expected=f"one of {known}", found=repr(name), fix="Ask for a configured surface.")
        return surface


def _slot(name: str, surface: Surface) -> Slot:
    slot = surface.live.slot
    if slot is None:
        raise NotReady(f"surface {name}", expected="a release", found="no release yet", fix="run `ratoon bootstrap`")
    return slot


def _json(**body: object) -> Response:
    # Straight to bytes: checking an answer of our own making against its model doubles the time a request takes.
    return Response(_ANSWER.dump_json(body), media_type="application/json")
