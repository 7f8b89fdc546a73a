"""Keeps what is tried up with the registry and the log, and judges it; one look of many."""

import gc
import logging
from collections.abc import Callable

from fastapi.concurrency import run_in_threadpool

from ratoon.adopt import Live, arrivals, finish, replay, serve
from ratoon.domain.trial import Trial
from ratoon.serving.naming import Naming
from ratoon.serving.rooms import Rooms

logger = logging.getLogger("ratoon.serving")


class Trying:
    """What one surface tries, followed.

    Args:
        ended: hears that a trial fell back here.
    """

    def __init__(self, rooms: Rooms, name: str, ended: Callable[[], object]) -> None:
        self._rooms, self._name, self._surface, self._ended = rooms, name, rooms.surfaces[name], ended
        self._naming: Naming | None = None
        self._told: str | None = None  # the trial that was said to be ready

    async def look(self) -> None:
        """Open what was begun, drop what was ended, follow what is posted and removed, count what followed, and judge.

        Raises:
            RatoonError: the registry or the log cannot be read; what was tried goes on being tried.
        """
        slot, trials = self._surface.trial, self._surface.registry.trials
        await self._end()
        trial = await run_in_threadpool(trials.settled)
        if slot.tried is not None and slot.tried.trial != trial:
            logger.info("surface %s: the trial of release %s is over", self._name, slot.tried.trial.release)
            slot.stop()
        if trial is None:
            return
        if slot.tried is None:
            await self._open(trial)
        if (tried := slot.tried) is not None:
            await self._follow(tried.live)
            if trial.terms.mode == "canary" and self._naming is not None:
                tried.counted.followed(await run_in_threadpool(self._naming.newest))
            self._judge(trial)
        await self._end()

    async def _end(self) -> None:
        """Write down that a trial fell back."""
        if (fallen := self._surface.trial.fallen) is not None:
            trial, reason = fallen
            await run_in_threadpool(lambda: self._surface.registry.trials.end(reason, of=trial, how="fell back"))
            self._surface.trial.fallen = None
            self._ended()

    async def _open(self, trial: Trial) -> None:
        surface, live = self._surface, Live()
        current = surface.live.slot
        if current is None or current.release.id != trial.parent:
            return  # not served here yet, and there would be nothing to fall back to
        self._naming = await run_in_threadpool(Naming, surface.log)
        try:
            await run_in_threadpool(self._opened, trial, live)
        except Exception as error:
            logger.exception("surface %s: release %s cannot be tried", self._name, trial.release)
            surface.trial.fall_back(trial, f"it cannot be opened: {error}")
            return
        gc.collect()
        gc.freeze()  # as when a release is adopted
        surface.trial.begin(trial, live)
        logger.info("surface %s: %s", self._name, trial.told())

    def _opened(self, trial: Trial, live: Live) -> None:
        rooms, surface = self._rooms, self._surface
        made = surface.registry.trials.release(trial)
        live.left_out = surface.registry.left_out()
        files = surface.registry.trials.load(made)
        serve(live, made, files, surface.behind, rooms.open_towers, rooms.indexes, rooms.posted_items)

    async def _follow(self, live: Live) -> None:
        coming = await run_in_threadpool(arrivals, live, self._surface.behind, self._rooms.posted_items)
        replay(live, self._surface.log, coming)  # here, in the thread that answers
        await run_in_threadpool(finish, live)

    def _judge(self, trial: Trial) -> None:
        found = self._surface.trial.judge()
        if found.call == "ready" and self._told != trial.id:
            self._told = trial.id
            logger.info("surface %s: release %s may be promoted: %s", self._name, trial.release, "; ".join(found.reasons))
