"""A uvicorn server that lets connections go before it stops, and that says how slow its clients may be."""

import asyncio
import logging
import os
import signal
import sys
from time import monotonic
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE

from ratoon.serving.processes.arriving import Arrivals
from ratoon.serving.processes.connection import Around, Connection

SWEEP_SECONDS = 1.0
TICK = 0.02
FIRST_SECONDS = 1.0
"""For so long a connection that was taken last is waited for to ask something."""

logger = logging.getLogger("ratoon.serving")


class Server(uvicorn.Server):
    """Serves what arrives, until it is told to stop.

    Args:
        arrivals: where connections come from, and who says that no more will.
    """

    def __init__(self, config: uvicorn.Config, around: Around, arrivals: Arrivals) -> None:
        super().__init__(config)
        self._around, self._arrivals = around, arrivals
        self._told_at = self._swept_at = 0.0
        self.cut = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop; at the second signal end at once."""
        del frame
        if not self._arrivals.heeds_signals:
            return
        if self._around.draining.begun:
            signal.signal(sig, signal.SIG_DFL)
            os.kill(os.getpid(), sig)
        self._around.draining.begin()

    async def startup(self, sockets: Any = None) -> None:
        """Start the application, then take connections."""
        del sockets
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            sys.exit(STARTUP_FAILURE)
        await self._arrivals.open(self._protocol)
        self.servers = []
        self.started = True

    def _protocol(self) -> asyncio.Protocol:
        return Connection(self._around, config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    def _connections(self) -> list[Connection]:
        return [one for one in self.server_state.connections if isinstance(one, Connection)]

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: look at slow clients, and whether it is time to stop."""
        await super().on_tick(counter)
        now = monotonic()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            for connection in self._connections():
                connection.sweep(now)
        if not self._around.draining.begun:
            return self._arrivals.ended
        self._told_at = self._told_at or now
        waited = now - self._told_at >= self._around.terms.drain_seconds
        return self._arrivals.ended if not self._arrivals.heeds_signals else waited or not self.server_state.connections

    async def shutdown(self, sockets: Any = None) -> None:
        """Take no more connections, finish what is under way within the grace, then end the application."""
        del sockets
        self._around.draining.begin()
        await self._arrivals.close(self._protocol)
        for connection in self._connections():
            connection.shutdown()
        begun = monotonic()
        while self.server_state.connections or self.server_state.tasks:
            passed = monotonic() - begun
            if passed > self._around.terms.grace_seconds:
                self._cut_off()
                break
            if passed > FIRST_SECONDS:
                for connection in self._connections():
                    if not connection.asked:
                        connection.transport.close()
            await asyncio.sleep(TICK)
        await self.lifespan.shutdown()

    def _cut_off(self) -> None:
        tasks = list(self.server_state.tasks)
        self.cut = len(tasks)
        logger.error("%d requests were not answered within the grace and are cut off", self.cut)
        for task in tasks:
            task.cancel()
        for connection in self._connections():
            connection.transport.abort()
