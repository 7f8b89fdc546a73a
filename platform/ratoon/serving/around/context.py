"""What surrounds every request: an id, a trace, a count, and an answer when something unexpected happens.

Plain ASGI, so that a request costs no extra task.
"""

import logging
import re
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ratoon.serving import logs
from ratoon.serving.metrics import Metrics
from ratoon.serving.problems import problem
from ratoon.serving.tracing import Ended, Incoming, Tracing

REQUEST_ID = b"x-request-id"
SANE = re.compile(rb"[\w.:/+=-]{1,128}", re.ASCII)
_METHODS = frozenset(("GET", "POST", "PATCH", "DELETE", "HEAD", "PUT", "OPTIONS"))

logger = logging.getLogger("ratoon.serving")


class RequestContext:
    """Gives each request an id, the caller's own if it has a sane one; counts it; answers 500 if the application breaks.

    Args:
        access: whose answers leave a log line.
        tracing: where finished requests are told of; None for nowhere.
    """

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        new_id: Callable[[], str],
        access: logs.Access = "failed",
        tracing: Tracing | None = None,
    ) -> None:
        self._app, self._metrics, self._new_id, self._access, self._tracing = app, metrics, new_id, access, tracing
        self._share = tracing.share if tracing is not None else 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = parent = tracestate = b""
        for name, value in scope["headers"]:
            if name == REQUEST_ID:
                wanted = value
            elif name == b"traceparent":
                parent = value
            elif name == b"tracestate":
                tracestate = value
        request_id = wanted.decode() if SANE.fullmatch(wanted) else self._new_id()
        incoming = Incoming(parent.decode("latin-1"), tracestate.decode("latin-1"), self._share)
        state = scope.setdefault("state", {})
        began = state.setdefault("began", time.perf_counter())
        state["request_id"], state["trace"] = request_id, incoming
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._names(request_id, incoming)]
            await send(message)

        in_flight = self._metrics.in_flight.labels()
        in_flight.inc()
        try:
            with logs.about(request_id, trace_id=incoming):
                try:
                    await self._app(scope, receive, send_with_id)
                except Exception:
                    logger.exception("%s %s failed", scope["method"], scope["path"])
                    if status:
                        raise  # the answer has begun: all that is left is to break the connection
                    told = "Something unexpected happened; it was logged under this request's id."
                    await problem(scope, 500, "internal", told)(scope, receive, send_with_id)
                finally:
                    self._ended(scope, incoming, status, time.perf_counter() - began)
        finally:
            in_flight.dec()

    def _names(self, request_id: str, incoming: Incoming) -> list[tuple[bytes, bytes]]:
        """By which headers the answer is named."""
        if self._tracing is None or not incoming.trace.sampled:
            return [(REQUEST_ID, request_id.encode())]
        return [(REQUEST_ID, request_id.encode()), (b"traceresponse", incoming.trace.traceparent.encode())]

    def _ended(self, scope: Scope, incoming: Incoming, status: int, seconds: float) -> None:
        # By the route's template: ids in paths would make a time series each.
        route = getattr(scope.get("route"), "path_format", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.answered(method, route, status, seconds)
        logs.answered(self._access, scope["method"], scope["path"], status, seconds)
        if self._tracing is not None and incoming.trace.sampled:
            took, stages = int(seconds * 1e9), scope["state"].get("stages", {})
            stages = {stage: milliseconds / 1_000 for stage, milliseconds in stages.items() if stage != "total"}
            said = {"http.request.method": method, "http.route": route, "http.response.status_code": status}
            began = time.time_ns() - took
            name, failed = f"{method} {route}", status >= 500
            if not self._tracing.spans.ended(Ended(incoming.trace, name, began, took, stages, said, failed)):
                self._metrics.spans_dropped.inc()
