"""Load that comes as it comes, whatever the server makes of it; and load that waits for its answers."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from time import perf_counter

import uvloop

from ratoon.bench.serving.lines import Heard, Line, opened

TICK = 0.001
DRAIN_SECONDS = 5.0


def open_loop(
    port: int,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    connections: int,
    told: Callable[[Heard], None],
    drain: float = DRAIN_SECONDS,
    patient: "Patient | None" = None,
) -> "Sent":
    """Send `rate` requests a second evenly, over connections that are free; what finds none free is counted.

    Args:
        drain: how long the last answers are waited for, in seconds.
        patient: callers beside them.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_open(port, requests, rate, seconds, connections, told, drain, patient))


@dataclass(frozen=True, slots=True)
class Patient:
    """Callers that do what `Retry-After: 1` asks: each asks on a second after it was answered, whatever it was told.

    Attributes:
        told: hears their answers.
    """

    callers: int
    told: Callable[[Heard], None]

    async def begin(self, port: int, requests: Sequence[bytes], until: float) -> list[Line]:
        """Connect and go on asking, until so late by `perf_counter`."""
        loop, coming = asyncio.get_running_loop(), cycle(requests)

        def ask(line: Line) -> None:
            if not line.closed and not line.waiting and perf_counter() < until:
                line.ask(next(coming))

        def heard(line: Line, answer: Heard) -> None:
            self.told(answer)
            loop.call_later(1.0, ask, line)

        lines = await opened(port, self.callers, heard)
        for place, line in enumerate(lines):
            loop.call_later(place / self.callers, ask, line)
        return lines


class Sent:
    """What an open loop did.

    Attributes:
        count: requests that were sent, in `seconds` from `begun`.
        late: that should have been, and found no connection free.
        broken: connections that were closed before the end.
    """

    def __init__(self) -> None:
        self.count = self.late = self.broken = 0
        self.begun = self.seconds = 0.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.count / self.seconds


class _Hearing:
    """Passes answers on. What goes wrong there would be lost in the event loop, so it is kept for the end."""

    def __init__(self, told: Callable[[Heard], None]) -> None:
        self._told = told
        self.fault: Exception | None = None

    def __call__(self, answer: Heard) -> None:
        try:
            self._told(answer)
        except Exception as fault:  # noqa: BLE001  # raised by `check`, where it is seen
            self.fault = self.fault or fault

    def check(self) -> None:
        if self.fault is not None:
            raise self.fault


async def _open(
    port: int,
    requests: Sequence[bytes],
    rate: float,
    seconds: float,
    connections: int,
    told: Callable[[Heard], None],
    drain: float,
    patient: Patient | None,
) -> Sent:
    free: deque[Line] = deque()
    sent, hearing = Sent(), _Hearing(told)

    def heard(line: Line, answer: Heard) -> None:
        hearing(answer)
        if not line.closed:
            free.append(line)

    lines = await opened(port, connections, heard)
    free.extend(lines)
    others = await patient.begin(port, requests, perf_counter() + seconds) if patient else []
    begun = sent.begun = perf_counter()
    while (passed := perf_counter() - begun) < seconds and hearing.fault is None:
        due = int(passed * rate) - sent.count
        for _ in range(min(due, len(free))):
            line = free.popleft()
            if line.closed:
                continue
            place = sent.count % len(requests)
            line.ask(requests[place], place)
            sent.count += 1
        await asyncio.sleep(TICK)
    sent.seconds = perf_counter() - begun
    sent.late = max(0, int(sent.seconds * rate) - sent.count)
    await _drained([*lines, *others], drain)
    sent.broken = sum(line.closed for line in [*lines, *others])
    for line in [*lines, *others]:
        line.close()
    hearing.check()
    return sent


async def _drained(lines: Sequence[Line], seconds: float = DRAIN_SECONDS) -> None:
    end = perf_counter() + seconds
    while any(line.waiting for line in lines) and perf_counter() < end:
        await asyncio.sleep(TICK)


def closed_loop(
    port: int, requests: Sequence[bytes], connections: int, told: Callable[[Heard], None], going: Callable[[], bool]
) -> int:
    """Send the next request on a connection as soon as it has answered, while `going`; how many connections broke."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_closed(port, requests, connections, told, going))


async def _closed(
    port: int, requests: Sequence[bytes], connections: int, told: Callable[[Heard], None], going: Callable[[], bool]
) -> int:
    coming, hearing = cycle(range(len(requests))), _Hearing(told)

    def heard(line: Line, answer: Heard) -> None:
        hearing(answer)
        # One that says it will be closed is not asked any more.
        if not line.closed and b"\r\nconnection: close" not in answer.head and going() and hearing.fault is None:
            place = next(coming)
            line.ask(requests[place], place)

    lines = await opened(port, connections, heard)
    for line in lines:
        place = next(coming)
        line.ask(requests[place], place)
    while going() and hearing.fault is None and not all(line.closed or not line.waiting for line in lines):
        await asyncio.sleep(0.01)
    await _drained(lines)
    broken = sum(line.closed for line in lines)
    for line in lines:
        line.close()
    hearing.check()
    return broken
