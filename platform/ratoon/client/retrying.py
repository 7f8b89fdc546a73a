"""When a call is sent again, and after how long."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from ratoon.client.errors import ClientError, Problem, Unreachable

BUSY = (429, 502, 503)
"""Statuses of answers that another attempt may better."""

UNDONE = (429,)
"""Those of them that promise that nothing was done."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often to send a call again, and when.

    Waits grow, and are drawn from all that is below: "full jitter" of M. Brooker, "Exponential Backoff And Jitter" (AWS
    Architecture Blog, 2015). They come on top of what `Retry-After` asks for.

    Only what may be sent twice is: reading, and writing under an idempotency key; and whatever was never sent or not begun.

    Attributes:
        most: attempts after the first.
        first, longest: seconds that the first wait is below, and that no wait is above, `Retry-After` aside.
        chance: gives numbers from 0 to 1.
        clock: gives seconds that only grow.
    """

    most: int = 2
    first: float = 0.1
    longest: float = 2.0
    chance: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic


class Attempts:
    """The attempts of one call, within its time."""

    def __init__(self, retries: Retries, repeatable: bool, timeout: float) -> None:
        self._retries, self._repeatable = retries, repeatable
        self._until = retries.clock() + timeout
        self._failed = 0

    def left(self) -> float:
        """Seconds that the next attempt may take."""
        return max(self._until - self._retries.clock(), 0.001)

    def pause(self, error: ClientError) -> float:
        """Seconds to wait before the next attempt; `error` again, if there shall be none."""
        later = error.retry_after if isinstance(error, Problem) else None
        step = min(self._retries.first * 2.0**self._failed, self._retries.longest)
        wait = (later or 0.0) + self._retries.chance() * step
        if self._failed >= self._retries.most or not self._betters(error) or self._retries.clock() + wait >= self._until:
            raise error
        self._failed += 1
        return wait

    def _betters(self, error: ClientError) -> bool:
        match error:
            case Unreachable():
                return self._repeatable or not error.sent
            case Problem():
                return error.status in (BUSY if self._repeatable else UNDONE)
        return False
