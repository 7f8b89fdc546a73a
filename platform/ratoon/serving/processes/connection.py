"""One connection, as uvicorn's protocol on httptools serves it, with a queue before it and an eye on slow clients.

This is the one place that leans on uvicorn's inside: `LEANT_ON` names the members.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from time import monotonic, perf_counter
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ratoon.serving.around.context import REQUEST_ID, SANE
from ratoon.serving.around.draining import Draining
from ratoon.serving.around.pressure import QUICK, Pressure, prebuilt
from ratoon.serving.processes.terms import Terms
from ratoon.serving.processes.unread import ending, refusal

LEANT_ON = {
    "methods": (
        "connection_made",
        "connection_lost",
        "data_received",
        "on_message_begin",
        "on_headers_complete",
        "on_body",
        "on_message_complete",
        "on_response_complete",
        "send_400_response",
        "pause_writing",
        "resume_writing",
        "shutdown",
        "_start_asgi_task",
    ),
    "attributes": ("connections", "tasks", "server_state", "loop", "transport", "flow", "headers", "scope", "cycle", "pipeline"),
    "cycle": (
        "scope",
        "keep_alive",
        "more_body",
        "disconnected",
        "response_started",
        "response_complete",
        "waiting_for_100_continue",
    ),
}
"""Members of uvicorn's protocol that are overridden or read, and those of a request's cycle."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the connections of one process share.

    Attributes:
        new_id: makes ids for requests that never reach the application.
        closed: hears of each connection that has ended.
        unread: hears the status of each answer to what was no request, or not a whole one.
    """

    terms: Terms
    pressure: Pressure
    draining: Draining
    new_id: Callable[[], str]
    closed: Callable[[], object]
    unread: Callable[[int], object]


class Connection(HttpToolsProtocol):
    """One client's connection."""

    def __init__(self, around: Around, **given: Any) -> None:
        """Args: given: as uvicorn's server gives it to its protocols."""
        super().__init__(**given)
        self._around = around
        self._reading = self._stuck = 0.0  # since when a request is incomplete, and its answer not taken
        self._idle = monotonic()
        self._in_head = self._ended = False
        self._fed = 0
        self._told = -inf  # when it was last told to wait
        self._owed, self._behind = b"", b""  # a refusal that is told later, and what was sent meanwhile

    @property
    def asked(self) -> bool:
        """Whether a request has been read."""
        return bool(self.cycle) or self._told > -inf or bool(self._owed)

    @property
    def _busy(self) -> bool:
        """Whether a request that was read is not answered yet."""
        return bool(self.cycle) and not self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        self._owed = self._behind = b""
        self._around.closed()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._ended:
            return
        if self._owed:
            self._behind += data
            self.flow.pause_reading()
            return
        if not self._reading and self._around.pressure.full(len(self.connections)) and self._refused(data):
            return
        self._fed = self._fed + len(data) if self._in_head else len(data)
        super().data_received(data)
        if self._in_head and self._fed > self._around.terms.head_bytes:
            self._too_large()

    def on_message_begin(self) -> None:
        """Look at the clock: a request begins."""
        self._reading, self._in_head = monotonic(), True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Answer in turn, or refuse a head that is too large."""
        if self._ended:
            return
        self._in_head = False
        terms = self._around.terms
        large = self._fed > terms.head_bytes and sum(len(name) + len(value) for name, value in self.headers) > terms.head_bytes
        if large or len(self.headers) > terms.head_fields:
            self._too_large()
            return
        self.scope["state"]["began"] = perf_counter()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self._ended:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """A request is whole."""
        if not self._ended:
            self._reading = 0.0
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Begin the next request that was sent meanwhile. Instead of a timer for each answer there is `sweep`."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self._idle = monotonic()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        method, path, pressure = cycle.scope["method"], cycle.scope["path"], self._around.pressure
        if path in QUICK:
            super()._start_asgi_task(cycle, app)
        elif reason := pressure.refuses(method, path, len(self.connections), len(self.tasks)):
            pressure.refuse(reason, self._told, partial(self._refuse_read, cycle))
        else:
            pressure.take(self.loop, partial(self._begin, cycle, app))

    def _begin(self, cycle: RequestResponseCycle, app: Any) -> bool:
        if cycle.disconnected:
            return False
        super()._start_asgi_task(cycle, app)
        return True

    def _refused(self, data: bytes) -> bool:
        """Refuse a request that is all there, without parsing it; False if it has to be looked at."""
        if self._busy or self._around.draining.begun or (made := refusal(data)) is None:
            return False
        self._owed = made(self._around.new_id)
        self._around.pressure.refuse("queue", self._told, self._refuse_unread)
        return True

    def _refuse_unread(self) -> None:
        """Say the refusal that is owed, then look at what was sent after the request."""
        if not self._owed:  # the client has gone
            return
        self.transport.write(self._owed)
        self._owed = b""
        self._told = self._idle = monotonic()
        if self._behind:
            data, self._behind = self._behind, b""
            self.flow.resume_reading()
            self.data_received(data)

    def _refuse_read(self, cycle: RequestResponseCycle) -> None:
        """Refuse a request whose head was parsed; of its body the parser takes the rest."""
        if cycle.disconnected or self._ended:
            return
        method, path, headers = cycle.scope["method"], cycle.scope["path"], cycle.scope["headers"]
        cycle.keep_alive &= not (self._around.draining.begun or cycle.waiting_for_100_continue)
        known = next((value for name, value in headers if name == REQUEST_ID and SANE.fullmatch(value)), b"")
        told = prebuilt(path, close=not cycle.keep_alive)(known or self._around.new_id().encode())
        cycle.response_started = cycle.response_complete = True
        self.transport.write(told[: told.find(b"\r\n\r\n") + 4] if method == "HEAD" else told)
        self._told = monotonic()
        if not cycle.keep_alive:
            self.transport.close()
        if self.pipeline:  # each of them may be refused, too: not one within the other
            self.loop.call_soon(self.on_response_complete)
        else:
            self.on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Say that what came is not HTTP."""
        del msg
        self._end(400, "malformed_request", "This is not an HTTP/1.1 request.")

    def _too_large(self) -> None:
        terms = self._around.terms
        detail = f"A request's head may have at most {terms.head_bytes} bytes and {terms.head_fields} fields."
        self._end(431, "head_too_large", detail)

    def _end(self, status: int, code: str, detail: str) -> None:
        """Answer for the application, and close; what was asked before is answered first, and this then only by closing."""
        self._ended, cycle = True, self.cycle
        self._around.unread(status)
        if self._busy:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            if self.pipeline or cycle.response_started:
                self.transport.abort()
                return
        self.transport.write(ending(status, code, detail, self._around.new_id()))
        self.transport.close()

    def pause_writing(self) -> None:
        """Look at the clock: the client does not take its answers."""
        self._stuck = monotonic()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._stuck = 0.0
        super().resume_writing()

    def shutdown(self) -> None:
        """Close once what is asked is answered; a connection on which nothing was asked yet may still be about to."""
        self._refuse_unread()
        if self.asked:
            super().shutdown()

    def sweep(self, now: float) -> None:
        """Close the connection if the client takes too long; to be called about once a second.

        Args:
            now: `time.monotonic`.
        """
        terms = self._around.terms
        if self._stuck and now - self._stuck > terms.client_seconds:
            self.transport.abort()
        elif self._reading and not self._ended:
            if now - self._reading > terms.client_seconds:
                self._end(408, "too_slow", f"A request has to be sent within {terms.client_seconds:g} s.")
        elif not self.asked:
            if now - self._idle > terms.client_seconds:
                self.transport.close()
        elif not self._busy and not self._owed and now - self._idle > terms.idle_seconds:
            self.transport.close()
