"""More requests than a server can answer, and a server that is told to stop while it answers."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from statistics import quantiles

from ratoon.bench.row import Row, at_least, at_most, told
from ratoon.bench.serving import asking, servers, speed
from ratoon.bench.serving.lines import Heard, request
from ratoon.bench.serving.servers import Server
from ratoon.bench.serving.setting import MANY, Setting
from ratoon.bench.serving.streams import Patient, Sent, closed_loop, open_loop

CROWD = 512
"""Connections over which more comes than can be answered, by clients that ask on whatever they are told."""
PATIENT = 64
"""Callers beside them that wait for the second that a refusal names."""

TIMES = (3, 10)


def overload(setting: Setting) -> Iterator[Row]:
    """Three and ten times what one worker can answer, sent evenly, whatever comes back."""
    with servers.ratoon(setting.world) as server:
        setting.tell("what it can answer", 0.0)
        speed.load(setting, server, MANY)
        capacity = speed.load(setting, server, MANY).qps
        calm, _, _ = _sent(setting, server, 0.8 * capacity)
        usual = p99([answer for answer in calm if answer.ok])
        yield told("p99 at 80 % of capacity", usual, "ms", f"capacity {capacity:,.0f}/s at {MANY} connections")
        for times in TIMES:
            yield from flooded(times, capacity, usual, *_sent(setting, server, times * capacity))


def flooded(times: int, capacity: float, usual: float, heard: list[Heard], sent: Sent, patient: list[Heard]) -> Iterator[Row]:
    """Rows of a flood of `times` the `capacity`, beside a p99 of `usual` milliseconds at 80 % of it.

    Args:
        patient: what those were answered who wait as they are told.
    """
    good, refused = [one for one in heard if one.ok], [one for one in heard if one.refused]
    rest = sent.count - len(good) - len(refused)
    load = f"{sent.rate:,.0f}/s sent over {CROWD} connections, {sent.late} more found none free"
    rate = sum(one.at <= sent.begun + sent.seconds for one in good) / sent.seconds
    yield at_least(f"goodput at {times}x capacity / capacity", rate / capacity, 0.9, f"{rate:,.0f}/s; {load}")
    yield at_most(f"accepted p99 at {times}x / at 80 %", p99(good) / usual, 2, f"{p99(good):.1f} ms against {usual:.1f}")
    middle = f", p50 {quantiles([one.ms for one in refused], n=2)[0]:.2f} ms" if len(refused) > 1 else ""
    against = f"{len(refused):,} refused{middle}"
    yield at_most(f"refusals at {times}x, with Retry-After: p99", p99(refused), 5, against, "ms")
    told_so = [one for one in patient if one.refused]
    besides = f"{len(told_so):,} of {len(patient):,} of {PATIENT} callers that wait as they are told"
    yield at_most(f"refusals at {times}x of who waits as told: p99", p99(told_so) if told_so else 0.0, 5, besides, "ms")
    yield at_most(f"neither answered nor refused so at {times}x", rest, 0, f"of {sent.count:,}", "requests")
    count = CROWD + PATIENT
    yield at_most(f"connections that were closed at {times}x", sent.broken, 0, f"of {count}", "connections")


def p99(heard: list[Heard]) -> float:
    """Milliseconds; infinite without two answers."""
    return quantiles([one.ms for one in heard], n=100)[98] if len(heard) > 1 else float("inf")


def _sent(setting: Setting, server: Server, rate: float) -> tuple[list[Heard], Sent, list[Heard]]:
    setting.tell(f"{rate:,.0f} requests a second", 0.5)
    heard, patient = list[Heard](), list[Heard]()

    def listening(to: list[Heard]) -> Callable[[Heard], None]:
        return lambda answer: to.append(Heard(answer.status, answer.head, b"", answer.sent, answer.at))

    beside = Patient(PATIENT, listening(patient))
    sent = open_loop(server.port, _requests(setting, server), rate, 2 * setting.seconds, CROWD, listening(heard), patient=beside)
    return heard, sent, patient


def _requests(setting: Setting, server: Server) -> list[bytes]:
    bodies = asking.bodies(asking.askers(setting.world))
    return [request("/v1/retrieve", json.dumps(body).encode(), server.headers) for body in bodies]


def sigterm(setting: Setting) -> Iterator[Row]:
    """SIGTERM while every connection waits for an answer."""
    heard: list[Heard] = []
    with servers.ratoon(setting.world) as server:
        end = time.perf_counter() + setting.seconds

        def going() -> bool:
            if time.perf_counter() > end and not told_at:
                told_at.append(time.perf_counter())
                os.kill(server.pid, signal.SIGTERM)
            return not told_at or time.perf_counter() < told_at[0] + 30

        told_at: list[float] = []
        setting.tell(f"{MANY} connections, then SIGTERM", 0.0)
        closed_loop(server.port, _requests(setting, server), MANY, heard.append, going)
        code = server.process.wait(timeout=60)
        took = time.perf_counter() - told_at[0]
    failed = [one for one in heard if not one.ok]
    after = sum(one.at > told_at[0] for one in heard if one.ok)
    kinds = {status: sum(one.status == status for one in failed) for status in {one.status for one in failed}}
    said = ", ".join(f"{count} of status {status or 'none, the connection broke'}" for status, count in kinds.items())
    against = f"of {len(heard):,}, {after} of which were answered after it; {said or 'every one was answered'}"
    yield at_most("requests that failed when told to stop", len(failed), 0, against, "requests")
    yield at_most("exit code", code, 0, f"{took:.2f} s after it was told", "")
