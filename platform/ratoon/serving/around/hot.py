"""The way to the route that is asked all the time, past everything that a router does to find one."""

from collections.abc import Iterable

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class Hot:
    """Hands requests for some paths to their routes at once."""

    def __init__(self, app: ASGIApp, routes: Iterable[Route]) -> None:
        """Args: routes: without parameters in their paths; they answer their errors themselves."""
        self._app = app
        self._routes = {(method, route.path): route for route in routes for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
        else:
            scope["route"] = route
            await route.app(scope, receive, send)
