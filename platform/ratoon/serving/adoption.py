"""What runs beside the answers: looking for new releases, and for what others changed in the log and the online store."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import perf_counter

from fastapi.concurrency import run_in_threadpool

from ratoon.adopt import adopt, arrivals, finish, replay
from ratoon.serving.guard import Guard
from ratoon.serving.guarding import Guarding
from ratoon.serving.metrics import Metrics
from ratoon.serving.rooms import Rooms
from ratoon.serving.trying import Trying

LONGEST_PAUSE = 30.0
"""Seconds between attempts at something that keeps failing; each attempt reads and hashes a whole release."""

RESTS, LONGEST_REST = 4, 2.0
"""A chore rests so many times as long as it took, and so many seconds at most: what is popular changes with every event, and
to follow it must not take a processor from answers."""

TELL_SECONDS = 1.0
"""How often a worker lets the others know what it has counted."""

logger = logging.getLogger("ratoon.serving")

Chore = Callable[[], Awaitable[bool]]


class Follower:
    """Keeps what is served up with what is published. Whatever fails is logged, counted and tried again."""

    def __init__(self, rooms: Rooms, metrics: Metrics) -> None:
        self._rooms, self._metrics = rooms, metrics
        self._looking = {name: asyncio.Lock() for name in rooms.surfaces}  # at the log, and for releases: in turns

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look once before the body begins, then again and again until it ends."""
        names = list(self._rooms.surfaces)
        chores: list[Chore] = [*map(self._adoption, names), *map(self._following, names), self._catch_up]
        chores += map(self._trying, names)
        chores += [self._guarding(name, guard) for name in names if (guard := self._rooms.surfaces[name].guard) is not None]
        for chore in chores:
            await chore()
        probes = [self._probe(name) for name in self._rooms.surfaces]
        tasks = [asyncio.create_task(self._repeat(chore, self._rooms.poll_seconds)) for chore in chores]
        tasks += [asyncio.create_task(self._repeat(probe, self._rooms.probe_seconds)) for probe in probes]
        if self._rooms.place is not None:
            tasks.append(asyncio.create_task(self._repeat(self._tell, TELL_SECONDS)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._metrics.tell(self._rooms)

    async def _repeat(self, chore: Chore, seconds: float) -> None:
        pause = seconds
        while True:
            await asyncio.sleep(pause)
            began = perf_counter()
            done = await chore()
            rest = min(RESTS * (perf_counter() - began), LONGEST_REST)
            pause = max(seconds, rest) if done else min(2 * pause, LONGEST_PAUSE)

    async def _tell(self) -> bool:
        await run_in_threadpool(self._metrics.tell, self._rooms)
        return True

    def _adoption(self, name: str) -> Chore:
        async def attempt() -> bool:
            rooms, surface = self._rooms, self._rooms.surfaces[name]
            before, began = surface.live.slot, perf_counter()
            try:
                async with self._looking[name]:
                    release = await run_in_threadpool(
                        adopt,
                        surface.live,
                        surface.registry,
                        surface.behind,
                        rooms.open_towers,
                        rooms.indexes,
                        rooms.posted_items,
                    )
            except Exception:
                logger.exception("surface %s: adoption failed; what was served goes on being served", name)
                self._metrics.adoption_failures.labels(name).inc()
                return False
            if release is not None:
                replaced = before.release if before else None
                self._metrics.adopted(name, release, replaced, rooms.clock(), perf_counter() - began)
                gc.collect()
                gc.freeze()  # what was opened stays: to go through millions of ids again and again would stop answers
                logger.info("surface %s: serving release %s, number %d", name, release.id, release.sequence)
            return True

        return attempt

    def _following(self, name: str) -> Chore:
        async def attempt() -> bool:
            rooms, surface = self._rooms, self._rooms.surfaces[name]
            try:
                async with self._looking[name]:
                    coming = await run_in_threadpool(arrivals, surface.live, surface.behind, rooms.posted_items)
                    replay(surface.live, surface.log, coming)  # here, in the thread that answers
                    await run_in_threadpool(finish, surface.live)
            except Exception:
                logger.exception("surface %s: what was posted or removed could not be followed", name)
                self._metrics.adoption_failures.labels(name).inc()
                return False
            return True

        return attempt

    def _trying(self, name: str) -> Chore:
        trying = Trying(self._rooms, name, self._metrics.trials.fallbacks.labels(name).inc)

        async def look() -> None:
            async with self._looking[name]:
                await trying.look()

        return self._looked(name, look, "what is on trial could not be looked after")

    def _guarding(self, name: str, guard: Guard) -> Chore:
        guarding = Guarding(name, self._rooms.surfaces[name], guard, self._metrics.taken_back.labels(name).inc)
        return self._looked(name, guarding.look, "what is served could not be watched")

    def _looked(self, name: str, look: Callable[[], Awaitable[None]], otherwise: str) -> Chore:
        """A look whose failure is counted and logged, and ends nothing."""

        async def attempt() -> bool:
            try:
                await look()
            except Exception:
                logger.exception("surface %s: %s", name, otherwise)
                self._metrics.adoption_failures.labels(name).inc()
                return False
            return True

        return attempt

    def _probe(self, name: str) -> Chore:
        async def look() -> bool:
            slot = self._rooms.surfaces[name].live.slot
            try:
                found = await run_in_threadpool(slot.index.probe) if slot is not None else None
                if slot is not None:
                    self._metrics.index_health(name, await run_in_threadpool(slot.index.stats))
            except Exception:
                logger.exception("surface %s: the recall of searches could not be told", name)
                self._metrics.probe_failures.labels(name).inc()
                return False
            if found is not None:
                self._metrics.recall.labels(name).set(found)
            return True

        return look

    async def _catch_up(self) -> bool:
        if all(surface.live.slot is None for surface in self._rooms.surfaces.values()):
            return True  # nobody is answered from features yet, and before the first bootstrap there are none
        try:
            await run_in_threadpool(self._rooms.catch_up)
        except Exception:
            logger.exception("online features could not be brought up to date")
            self._metrics.catch_up_failures.inc()
            return False
        return True
