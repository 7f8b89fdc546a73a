"""Refreshes, and what became of runs, to wait for in an event loop.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""

from typing import Literal, Unpack

from ratoon.client.call import Call, OnSurface, said, segment
from ratoon.client.generated.running.answers import RunAnswer
from ratoon.client.sending import AsyncSending


class AsyncRunning(AsyncSending):
    """Refreshes, and what became of runs."""

    async def refresh(
        self, *, scope: Literal["auto", "rows", "dense", "full"] | None = None, **options: Unpack[OnSurface]
    ) -> RunAnswer:
        """Refresh now.

        Begin a refresh; `/v1/runs/{id}` says how it goes.

        Args:
            scope: `auto`: the plan decides.

        Raises:
            Conflict, Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(Call("POST", "/v1/refresh", RunAnswer.read, False, body=said(scope=scope)), options)

    async def run(self, run_id: str, **options: Unpack[OnSurface]) -> RunAnswer:
        """How a run goes.

        Tell all that is kept of a run, whoever began it: a server, a worker, or a person.

        Raises:
            Invalid, NotFound, TooManyRequests, Unavailable: see `ratoon.client.errors`.
        """
        return await self._send(Call("GET", f"/v1/runs/{segment(run_id)}", RunAnswer.read, True), options)
