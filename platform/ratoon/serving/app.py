"""The application: routes, errors and middleware around the rooms."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.telemetry import TelemetryConfig

from ratoon.serving.adoption import Follower
from ratoon.serving.around.access import Access
from ratoon.serving.around.context import RequestContext
from ratoon.serving.around.draining import Closing, Draining
from ratoon.serving.around.hot import Hot
from ratoon.serving.around.limits import BodyLimit
from ratoon.serving.around.surfaces import SurfacePaths
from ratoon.serving.document import Described
from ratoon.serving.forwarding import UpToDate
from ratoon.serving.metrics import Metrics, Shared
from ratoon.serving.posting import Posting
from ratoon.serving.problems import install
from ratoon.serving.rooms import Rooms
from ratoon.serving.routes.events import Events
from ratoon.serving.routes.health import Health
from ratoon.serving.routes.items import Items
from ratoon.serving.routes.page import Page
from ratoon.serving.routes.paths import register
from ratoon.serving.routes.problems import Problems
from ratoon.serving.routes.releases import Releases
from ratoon.serving.routes.retrieving import Retrieving
from ratoon.serving.routes.trials import Trials
from ratoon.serving.routes.users import Users

ABOUT = """Candidates for a user from a model and an index that are refreshed as events arrive.

Every error is an RFC 9457 problem (`application/problem+json`) with a `code` for programs. Every answer carries
`X-Request-ID`, the caller's own if it sent one. Every path is also there under `/v1/surfaces/{surface}/`."""


def create_app(rooms: Rooms, shared: Shared | None = None) -> FastAPI:
    """The API over `rooms`; it adopts what is published when it starts and follows it while it runs.

    Args:
        shared: where several workers add up what they have counted.
    """
    exposures = rooms.exposures
    metrics, draining = Metrics(shared, rooms.home, exposures.counts if exposures else None), Draining()
    follower, posting = Follower(rooms, metrics), Posting(rooms, metrics)
    register()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with follower.running():
            yield
        await rooms.refreshes.close()
        if exposures is not None:
            await run_in_threadpool(exposures.close)
        if rooms.tracing is not None:
            await run_in_threadpool(rooms.tracing.spans.close)

    silent: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}  # ours say more, and cost a request less
    app = Described(title="Ratoon", version="1", description=ABOUT, lifespan=lifespan, telemetry=silent)
    app.state.draining, app.state.metrics = draining, metrics
    retrieving, events = Retrieving(rooms, metrics), Events(rooms, metrics, posting)
    app.add_middleware(Hot, routes=[retrieving.hot, events.hot])
    app.add_middleware(BodyLimit)
    app.add_middleware(SurfacePaths)
    if rooms.place is not None:
        app.add_middleware(UpToDate, rooms=rooms, metrics=metrics, place=rooms.place)
    app.add_middleware(Closing, draining=draining)
    if rooms.keys is not None:
        app.add_middleware(Access, **vars(rooms.keys))
    # Added last: it surrounds everything.
    app.add_middleware(RequestContext, metrics=metrics, new_id=rooms.new_id, access=rooms.access, tracing=rooms.tracing)
    install(app)
    for routes in (
        retrieving,
        events,
        Items(rooms, posting),
        Users(rooms),
        Releases(rooms),
        Trials(rooms),
        Health(rooms, metrics, draining),
        Page(rooms, metrics),
        Problems(),
    ):
        app.router.routes.extend(routes.router().routes)
    return app
