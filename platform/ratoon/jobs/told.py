"""Whether a worker was told to stop."""

from time import sleep


class Told:
    """A flag that a signal handler may set at any moment.

    `threading.Event` is none: its lock is not reentrant, so that a handler that comes while the same thread waits may wait for it
    for ever.
    """

    def __init__(self) -> None:
        self._told = False

    def set(self) -> None:
        """From now on it was told."""
        self._told = True

    def wait(self, seconds: float) -> bool:
        """Whether it was told; if not, so many seconds later."""
        if not self._told:
            sleep(seconds)
        return self._told
