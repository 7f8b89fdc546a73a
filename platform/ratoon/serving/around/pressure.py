"""More requests than can be answered: who would wait too long is told so at once, and the others are answered in turn.

An event loop begins everything that it has read before it reads again: 100 requests of 0.3 ms are 30 ms in which nobody
hears anything, a refusal included. So requests wait in a queue of our own, and in each turn of the loop only so many are begun
as fit into 2 ms; then sockets are read, and refusals leave.

How long a request would wait = those before it, times the time that one has taken lately, refusals in between included.
Over connections that wait for their answers there are never more requests than connections: up to `FEW` of them may wait
whatever it takes (64 at 0.3 ms are 19 ms), so that a busy client is not refused what it could have had. Over more connections
the bound in time counts: 10 ms are 33 requests of 0.3 ms.

A refusal costs a twentieth of a request, so ten times as many requests as can be answered leave half of the answers. Whoever
waits as a refusal says is told at once the next time. Whoever asks on before is told later: so many refusals of that kind are
said as fit into a share of the time that requests take, and a client that waits for an answer asks nothing meanwhile.
"""

import json
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from ratoon.serving.keys.roles import OPEN, needed
from ratoon.serving.problems import MEDIA_TYPE, RETRY_SECONDS, Problem

QUEUE_MS = 10.0
FEW = 64
"""Connections to a process over which nothing is refused for the time that it would wait."""
MOST = 1_000
"""Requests under way at once: those that wait for a disk or another process are in no queue of ours."""

QUICK = frozenset((*OPEN, "/metrics"))
"""Answered at once, whatever waits: who looks after the server asks them."""

CODE, DETAIL = "overloaded", "More is asked of this server than it can answer in time; ask again in a second."

TURN_SECONDS = 0.002
"""Of one turn of the event loop. Reading sockets costs a system call a turn: one for each request is a tenth of its time."""

AGAIN = 0.125
"""The share of the time that requests take which refusals of clients that do not wait may take beside it: those who ask on at
once, against what they were told, take a ninth of the time, however many they are."""
REFUSAL_SECONDS = 0.000015
"""What one costs, with its system calls."""

_FIRST = 0.0003
"""Seconds that a request is taken to need before one was seen."""
_WEIGHT, _OUTLIER = 1 / 32, 4.0

Begin = Callable[[], bool]
"""Begins to answer a request; False if nobody waits for the answer any more."""


class Turns(Protocol):
    """An event loop."""

    def call_soon(self, callback: Callable[..., object], /, *given: Any) -> object:
        """Call it with what is given once what is ready has been dealt with and sockets were read."""


class Pressure:
    """The queue of one process, in the thread of its event loop.

    Args:
        clock: seconds, monotonic.
        told: hears why a request was refused.
        queue_ms: the longest that a request may have to wait.

    Attributes:
        each: seconds that one request takes, as lately seen.
    """

    def __init__(self, clock: Callable[[], float], told: Callable[[str], object], queue_ms: float = QUEUE_MS) -> None:
        self.each = _FIRST
        self._clock, self._told, self._longest = clock, told, queue_ms / 1_000
        self._waiting = deque[Begin]()
        self._held = deque[tuple[float, Callable[[], object]]]()
        self._begun, self._last, self._spare = 0, 0.0, 0

    def full(self, connections: int) -> bool:
        """Whether the next request would wait too long."""
        return connections > FEW and (len(self._waiting) + self._begun) * self.each > self._longest

    def refuses(self, method: str, path: str, connections: int, under_way: int) -> str:
        """Why a request has to be refused; nothing if it has not. Calls of operators are not."""
        reason = "queue" if self.full(connections) else "under_way" if under_way >= MOST else ""
        return "" if not reason or needed(method, path) == "operate" else reason

    def refuse(self, reason: str, told: float, tell: Callable[[], object]) -> None:
        """Refuse a request: count it, and call `tell`, now or later.

        Args:
            told: when its client was last told to wait, by the clock.
            tell: tells it now, and does not raise.
        """
        self._told(reason)
        now = self._clock()
        if now - told >= RETRY_SECONDS or not self._begun:
            tell()
        elif self._spare and not self._held:
            self._spare -= 1
            tell()
        else:
            self._held.append((now, tell))

    def take(self, loop: Turns, begin: Begin) -> None:
        """Begin it when it is its turn: now, if nothing else is."""
        if self._begun:
            self._waiting.append(begin)
        elif begin():
            self._begun, self._last = 1, self._clock()
            loop.call_soon(self._turn, loop)

    def _turn(self, loop: Turns) -> None:
        """What was begun has had its turn, and sockets are read next."""
        now = self._clock()
        took = (now - self._last) / self._begun
        self.each += _WEIGHT * (min(took, _OUTLIER * self.each) - self.each)
        self._last, self._begun = now, 0
        while self._waiting and self._begun * self.each < TURN_SECONDS:
            self._begun += self._waiting.popleft()()
        self._spare = max(self._begun, round(AGAIN * self._begun * self.each / REFUSAL_SECONDS))
        while self._held and (self._spare or not self._begun or now - self._held[0][0] >= RETRY_SECONDS):
            self._spare = max(0, self._spare - 1)
            self._held.popleft()[1]()
        if self._begun:
            loop.call_soon(self._turn, loop)


def prebuilt(path: str, *, close: bool = False) -> Callable[[bytes], bytes]:
    """What makes the whole answer to a refused request for this path, given its id: a copy and no more.

    Args:
        close: whether it says that the connection ends with it.
    """
    told = Problem(
        type=f"/problems/{CODE}",
        title="Service Unavailable",
        status=503,
        detail=DETAIL,
        instance=path,
        code=CODE,
        request_id="\0",
        errors=[],
    )
    before, after = told.model_dump_json().encode().split(json.dumps("\0").encode())
    ending = "connection: close\r\n" if close else ""
    head = f"content-type: {MEDIA_TYPE}\r\nretry-after: {RETRY_SECONDS}\r\n{ending}".encode()

    def made(request_id: bytes) -> bytes:
        length = len(before) + len(request_id) + 2 + len(after)
        line = b'HTTP/1.1 503 Service Unavailable\r\nx-request-id: %b\r\ncontent-length: %d\r\n%b\r\n%b"%b"%b'
        return line % (request_id, length, head, before, request_id, after)

    return made
