"""How soon a server is ready, what memory it takes, and what is left of both after ten minutes."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event, Thread

from ratoon.bench.row import Row, at_most, not_run, told
from ratoon.bench.serving import asking, beside, proc, servers, speed
from ratoon.bench.serving.lines import Heard, request
from ratoon.bench.serving.servers import Server
from ratoon.bench.serving.setting import MANY, REPEATS, Setting
from ratoon.bench.serving.streams import open_loop

SOAK_SECONDS, ADOPTIONS = 600.0, 20
SETTLED = 3
"""Adoptions after which memory must not grow any more."""

LOOK_SECONDS = 1.0
GROWTH, MORE_OPEN = 0.05, 2


def start(setting: Setting) -> Iterator[Row]:
    """Ready from disk, and memory by the number of workers."""
    ready, pss = [], {}
    for repeat in range(REPEATS):
        setting.tell(f"start, {repeat + 1} of {REPEATS}", repeat / REPEATS)
        with servers.ratoon(setting.world) as server:
            ready.append(server.ready_s)
            speed.load(setting, server, MANY)
            pss[1] = proc.memory_mb(server.pid, "Pss")
    against = f"median of {REPEATS}, files in the page cache; {setting.world.items:,} items"
    yield at_most("ready from disk", sorted(ready)[REPEATS // 2], 5, against, "s")
    if not servers.takes("--workers"):
        yield told("memory of one worker, after some load", pss[1], "MiB", "Pss")
        yield not_run("memory of two workers / one", "<= 1.3", speed.NO_WORKERS)
        return
    for count in (1, 2):  # anew for one, so that both are of the same kind of run
        with servers.ratoon(setting.world, count) as server:
            speed.load(setting, server, MANY)
            pss[count] = proc.memory_mb(server.pid, "Pss")
    yield at_most("memory of two workers / one", pss[2] / pss[1], 1.3, f"Pss {pss[2]:,.0f} MiB against {pss[1]:,.0f}")


@dataclass
class Watch:
    """Looks at a server every second.

    Attributes:
        looks: seconds of the monotonic clock, MiB resident, open descriptors.
    """

    server: Server
    looks: list[tuple[float, float, int]] = field(default_factory=list)
    _stop: Event = field(default_factory=Event)

    def run(self) -> None:
        """Until `stop`."""
        while not self._stop.wait(LOOK_SECONDS):
            pid = self.server.pid
            self.looks.append((time.perf_counter(), proc.memory_mb(pid, "Rss"), proc.descriptors(pid)))

    def stop(self) -> None:
        """End it."""
        self._stop.set()


def soak(setting: Setting) -> Iterator[Row]:
    """Half of what it can answer, for ten minutes, over twenty adoptions."""
    seconds = SOAK_SECONDS * setting.share
    count = max(SETTLED + 3, round(ADOPTIONS * setting.share))
    heard: list[tuple[int, float]] = []
    with servers.ratoon(setting.world) as server:
        rate = speed.load(setting, server, MANY).qps / 2
        setting.tell(f"{seconds:.0f} s at {rate:,.0f} requests a second", 0.0)
        watch = Watch(server)
        looking = Thread(target=watch.run, daemon=True)
        looking.start()
        requests = [
            request("/v1/retrieve", json.dumps(body).encode(), server.headers)
            for body in asking.bodies(asking.askers(setting.world))
        ]

        def listen(answer: Heard) -> None:
            heard.append((answer.status, answer.ms))

        # Publishing takes its time too: with a pause of all the time there is, the last would come too late.
        pause = 0.7 * seconds / count
        with beside.adopting(server, setting.world, count, pause) as other:
            sent = open_loop(server.port, requests, rate, seconds, MANY, listen)
            published = [float(one["at"]) for one in other.told]
        watch.stop()
        looking.join()
    bad = sum(not 200 <= status < 300 for status, _ in heard) + sent.broken
    yield from soaked(watch.looks, published, f"{len(heard):,} requests at {sent.rate:,.0f}/s over {seconds:.0f} s")
    yield at_most("failed requests while soaking", bad, 0, f"of {len(heard):,}", "requests")


def soaked(looks: list[tuple[float, float, int]], published: list[float], load: str) -> Iterator[Row]:
    """Rows of a soak: what has grown since it settled.

    Args:
        published: when each release was, on the clock of `looks`.
        load: what was asked meanwhile, for people.
    """
    if len(published) <= SETTLED:
        yield not_run("memory after the third adoption", "<= 5 %", f"only {len(published)} releases were published")
        return
    growth, opened = grown(looks, published[SETTLED])
    against = f"{len(published)} adoptions, {load}; resident, the last tenth over what it was before the fourth"
    yield at_most("memory grown since the third adoption", growth, GROWTH, against, "share")
    yield at_most("descriptors opened since the third adoption and kept", opened, MORE_OPEN, load, "descriptors")


def grown(looks: list[tuple[float, float, int]], settled: float) -> tuple[float, int]:
    """By which share memory, and by how many descriptors, are above what they were: the medians of two tenths of the time.

    Args:
        settled: when the time that counts begins, on the clock of `looks`.
    """
    late = [look for look in looks if look[0] >= settled]
    tenth = max(1, len(late) // 10)
    first, last = sorted(late[:tenth], key=_resident), sorted(late[-tenth:], key=_resident)
    opened = [sorted(one[2] for one in part)[tenth // 2] for part in (first, last)]
    return last[tenth // 2][1] / first[tenth // 2][1] - 1, opened[1] - opened[0]


def _resident(look: tuple[float, float, int]) -> float:
    return look[1]
