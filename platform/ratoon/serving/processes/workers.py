"""Several processes behind one address: their parent accepts connections and gives each to the worker that has the fewest.

Were all to accept at one socket, the kernel would wake whichever it likes, and 16 connections that stay open can all end up
with one of two workers. A connection is handed over once and costs the parent some tens of microseconds; of requests it sees
nothing. It has no threads and no event loop, so that it can fork at any time.
"""

import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ratoon.serving.board import Board, Place
from ratoon.serving.processes.arriving import accepted
from ratoon.serving.processes.terms import Terms
from ratoon.serving.processes.worker import Worker

TICK, BUSY_TICK = 0.2, 0.01
SETTLED = 5.0
"""Seconds after which a worker that dies is replaced at once; one that dies sooner is waited with, longer each time."""
LONGEST_PAUSE = 10.0
LATE = 5.0
"""Seconds beyond their grace that workers have to end."""

Work = Callable[[Place, socket.socket], int]
"""What a worker does with its place and its end of the control socket; its exit code."""

logger = logging.getLogger("ratoon.serving")


class Workers:
    """The parent.

    Args:
        listener: bound and listening; closed in the end.
        reload: what SIGHUP asks for, in every worker; they get the signal too.
    """

    def __init__(self, listener: socket.socket, count: int, work: Work, terms: Terms, look: Callable[[], object]) -> None:
        self._listener, self._work, self._terms, self._look = listener, work, terms, look
        self._board = Board(count)
        self._living: dict[int, Worker] = {}
        self._due = {place.number: 0.0 for place in self._board.places}  # when a free place is taken again
        self._pauses = dict.fromkeys(self._due, 0.0)
        self._waiting = deque[socket.socket]()
        self._told = self._good = 0
        self._selector, self._admitting = selectors.DefaultSelector(), False

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT; 0 if every worker ended well after it."""
        self._listener.setblocking(False)
        with self._heeding(), self._selector:
            while not self._told:
                self._replace()
                self._turn()
                self._look()
            return self._drain()

    @contextmanager
    def _heeding(self) -> Iterator[None]:
        """Signals wake the selector, and are counted or passed on."""
        before = {
            number: signal.signal(number, handler)
            for number, handler in (
                (signal.SIGTERM, self._on_stop),
                (signal.SIGINT, self._on_stop),
                (signal.SIGHUP, self._on_reload),
            )
        }
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        woken = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._selector.register(ours, selectors.EVENT_READ)
        try:
            yield
        finally:
            signal.set_wakeup_fd(woken)
            ours.close()
            theirs.close()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_stop(self, *_: object) -> None:
        self._told += 1
        if self._told > 1:
            for worker in self._living.values():
                worker.kill()

    def _on_reload(self, *_: object) -> None:
        for worker in self._living.values():
            os.kill(worker.pid, signal.SIGHUP)

    def _turn(self) -> None:
        """Wait for something, and deal with it."""
        self._admit(any(worker.ready for worker in self._living.values()) and not self._waiting)
        for key, _ in self._selector.select(BUSY_TICK if self._waiting else TICK):
            if isinstance(key.data, Worker):
                if not key.data.hear():
                    self._bury(key.data)
            elif key.fileobj is self._listener:
                self._waiting.extend(accepted(self._listener))
            elif isinstance(key.fileobj, socket.socket):
                key.fileobj.recv(4096)
        self._hand_over()

    def _admit(self, wanted: bool) -> None:
        """Accept connections or leave them to the kernel, as while nobody serves or can take one."""
        if wanted != self._admitting:
            self._admitting = wanted
            if wanted:
                self._selector.register(self._listener, selectors.EVENT_READ)
            else:
                self._selector.unregister(self._listener)

    def _hand_over(self) -> None:
        while self._waiting:
            able = sorted((one for one in self._living.values() if one.ready), key=lambda one: one.held)
            if not any(worker.hand(self._waiting[0]) for worker in able):
                return
            self._waiting.popleft().close()

    def _replace(self) -> None:
        now = time.monotonic()
        for place in self._board.places:
            if self._due[place.number] <= now and all(one.place is not place for one in self._living.values()):
                self._fork(place)

    def _fork(self, place: Place) -> None:
        ours, theirs = socket.socketpair()
        place.begin()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            self._become(place, ours, theirs)
        theirs.close()
        ours.setblocking(False)
        worker = self._living[pid] = Worker(pid, ours, place, time.monotonic())
        self._selector.register(ours, selectors.EVENT_READ, worker)

    def _become(self, place: Place, ours: socket.socket, theirs: socket.socket) -> None:
        """Be a worker, from here to the end of the process."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # the parent says when to stop; a terminal tells every process at once
            self._selector.close()
            for inherited in (ours, self._listener, *self._waiting, *(one.control for one in self._living.values())):
                inherited.close()
            code = self._work(place, theirs)
        except BaseException:
            logger.exception("worker %d broke", place.number)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _bury(self, worker: Worker) -> None:
        """Take a worker that has gone out, and say when its place is taken again."""
        self._selector.unregister(worker.control)
        worker.control.close()
        del self._living[worker.pid]
        _, status = os.waitpid(worker.pid, 0)
        code, now, place = os.waitstatus_to_exitcode(status), time.monotonic(), worker.place.number
        self._good += code == 0
        if self._told:
            return
        settled = now - worker.born > SETTLED
        self._pauses[place] = 0.0 if settled else min(max(0.1, 2 * self._pauses[place]), LONGEST_PAUSE)
        self._due[place] = now + self._pauses[place]
        logger.error(
            "worker %d (process %d) ended with %d: another takes its place in %.1f s",
            place,
            worker.pid,
            code,
            self._pauses[place],
        )

    def _drain(self) -> int:
        """Let connections go, then the workers."""
        expected, self._good = len(self._living), 0
        for worker in self._living.values():
            worker.stop()
        begun = time.monotonic()
        while time.monotonic() - begun < self._terms.drain_seconds and any(one.held for one in self._living.values()):
            self._turn()
        self._waiting.extend(accepted(self._listener))
        self._admit(False)
        self._listener.close()
        self._hand_over()
        for lost in self._waiting:
            lost.close()
        for worker in self._living.values():
            worker.control.shutdown(socket.SHUT_WR)
        until = time.monotonic() + self._terms.grace_seconds + LATE
        while self._living and time.monotonic() < until:
            self._turn_of_the_last()
        for worker in list(self._living.values()):
            worker.kill()
            self._bury(worker)
        return 0 if self._good == expected and self._told == 1 else 1

    def _turn_of_the_last(self) -> None:
        for key, _ in self._selector.select(TICK):
            if not isinstance(key.data, Worker):
                key.fileobj.recv(4096)  # type: ignore[union-attr]  # a socket: the one that signals write to
            elif not key.data.hear():
                self._bury(key.data)
