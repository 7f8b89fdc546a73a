"""One worker, as the parent of all sees it."""

import os
import signal
import socket
from dataclasses import dataclass, field

from ratoon.serving.board import Place
from ratoon.serving.processes.arriving import STOP, TAKE


@dataclass(eq=False)
class Worker:
    """A forked process that serves what is handed to it.

    Attributes:
        control: the socket over which connections are handed.
        born: `time.monotonic` of its start.
        ready: it has said that it serves.
        handed: how many connections it was given.
    """

    pid: int
    control: socket.socket
    place: Place
    born: float
    ready: bool = False
    handed: int = 0
    _stopped: bool = field(default=False, init=False)

    @property
    def held(self) -> int:
        """Its connections, with those on their way to it."""
        return self.handed - self.place.closed

    def hand(self, connection: socket.socket) -> bool:
        """Give it a connection; False if it cannot take any now."""
        try:
            socket.send_fds(self.control, [TAKE], [connection.fileno()])
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return False
        self.handed += 1
        return True

    def hear(self) -> bool:
        """Read what it says; False once it has gone."""
        try:
            said = self.control.recv(16)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        self.ready = self.ready or bool(said)
        return bool(said)

    def stop(self) -> None:
        """Tell it to let its connections go."""
        if not self._stopped:
            self._stopped = True
            try:
                self.control.send(STOP)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                self.kill()  # it does not read what it is told, or is gone

    def leave(self) -> None:
        """Tell it that no more connections will come."""
        self.control.close()

    def kill(self) -> None:
        """End it at once; it stays there to be waited for."""
        os.kill(self.pid, signal.SIGKILL)
