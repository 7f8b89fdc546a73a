"""A small application behind real sockets, served as `ratoon serve` serves its own."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import monotonic

import uvicorn
from starlette.types import Receive, Scope, Send

from ratoon.serving.around.draining import Draining
from ratoon.serving.around.pressure import Pressure
from ratoon.serving.processes.arriving import Listening
from ratoon.serving.processes.connection import Around, Connection
from ratoon.serving.processes.stopping import Server
from ratoon.serving.processes.terms import Terms

QUICKLY = Terms(drain_seconds=0.0, grace_seconds=5.0)
BIG = 8 * 2**20


@dataclass
class Small:
    """`/hold` keeps the event loop until `go` is set, `/wait` only the request; `/big` answers BIG bytes; others their body."""

    port: int = 0
    go: threading.Event = field(default_factory=threading.Event)
    held: threading.Event = field(default_factory=threading.Event)
    asked: list[Scope] = field(default_factory=list)
    shed: list[str] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    connections: set[Connection] = field(default_factory=set)
    draining: Draining = field(default_factory=Draining)
    server: Server | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        self.asked.append(scope)
        if scope["path"] == "/hold":
            self.held.set()
            self.go.wait()
        body = await self._body(receive)
        if scope["path"] == "/wait":
            self.held.set()
            while not self.go.is_set():
                await asyncio.sleep(0.005)
        body = b"x" * BIG if scope["path"] == "/big" else body
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})

    async def _body(self, receive: Receive) -> bytes:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        return body

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


@contextmanager
def serving(terms: Terms = QUICKLY, **changes: float) -> Iterator[Small]:
    small, listener = Small(), socket.create_server(("127.0.0.1", 0))
    small.port = listener.getsockname()[1]
    terms = replace(terms, **changes)  # type: ignore[arg-type]  # all that tests change are numbers
    pressure = Pressure(monotonic, small.shed.append, terms.queue_ms)
    around = Around(terms, pressure, small.draining, lambda: "made", lambda: small.closed.append(1), small.unread.append)
    config = uvicorn.Config(
        small, log_config=None, access_log=False, ws="none", http="httptools", loop="uvloop", proxy_headers=False
    )
    server = small.server = Server(config, around, Listening(listener))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield small
    finally:
        small.go.set()
        small.draining.begin()
        thread.join()


def post(path: str, body: bytes = b"", *more: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *more, "", "")
    return "\r\n".join(lines).encode() + body


def answer(connection: socket.socket) -> tuple[int, bytes, bytes]:
    """One answer: status, head in lower case, body; status 0 if the connection ended instead."""
    told = b""
    while b"\r\n\r\n" not in told:
        if not (part := connection.recv(1)):
            return 0, told, b""
        told += part
    head = told.lower()
    length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = b""
    while len(body) < length and (part := connection.recv(length - len(body))):
        body += part
    return int(head.split()[1]), head, body


def ended(connection: socket.socket) -> bool:
    """Wait until the server closes it; whether nothing more came."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
