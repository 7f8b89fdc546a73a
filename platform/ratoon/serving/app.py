"""The application: routes, errors and middleware around the rooms."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from ratoon.serving.adoption import Follower
from ratoon.serving.metrics import Metrics
from ratoon.serving.middleware import BodyLimit, RequestContext
from ratoon.serving.problems import FieldProblem, Problem, install
from ratoon.serving.reads import Reads
from ratoon.serving.rooms import Rooms
from ratoon.serving.writes import Writes

ABOUT = """Candidates for a user from a model and an index that are refreshed as events arrive.

Every error is an RFC 9457 problem (`application/problem+json`) with a `code` for programs. Every answer carries
`X-Request-ID`, the caller's own if it sent one."""


def create_app(rooms: Rooms) -> FastAPI:
    """The API over `rooms`; it adopts what is published when it starts and follows it while it runs."""
    metrics = Metrics()
    follower = Follower(rooms, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with follower.running():
            yield

    app = _Described(title="Ratoon", version="1", description=ABOUT, lifespan=lifespan)
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestContext, metrics=metrics, new_id=rooms.new_id)  # added last: it surrounds everything
    install(app)
    app.include_router(Reads(rooms, metrics).router())
    app.include_router(Writes(rooms, metrics).router())
    return app


class _Described(FastAPI):
    """FastAPI, whose OpenAPI document also holds the models that only error answers use."""

    def openapi(self) -> dict[str, Any]:
        """The document, as served."""
        document = super().openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for model in (Problem, FieldProblem):
            schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas[model.__name__].pop("$defs", None)
        return document
