"""Work that costs about the same for one as for many: whoever comes while it is being done for others shares the next turn.

Nobody waits for more to come, so that one alone is served at once (group commit: Gray and Reuter 1993, Transaction Processing).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")

MOST = 256
"""Arguments of one turn."""


class Together(Generic[A, R]):
    """Does one kind of work for all who wait at once. For the event loop's thread."""

    def __init__(self, work: Callable[[Sequence[A]], Awaitable[Sequence[R | Exception]]]) -> None:
        """Args: work: gives a result, or what was wrong, for each argument in order; what it raises is everybody's."""
        self._work = work
        self._waiting: list[tuple[A, asyncio.Future[R]]] = []
        self._turn: asyncio.Task[None] | None = None

    async def do(self, argument: A) -> R:
        """The result for one argument, or raise what was wrong with it."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((argument, done))
        if self._turn is None:
            self._turn = asyncio.create_task(self._turns())
        return await done

    async def _turns(self) -> None:
        while self._waiting:
            lot, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                results = await self._work([argument for argument, _ in lot])
            except Exception as wrong:  # noqa: BLE001  # raised again, to everybody who waits
                results = [wrong] * len(lot)
            for (_, done), result in zip(lot, results, strict=True):
                if done.done():  # whoever asked has gone
                    continue
                if isinstance(result, Exception):
                    done.set_exception(result)
                else:
                    done.set_result(result)
        self._turn = None
