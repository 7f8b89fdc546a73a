"""What surrounds every request: an id, a count, a limit, and an answer when something unexpected happens.

Plain ASGI, so that a request costs no extra task.
"""

import logging
import re
from collections.abc import Callable
from time import perf_counter

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ratoon.serving.metrics import Metrics
from ratoon.serving.problems import problem

REQUEST_ID = "X-Request-ID"
LARGEST_BODY = 5 * 2**20
"""Bytes."""

logger = logging.getLogger("ratoon.serving")


class RequestContext:
    """Gives each request an id, the caller's own if it has a sane one; counts it; answers 500 if the application breaks."""

    def __init__(self, app: ASGIApp, metrics: Metrics, new_id: Callable[[], str]) -> None:
        self._app, self._metrics, self._new_id = app, metrics, new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = wanted if re.fullmatch(r"[\w.:/+=-]{1,128}", wanted, re.ASCII) else self._new_id()
        scope.setdefault("state", {})["request_id"] = request_id
        status, began = 0, perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("%s %s failed, request %s", scope["method"], scope["path"], request_id)
            if status:
                raise  # the answer has begun: all that is left is to break the connection
            await problem(scope, 500, "internal", "Something unexpected happened; it was logged under this request's id.")(
                scope, receive, send_with_id
            )
        finally:
            self._count(scope, status, perf_counter() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # By the route's template: ids in paths would make a time series each.
        route = getattr(scope.get("route"), "path_format", "unmatched")
        method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE", "HEAD", "PUT", "OPTIONS") else "other"
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)


class BodyLimit:
    """Refuses bodies above a limit, before they are read where their length is declared."""

    def __init__(self, app: ASGIApp, limit: int = LARGEST_BODY) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it with 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        detail = f"A body may have at most {self._limit} bytes; send several requests."
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._limit:
            await problem(scope, 413, "body_too_large", detail)(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, detail)
            return message

        await self._app(scope, receive_limited, send)
