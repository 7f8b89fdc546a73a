"""The replay: a worker and a server as an operator runs them, events that arrive, questions, and blows."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event, Thread

import pyarrow as pa

from ratoon.bench.soaking.home import SURFACE, Home
from ratoon.bench.soaking.lives import Kept, free_port
from ratoon.bench.soaking.seen import Seen
from ratoon.bench.soaking.strikes import Fate, Strike, Victim, strikes
from ratoon.bench.soaking.traffic import Asker, Poster, batches, ok
from ratoon.bench.soaking.watch import Watch
from ratoon.domain.errors import StoreError
from ratoon.jobs.ledger import Ledger

Tell = Callable[[str, float], None]
"""Hears what is being done, and the share of it that is done."""

STEP = 0.1
ASKERS = 2


@dataclass(frozen=True, slots=True)
class Play:
    """How long, how much and how hard.

    Attributes:
        seconds: over which the events are spread, and blows fall.
        batch: events in a request.
        lease: the worker's: seconds after which a run that died with its worker is begun again.
        grace: the worker's: seconds that a run has to end after SIGTERM.
        settle: most seconds from the last acknowledgement until the watermark has reached the end.
    """

    seconds: float
    seed: int = 0
    fate: Fate = field(default_factory=Fate)
    batch: int = 10
    lease: float = 5.0
    grace: float = 5.0
    settle: float = 300.0


def play(home: Home, events: pa.Table, how: Play, tell: Tell) -> Seen:
    """Replay events (EVENT_SCHEMA, in time order) into a home that has a release, until all of them are learnt.

    Raises:
        StoreError: the server was not ready within `settle` seconds.
    """
    zero, began, stop, port = time.monotonic(), time.time(), Event(), free_port(how.seed)
    house, url = home.house(), f"http://127.0.0.1:{port}"
    serve = ["serve", "--port", str(port)]
    work = ["worker", "--lease", str(how.lease), "--grace", str(how.grace)]
    server = Kept("server", serve, home.environment, home.folder / "server.log", zero)
    worker = Kept("worker", work, home.environment, home.folder / "worker.log", zero)
    posted = list(batches(events, how.batch))
    users = sorted(set(events.column("user_id").drop_null().to_pylist()))
    askers = [Asker(url, users[at::ASKERS], zero, stop) for at in range(ASKERS)]
    watch = Watch(house.registry(SURFACE), server, worker, zero, stop)
    watch.look()
    threads = [Thread(target=run, daemon=True) for run in (*(asker.run for asker in askers), watch.run)]
    kept: dict[Victim, Kept] = {"server": server, "worker": worker}
    try:
        server.start()
        worker.start()
        for thread in threads:
            thread.start()
        opened = _opened(askers, server, how.settle, zero)
        poster = Poster(url, posted, opened, how.seconds / max(len(posted), 1), zero, stop)
        threads.append(Thread(target=poster.run, daemon=True))
        threads[-1].start()
        _strike(kept, strikes(how.fate, how.seconds, how.seed), opened, how.seconds, zero, tell)
        replayed = time.monotonic() - zero
        settled = _settled(watch, poster, askers, house.log.end, kept, how.settle, tell)
    finally:
        stop.set()
        for one in kept.values():
            if one.lives:
                one.strike(signal.SIGTERM)
        for thread in threads:
            if thread.is_alive():
                thread.join()
    watch.look()
    house.log.close()
    return Seen(
        seconds=time.monotonic() - zero,
        opened=opened,
        replayed=replayed,
        began=began,
        lives={name: one.lives for name, one in kept.items()},
        asked=sorted((one for asker in askers for one in asker.asked), key=lambda one: one.until),
        sent=poster.sent,
        published=watch.published,
        memory=watch.memory,
        runs=sorted(Ledger(house.home / "jobs.sqlite").newest(100_000), key=lambda run: run.id),
        settled=settled,
        batch=how.batch,
    )


def _opened(askers: Sequence[Asker], server: Kept, seconds: float, zero: float) -> float:
    """Wait for the first answer; when it came."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not server.fallen():
        if any(ok(one.status) for asker in askers for one in asker.asked):
            return time.monotonic() - zero
        time.sleep(STEP)
    found = "exited" if server.fallen() else "not ready"
    raise StoreError("ratoon serve", expected=f"an answer within {seconds:.0f} s", found=found, fix=f"Read {server.log}.")


def _strike(kept: Mapping[Victim, Kept], blows: Sequence[Strike], opened: float, seconds: float, zero: float, tell: Tell) -> None:
    """Let the blows fall, each at its moment or as soon after as the one before has been dealt with; start the struck again."""
    waiting, down = list(blows), dict[Victim, float]()
    while (now := time.monotonic() - zero - opened) < seconds or down:
        for name in [name for name, until in down.items() if now >= until]:
            del down[name]
            kept[name].start()
        if waiting and now >= waiting[0].at and waiting[0].victim not in down:
            blow = waiting.pop(0)
            kept[blow.victim].strike(blow.signal)
            down[blow.victim] = time.monotonic() - zero - opened + blow.down
        tell(f"replay, {len(blows) - len(waiting)} of {len(blows)} blows", min(now / seconds, 1.0))
        _raise(kept, set(kept) - set(down))
        time.sleep(STEP)


def _raise(kept: Mapping[Victim, Kept], names: set[Victim]) -> None:
    """Start again what has fallen by itself, as whatever looks after processes would; the report says it."""
    for name in names:
        if kept[name].fallen():
            time.sleep(1.0)
            kept[name].start()


def _settled(
    watch: Watch,
    poster: Poster,
    askers: Sequence[Asker],
    end: Callable[[], int],
    kept: Mapping[Victim, Kept],
    seconds: float,
    tell: Tell,
) -> bool:
    """Wait until everything is posted, and then learnt and served; whether that was so in time."""
    heard, began = 0, time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        tell("settling", passed / seconds)
        if (acknowledged := sum(ok(one.status) for one in poster.sent)) > heard:  # the time is for what comes after
            heard, began = acknowledged, time.monotonic()
        newest = watch.published[-1].release
        served = {asker.asked[-1].release for asker in askers if asker.asked}
        if poster.done and newest.window.end == end() and served == {newest.id}:
            return True
        _raise(kept, set(kept))
        time.sleep(STEP)
    return False
