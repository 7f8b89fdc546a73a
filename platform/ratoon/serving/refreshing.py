"""Refreshes that are asked for over the API: each is a process of its own, so that no answer waits for it.

They are runs like those of jobs, in the same ledger: a server tells of a worker's runs, and `ratoon runs` of a server's.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from ratoon.domain.errors import RatoonError

if TYPE_CHECKING:
    from ratoon.jobs.attempt import Attempt
    from ratoon.jobs.book import Book, Shown

LOOK = 0.1
"""Seconds between two looks at a refresh that is under way."""

T = TypeVar("T")

logger = logging.getLogger("ratoon.serving")


class Refreshes:
    """Starts refreshes, at most one of a surface at a time whoever asks for it, and tells of all runs of the home.

    All that speaks to the ledger is done by one thread, which lives as long as the server: a ledger that is locked holds up no
    answer, and a run ends with the thread that began it.
    """

    def __init__(self, open_book: Callable[[], "Book"]) -> None:
        """Args: open_book: opens the ledger; called when a run is first asked for or about."""
        self._open, self._opened = open_book, list["Book"]()
        self._thread = ThreadPoolExecutor(1, "refreshes")
        self._under_way: dict[asyncio.Task[None], Attempt] = {}

    async def start(self, surface: str, scope: str) -> "Shown":
        """Begin one, and return without waiting for it.

        Raises:
            Conflict: another refresh of the surface is at work, whoever began it.
            StoreError: nobody could be told how it goes, because the ledger cannot be written to.
        """
        attempt = await self._there(lambda: self._book().asked(surface, scope))
        watching = asyncio.create_task(self._watched(attempt))
        self._under_way[watching] = attempt
        watching.add_done_callback(self._under_way.pop)
        return await self._there(lambda: self._book().shown(attempt.run))

    async def get(self, run_id: str) -> "Shown | None":
        """A run by its id, whoever began it; StoreError if the ledger cannot be read."""
        if not (run_id.isascii() and run_id.isdigit() and len(run_id) < 19):
            return None

        def look() -> "Shown | None":
            run = self._book().ledger.get(int(run_id))
            return None if run is None else self._book().shown(run)

        return await self._there(look)

    async def close(self) -> None:
        """End those that are under way, and write that down."""
        for attempt in self._under_way.values():
            await self._there(attempt.stop)
        await asyncio.gather(*self._under_way)
        self._thread.shutdown()
        self._thread = ThreadPoolExecutor(1, "refreshes")  # without a thread until somebody asks again

    async def _watched(self, attempt: "Attempt") -> None:
        try:
            while (run := await self._there(attempt.step)) is None:
                await asyncio.sleep(LOOK)
        except RatoonError as error:
            logger.error("what became of run %s could not be found out: %s", attempt.run.id, error)
            return
        if run.status not in ("ok", "refused", "stopped"):
            logger.error("surface %s: run %s %s: %s", run.surface, run.id, run.status, run.reason)

    def _book(self) -> "Book":
        if not self._opened:
            self._opened.append(self._open())
        return self._opened[0]

    async def _there(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)
