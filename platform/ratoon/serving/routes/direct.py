"""Routes that FastAPI documents and an ASGI application answers."""

from typing import Any

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive


class Direct(APIRoute):
    """A route of which the OpenAPI document says what its endpoint's signature says, and whose requests go past it.

    FastAPI's own way from a request to an endpoint costs as much as half a retrieval.
    """

    def __init__(self, path: str, endpoint: Any, *, direct: ASGIApp, **known: Any) -> None:
        super().__init__(path, endpoint, **known)
        self.app = direct


async def body_of(receive: Receive) -> bytes:
    """A request's whole body; HTTPException if the client goes before it has sent it."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "The body broke off.")
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
