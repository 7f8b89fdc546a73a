"""What a request may not exceed."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ratoon.serving.problems import problem

LARGEST_BODY = 5 * 2**20
"""Bytes."""


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
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if declared.isdigit() and int(declared) > self._limit:
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
