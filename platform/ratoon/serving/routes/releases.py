"""Routes about releases: which there are, which is served, and how to get another one."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Path
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ratoon.domain.errors import Conflict, UsageError
from ratoon.domain.release import Release
from ratoon.serving.bodies.answers import ReleaseAnswer, ReleasesAnswer, RunAnswer, ServedAnswer
from ratoon.serving.bodies.fields import Id
from ratoon.serving.bodies.requests import ActivateRequest, RefreshRequest
from ratoon.serving.problems import Unknown, documented
from ratoon.serving.rendering import encoded
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.surfaces import asked, slot_of, surface_of

if TYPE_CHECKING:
    from ratoon.jobs.book import Shown

RELEASE = Annotated[
    str, Path(min_length=4, max_length=64, pattern="^[0-9a-f]+$", description="A release's id, or its beginning.")
]
SURFACE = Annotated[str, Depends(asked)]


class Releases:
    """Handlers, with the rooms they read from."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def router(self) -> APIRouter:
        """The routes."""
        routes = APIRouter(prefix="/v1")
        routes.add_api_route(
            "/releases/current",
            self.current,
            response_model=ServedAnswer,
            summary="What a surface serves",
            responses=documented(404, 422, 503) | {304: {"description": "As with `If-None-Match`."}},
        )
        routes.add_api_route("/releases", self.all, summary="The releases that are kept", responses=documented(404, 422, 503))
        routes.add_api_route(
            "/releases/{release_id}/activate",
            self.activate,
            methods=["POST"],
            summary="Serve an earlier release again",
            responses=documented(400, 404, 409, 413, 415, 422, 503),
        )
        routes.add_api_route(
            "/refresh",
            self.refresh,
            methods=["POST"],
            status_code=202,
            summary="Refresh now",
            responses=documented(400, 404, 409, 413, 415, 422, 503),
        )
        routes.add_api_route(
            "/runs/{run_id}", self.run, response_model=RunAnswer, summary="How a run goes", responses=documented(404, 422, 503)
        )
        return routes

    async def current(
        self, surface: SURFACE, if_none_match: Annotated[str | None, Header(description="The `ETag` that is known.")] = None
    ) -> Response:
        """Describe the release that answers for a surface."""
        slot = slot_of(surface, surface_of(self._rooms, surface))
        tag = f'"{slot.release.id}"'
        if if_none_match is not None and tag in [one.strip().removeprefix("W/") for one in if_none_match.split(",")]:
            return Response(status_code=304, headers={"ETag": tag})
        said = told(slot.release, current=True).model_dump() | {"items": len(slot.index), "adopting": slot.adopting}
        return Response(encoded(said), media_type="application/json", headers={"ETag": tag})

    async def all(self, surface: SURFACE) -> ReleasesAnswer:
        """List what can be served again, newest first."""
        registry = surface_of(self._rooms, surface).registry
        found, held = await run_in_threadpool(lambda: (registry.releases(), registry.held()))
        return ReleasesAnswer(releases=[told(one, current=place == 0) for place, one in enumerate(found)], held=held)

    async def activate(self, release_id: RELEASE, body: ActivateRequest, surface: SURFACE) -> ReleaseAnswer:
        """Publish the content of an earlier release as a new one, and hold refreshing until somebody resumes it."""
        registry = surface_of(self._rooms, surface).registry
        kept = await run_in_threadpool(registry.releases)
        if len([one for one in kept if one.id.startswith(release_id)]) != 1:
            raise Unknown(
                "release_id", expected="one release that is kept", found=repr(release_id), fix="`/v1/releases` lists them."
            )
        try:
            again = await run_in_threadpool(registry.rollback, release_id, body.reason)
        except UsageError as served:  # it is there, and the reason was read: what is left is that it is served already
            raise Conflict(served.field, expected=served.expected, found=served.found, fix=served.fix) from served
        return told(again, current=True)

    async def refresh(self, body: RefreshRequest, surface: SURFACE) -> Response:
        """Begin a refresh; `/v1/runs/{id}` says how it goes."""
        surface_of(self._rooms, surface)
        run = await self._rooms.refreshes.start(surface, body.scope)
        return Response(encoded(_run(run)), 202, {"Location": f"/v1/runs/{run.run.id}"}, "application/json")

    async def run(
        self, run_id: Annotated[Id, Path(description="As `/v1/refresh` gave it, or as `ratoon runs list` has it.")]
    ) -> Response:
        """Tell all that is kept of a run, whoever began it: a server, a worker, or a person."""
        run = await self._rooms.refreshes.get(run_id)
        if run is None:
            fix = "`/v1/refresh` begins one; `ratoon runs list` lists them."
            raise Unknown("run_id", expected="a run that is kept", found=repr(run_id), fix=fix)
        return Response(encoded(_run(run)), media_type="application/json")


def told(release: Release, *, current: bool) -> ReleaseAnswer:
    """A release as it is told."""
    return ReleaseAnswer(
        id=release.id,
        surface=release.surface,
        sequence=release.sequence,
        parent=release.parent,
        scope=release.scope,
        watermark=release.window.as_of,
        offset=release.window.end,
        dim=release.dim,
        metric=release.metric,
        published=release.published,
        current=current,
    )


def _run(run: "Shown") -> dict[str, Any]:
    return run.plain() | {"id": str(run.run.id)}
