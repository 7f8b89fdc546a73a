"""What requests go through while a release is adopted, items stream in, or an index is rebuilt."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from time import perf_counter

from ratoon.bench.row import Row, at_least, at_most, not_run, told
from ratoon.bench.serving import asking, beside, servers, speed, wrk
from ratoon.bench.serving.beside import Beside
from ratoon.bench.serving.lines import Heard, request
from ratoon.bench.serving.servers import Server
from ratoon.bench.serving.setting import MANY, REPEATS, Setting
from ratoon.bench.serving.streams import closed_loop
from ratoon.bench.serving.truth import release_of
from ratoon.bench.serving.wrk import Load

UPSERTS = 2_000
AROUND = 0.5
"""Seconds before and after the first answer of a release in which a request's wait is put down to its adoption."""


@dataclass(frozen=True, slots=True)
class Change:
    """What goes on beside the requests.

    Attributes:
        longer: how many times as long as at rest it is looked at.
        seen: whether some of it must have been done meanwhile: what was waited for in vain tells nothing.
        rate: how much of it a second there must be; 0 for as much as comes.
    """

    name: str
    starting: Callable[[], AbstractContextManager[Beside]]
    longer: int = 1
    seen: bool = False
    rate: float = 0.0


def adoptions(setting: Setting) -> Iterator[Row]:
    """Tails and throughput while each goes on, over those at rest just before."""
    with servers.ratoon(setting.world) as server:
        # A publication takes seconds of a processor that requests leave little of: several are to fall into the time.
        yield from _over_rest(
            setting, server, Change("a release is adopted", lambda: beside.adopting(server, setting.world), longer=4, seen=True)
        )
        yield from _waits(setting, server)
        rebuilding = Change("the index is rebuilt", lambda: beside.publishing(setting.world, "rebuild"))
        yield from _over_rest(setting, server, rebuilding)
        streaming = Change(f"{UPSERTS:,} upserts/s stream in", lambda: beside.upserting(server, UPSERTS), rate=UPSERTS)
        yield from _over_rest(setting, server, streaming)  # last, for these items stay


def _over_rest(setting: Setting, server: Server, change: Change) -> Iterator[Row]:
    rest, busy, seconds = list[Load](), list[Load](), max(setting.seconds, 2.0)
    done, passed = 0.0, 0.0
    for repeat in range(REPEATS):
        setting.tell(f"while {change.name}, {repeat + 1} of {REPEATS}", repeat / REPEATS)
        rest.append(speed.load(setting, server, MANY, seconds))
        with change.starting() as other:
            _begun(other)
            before = len(other.told)
            busy.append(speed.load(setting, server, MANY, change.longer * seconds))
            done += sum(float(one.get("taken", 1)) for one in other.told[before:])
            passed += busy[-1].seconds
    yield from over_rest(change, wrk.middle(rest), wrk.middle(busy), done, passed)


def over_rest(change: Change, quiet: Load, loaded: Load, done: float, seconds: float) -> Iterator[Row]:
    """Rows of a change.

    Args:
        quiet, loaded: without it and with it.
        done: how much of it there was in so many seconds.
    """
    tail, throughput = f"p99 while {change.name} / at rest", f"QPS while {change.name} / at rest"
    if change.seen and not done:
        why = f"none in {seconds:.0f} s"
        yield not_run(tail, "<= 1.5", why)
        yield not_run(throughput, ">= 0.9", why)
        return
    against = f"{loaded.p99:.2f} ms against {quiet.p99:.2f}; {done:,.0f} were done in {seconds:.0f} s"
    yield at_most(tail, loaded.p99 / quiet.p99, 1.5, against)
    against = f"{loaded.qps:,.0f}/s against {quiet.qps:,.0f}; {loaded.failed + quiet.failed} requests failed"
    yield at_least(throughput, loaded.qps / quiet.qps, 0.9, against)
    if change.rate:
        against = f"{change.rate:,.0f} a second were sent"
        yield at_least(f"taken a second while {change.name}", done / seconds, 0.95 * change.rate, against, "per second")


def _begun(other: Beside, seconds: float = 120.0) -> None:
    """Wait until it has done something for the first time."""
    end = perf_counter() + seconds
    while other.running and not other.told and perf_counter() < end:
        time.sleep(0.05)


def _waits(setting: Setting, server: Server) -> Iterator[Row]:
    """How long an adoption makes a request wait, at one connection."""
    bodies = asking.bodies(asking.askers(setting.world))
    requests = [request("/v1/retrieve", json.dumps(body).encode(), server.headers) for body in bodies]
    heard: list[tuple[float, float, str]] = []

    def listen(answer: Heard) -> None:
        release = release_of(answer.body) if answer.ok else ""
        heard.append((answer.at, answer.ms, release))

    setting.tell("how long adoptions take", 0.9)
    wanted = max(3, round(20 * setting.share))
    with beside.adopting(server, setting.world, wanted) as other:
        closed_loop(server.port, requests, 1, listen, lambda: other.running)
    usual = median(ms for _, ms, _ in heard)
    waits = [longest - usual for longest in longest_around(heard)]
    if not waits:
        yield not_run("adoption: the longest wait of a request", "<= 50", "no release was seen to be adopted")
        return
    against = f"median of {len(waits)}, the longest {max(waits):.1f} ms; a request takes {usual:.2f} ms; one connection"
    yield at_most("adoption: the longest wait of a request", median(waits), 50, against, "ms")
    yield told("adoptions seen", len(waits), "releases", f"of {wanted} published")


def longest_around(heard: list[tuple[float, float, str]]) -> list[float]:
    """For each change of release the longest request around it, milliseconds.

    Args:
        heard: of each answer when it came, how long it took and its release; in order.
    """
    named = [(at, release) for at, _, release in heard if release]
    changes = [at for (_, before), (at, after) in pairwise(named) if before != after]
    return [max(ms for when, ms, _ in heard if abs(when - at) <= AROUND) for at in changes]
