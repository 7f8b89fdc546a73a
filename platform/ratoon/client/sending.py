"""What the generated methods need of a client."""

from abc import ABC, abstractmethod
from typing import TypeVar

from ratoon.client.call import Call, Options

T = TypeVar("T")


class Sending(ABC):
    """Sends calls, and waits."""

    @abstractmethod
    def _send(self, call: Call[T], options: Options) -> T:
        """Send a call, and read its answer.

        Raises:
            ClientError: see `ratoon.client.errors`.
        """


class AsyncSending(ABC):
    """Sends calls from an event loop."""

    @abstractmethod
    async def _send(self, call: Call[T], options: Options) -> T:
        """As `Sending._send`."""
