"""Connections that stay open, one request on each at a time, and what wrk does not tell: every answer, and when it came."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import cast

END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Heard:
    """One answer.

    Attributes:
        status: 0 if the connection broke before the answer was whole.
        head: the answer's first lines and headers, lower case.
        place: of the question among all that are asked.
        sent, at: when it was asked for and when it was there, in seconds of this process's clock.
    """

    status: int
    head: bytes
    body: bytes
    sent: float
    at: float
    place: int = 0

    @property
    def ok(self) -> bool:
        """Whether it is what was asked for."""
        return 200 <= self.status < 300

    @property
    def refused(self) -> bool:
        """Whether it says to come again, and when."""
        return self.status in (429, 503) and b"\r\nretry-after:" in self.head

    @property
    def ms(self) -> float:
        """How long it took."""
        return 1e3 * (self.at - self.sent)


class Line(asyncio.Protocol):
    """One connection. `heard` is called with each answer, and once with status 0 if a question stays without one."""

    def __init__(self, heard: Callable[["Line", Heard], None]) -> None:
        self._heard = heard
        self._parts = b""
        self._sent, self._place = 0.0, 0
        self.waiting = self.closed = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def ask(self, request: bytes, place: int = 0) -> None:
        """Send one; only when nothing is waited for."""
        assert self._transport is not None
        self.waiting, self._place, self._sent = True, place, perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Put the answer together."""
        self._parts += data
        head, found, body = self._parts.partition(END)
        if not found:
            return
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].partition(b"\r")[0] or 0)
        if len(body) < length:
            return
        self._parts, self.waiting = b"", False
        self._heard(self, Heard(int(head[9:12]), lower, body, self._sent, perf_counter(), self._place))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """It is closed; whoever waited hears so."""
        self.closed = True
        if self.waiting:
            self.waiting = False
            self._heard(self, Heard(0, b"", b"", self._sent, perf_counter(), self._place))

    def close(self) -> None:
        """Close it."""
        if self._transport is not None:
            self.waiting = False
            self._transport.close()


async def opened(port: int, count: int, heard: Callable[[Line, Heard], None]) -> list[Line]:
    """So many connections to this machine."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(lambda: Line(heard), "127.0.0.1", port))[1] for _ in range(count)]


def request(path: str, body: bytes, headers: Mapping[str, str], method: str = "POST") -> bytes:
    """The bytes of a request."""
    told = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
    return (
        "".join([f"{method} {path} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in told.items()), "\r\n"]).encode()
        + body
    )
