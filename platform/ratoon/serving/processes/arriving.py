"""Where a process's connections come from: its own listening socket, or another process that hands them over."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from ratoon.serving.around.draining import Draining

BACKLOG = 2_048
STOP, TAKE = b"s", b"c"
"""What a parent says to a worker: stop, and take this connection."""

Factory = Callable[[], asyncio.Protocol]
logger = logging.getLogger("ratoon.serving")


class Arrivals(Protocol):
    """What a server is told of connections."""

    @property
    def heeds_signals(self) -> bool:
        """Whether the process stops at signals; otherwise somebody else says when."""

    @property
    def ended(self) -> bool:
        """Whether no more connections will come."""

    async def open(self, protocol: Factory) -> None:
        """Begin to take connections."""

    async def close(self, protocol: Factory) -> None:
        """Take those that have come, and no more."""


class Listening:
    """Connections from a listening socket."""

    heeds_signals = True
    ended = False

    def __init__(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        self._listener, self._tls = listener, tls
        self._server: asyncio.Server | None = None

    async def open(self, protocol: Factory) -> None:
        """Begin to take connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(protocol, sock=self._listener, ssl=self._tls, backlog=BACKLOG)

    async def close(self, protocol: Factory) -> None:
        """Take those that have come: closing the socket at once would reset connections that the kernel has taken for us."""
        last = self._listener.dup()
        last.setblocking(False)
        if self._server is not None:
            self._server.close()
        self._listener.close()
        waiting = accepted(last)
        last.close()
        for connection in waiting:
            await taken(connection, protocol, self._tls)


class Handed:
    """Connections that another process accepts and sends over a socket, a byte and a descriptor each.

    Args:
        control: a stream socket; its end says that no more will come, whatever became of the other process.
    """

    heeds_signals = False

    def __init__(self, control: socket.socket, draining: Draining, tls: ssl.SSLContext | None = None) -> None:
        self._control, self._draining, self._tls = control, draining, tls
        self.ended = False
        self._tasks = set[asyncio.Task[None]]()

    async def open(self, protocol: Factory) -> None:
        """Begin to take connections, and say so."""
        self._control.setblocking(False)
        asyncio.get_running_loop().add_reader(self._control.fileno(), self._take, protocol)
        self._control.send(TAKE)

    def _take(self, protocol: Factory) -> None:
        try:
            said, descriptors, _, _ = socket.recv_fds(self._control, 1, 1)
        except BlockingIOError:
            return
        except ConnectionResetError:  # it ended with something of ours unread
            said, descriptors = b"", []
        for descriptor in descriptors:
            task = asyncio.create_task(taken(socket.socket(fileno=descriptor), protocol, self._tls))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if said == STOP:
            self._draining.begin()
        elif not said:
            self.ended = True
            asyncio.get_running_loop().remove_reader(self._control.fileno())

    async def close(self, protocol: Factory) -> None:
        """Wait for those that are being taken."""
        del protocol
        if self._tasks:
            await asyncio.wait(self._tasks)


def accepted(listener: socket.socket) -> list[socket.socket]:
    """The connections that wait at a socket that does not block."""
    found = list[socket.socket]()
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return found
        except ConnectionAbortedError:
            continue
        found.append(connection)


async def taken(connection: socket.socket, protocol: Factory, tls: ssl.SSLContext | None) -> None:
    """Serve a connection; one that its client has given up meanwhile, or that does not speak TLS, is let go."""
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().connect_accepted_socket(protocol, connection, ssl=tls)
    except (OSError, ssl.SSLError) as error:
        logger.debug("a connection was not taken: %s", error)
        connection.close()
