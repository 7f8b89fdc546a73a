"""A process that was told to stop: it is not ready any more, finishes what was sent to it, and lets connections go."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ratoon.serving.problems import NotReady


class Draining:
    """Whether this process is about to stop."""

    def __init__(self) -> None:
        self._begun = False

    def begin(self) -> None:
        """From now on every answer asks its caller to connect to somebody else."""
        self._begun = True

    @property
    def begun(self) -> bool:
        """Whether it was told to stop."""
        return self._begun

    def refuse(self) -> None:
        """Raise NotReady once it was told to stop."""
        if self._begun:
            raise NotReady("process", expected="one that goes on", found="it was told to stop", fix="Ask another one.")


class Closing:
    """Adds `Connection: close` to the answers of a process that is about to stop: no caller is cut off between two requests."""

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        self._app, self._draining = app, draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if not self._draining.begun or scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, receive, closing)
