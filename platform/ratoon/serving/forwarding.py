"""What one worker has acknowledged is in the next answer of every other: before it answers, each looks whether it is behind.

The log is what workers share, and a number in memory says how far it goes: reading that costs a request less than a
microsecond. Only a worker that is behind reads the log, once for all requests that wait for it.
"""

import asyncio
import logging

from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from ratoon.adopt import Live, arrivals, forward
from ratoon.serving.around.pressure import QUICK
from ratoon.serving.board import Place
from ratoon.serving.metrics import Metrics
from ratoon.serving.rooms import Rooms, Surface

TRIES = 3
"""Looks for one request: what was read for a release is of no use once another has been adopted meanwhile."""

logger = logging.getLogger("ratoon.serving")


class UpToDate:
    """Brings what is served up to what other workers have acknowledged, before a request is answered."""

    def __init__(self, app: ASGIApp, rooms: Rooms, metrics: Metrics, place: Place) -> None:
        self._app, self._rooms, self._metrics, self._place = app, rooms, metrics, place
        self._surfaces = [(name, surface, asyncio.Lock()) for name, surface in rooms.surfaces.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] not in QUICK:
            heard = self._place.heard()
            for name, surface, looking in self._surfaces:
                for live in surface.lives:
                    if heard > live.followed and live.slot is not None:
                        await self._forward(name, surface, live, looking, heard)
        await self._app(scope, receive, send)

    async def _forward(self, name: str, surface: Surface, live: Live, looking: asyncio.Lock, heard: int) -> None:
        async with looking:
            for _ in range(TRIES):
                if heard <= live.followed:
                    return
                try:
                    coming = await run_in_threadpool(arrivals, live, surface.log, self._rooms.posted_items, light=True)
                    forward(live, surface.log, coming)  # here, in the thread that answers
                except Exception:
                    logger.exception("surface %s: what another worker was told could not be followed", name)
                    self._metrics.adoption_failures.labels(name).inc()
                    return
