"""What a release in shadow would have answered, worked out between requests.

It happens in the thread that answers, for an index changes there, and never before the answer that it is compared with has
been sent. A question in ten is taken; after each the thread is left alone nine times as long as it took, so that shadows
never have more than a tenth of it. Questions wait in a short queue, and what finds it full is dropped.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter

WAITING = 64
"""Questions that wait at most."""
EVERY = 10
"""One question in so many is taken."""
REST = 9.0
"""For how many times what a shadow took the thread is left to others."""


class Shadows:
    """A queue of questions, and who works them off.

    Args:
        every: one question in so many is taken.
    """

    def __init__(self, every: int = EVERY) -> None:
        self._every, self._asked = every, 0
        self._waiting: deque[Callable[[], object]] = deque()
        self._working = False

    def offer(self, work: Callable[[], object]) -> bool:
        """Take one question in so many to be worked out later; False if it should have been taken and the queue was full."""
        self._asked += 1
        if self._asked % self._every:
            return True
        if len(self._waiting) >= WAITING:
            return False
        self._waiting.append(work)
        if not self._working:
            self._working = True
            asyncio.get_running_loop().call_soon(self._next)
        return True

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()

    def _next(self) -> None:
        if not self._waiting:
            self._working = False
            return
        began = perf_counter()
        try:
            self._waiting.popleft()()
        finally:
            asyncio.get_running_loop().call_later(REST * (perf_counter() - began), self._next)
