"""Every path is also there under `/v1/surfaces/{surface}/`."""

from starlette.types import ASGIApp, Receive, Scope, Send

PREFIX = "/v1/surfaces/"


class SurfacePaths:
    """Takes the surface out of the path, so that one route answers for both."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            surface, slash, rest = scope["path"][len(PREFIX) :].partition("/")
            if surface and slash and rest:
                scope["state"]["surface"] = surface
                scope = {**scope, "path": f"/v1/{rest}"}
        await self._app(scope, receive, send)
