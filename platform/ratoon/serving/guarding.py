"""Takes a release back that is everybody's and does harm; one look of many."""

import logging
from collections.abc import Callable

from fastapi.concurrency import run_in_threadpool

from ratoon.domain.errors import RatoonError
from ratoon.domain.release import Release
from ratoon.serving.guard import Guard
from ratoon.serving.naming import Naming
from ratoon.serving.rooms import Surface

logger = logging.getLogger("ratoon.serving")


class Guarding:
    """What one surface serves, watched.

    Args:
        ended: hears that a release was taken back from here.
    """

    def __init__(self, name: str, surface: Surface, guard: Guard, ended: Callable[[], object]) -> None:
        self._name, self._surface, self._guard, self._ended = name, surface, guard, ended
        self._naming: Naming | None = None

    async def look(self) -> None:
        """Count what was followed, judge, and publish the release before again if that is the verdict.

        Raises:
            RatoonError: the log cannot be read.
        """
        if self._naming is None:
            self._naming = await run_in_threadpool(Naming, self._surface.behind)
        self._guard.followed(await run_in_threadpool(self._naming.newest))
        if (found := self._guard.judged()) is not None:
            await self._take_back(*found)

    async def _take_back(self, release: Release, reason: str) -> None:
        self._guard.dismiss()  # whatever comes of it: what cannot be taken back now is for people to look at
        said = f"release {release.sequence} ({release.id[:12]}) did harm: {reason}"
        logger.error("surface %s: %s", self._name, said, extra={"alert": f"{self._name}: on hold"})
        try:
            back = await run_in_threadpool(lambda: self._surface.registry.rollback(None, said, of=release.id))
        except RatoonError as error:  # somebody was quicker, or there is nothing to go back to
            logger.error("surface %s: release %d was not taken back: %s", self._name, release.sequence, error)
            return
        self._ended()
        logger.error(
            "surface %s: release %d has the content of the one before; `ratoon resume` ends the hold", self._name, back.sequence
        )
