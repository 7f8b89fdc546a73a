"""Servers on real sockets, and both clients asked alike."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn

from ratoon.client import AsyncClient, Client

Kind = Literal["sync", "async"]
App = Callable[..., Any]


@contextmanager
def listening(app: App) -> Iterator[str]:
    """An ASGI application under a real server in a thread; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@dataclass
class Answer:
    """What is answered once."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """Answers in turn, the last one for ever, and remembers what it was asked."""

    answers: list[Answer]
    asked: list[Asked] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body, message = b"", {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        self.asked.append(Asked(scope["method"], scope["raw_path"].decode(), scope["query_string"].decode(), headers, body))
        told = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        content = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
        named = [(name.encode(), value.encode()) for name, value in told.headers.items()]
        await send({"type": "http.response.start", "status": told.status, "headers": named})
        await send({"type": "http.response.body", "body": content})


@contextmanager
def breaking(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a request, says these bytes to it, one per connection, and closes; its address and the requests."""
    listener = socket.create_server(("127.0.0.1", 0))
    came: list[bytes] = []

    def serve() -> None:
        for answer in answers:
            try:
                connection, _ = listener.accept()
            except OSError:  # it was closed: nobody comes any more
                return
            with connection:
                came.append(connection.recv(65536))
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", came
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


class Asking:
    """Either client as if it were the one for threads; `slept` has what it waited between attempts."""

    def __init__(self, kind: Kind, url: str, **more: Any) -> None:
        self.slept: list[float] = []
        self._runner = asyncio.Runner()
        self._client: Any = (
            Client(url, sleep=self.slept.append, **more) if kind == "sync" else AsyncClient(url, sleep=self._sleep, **more)
        )
        self._waits = kind == "async"

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            told = getattr(self._client, name)(*given, **named)
            return self._runner.run(told) if self._waits else told

        return call

    def __enter__(self) -> "Asking":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._runner.close()


def problem(status: int, code: str = "invalid", **more: object) -> Answer:
    body = {
        "type": f"/problems/{code}",
        "title": "Title",
        "status": status,
        "detail": "What was wrong.",
        "instance": "/v1/retrieve",
        "code": code,
        "request_id": "the-server's",
        "errors": [{"pointer": "#/k", "detail": "too large"}],
    }
    return Answer(status, body | more, {"content-type": "application/problem+json"})


ANSWER = {
    "request_id": "r1",
    "user_id": "196",
    "source": "tower",
    "release": "ab" * 32,
    "sequence": 3,
    "watermark": "2026-03-01T12:00:00Z",
    "staleness_s": 1.5,
    "adopting": False,
    "took_ms": {"features": 0.1, "embed": 0.1, "search": 0.1, "render": 0.1, "total": 0.5},
    "candidates": [
        {"rank": 1, "score": 2.5, "item_id": "i1", "item": {"title": "Speed"}, "source": "index", "coming": "later"},
        {"rank": 2, "score": 1.25, "item_id": "i2", "item": {"title": None}, "source": "features"},
    ],
}
"""An answer with a field that this client does not know."""
