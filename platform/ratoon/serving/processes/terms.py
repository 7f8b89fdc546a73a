"""What a serving process lets others do, and for how long."""

from dataclasses import dataclass

from ratoon.serving.around.pressure import QUEUE_MS


@dataclass(frozen=True, slots=True)
class Terms:
    """Times and bounds.

    Attributes:
        queue_ms: the longest that a request may have to wait for its turn.
        client_seconds: the longest that a request's head and body, or reading the answer, may take.
        idle_seconds: after so long without a request a connection is closed.
        drain_seconds: for so long after it was told to stop a server goes on taking connections.
        grace_seconds: for so long after that, what is under way may go on.
        head_bytes, head_fields: of a request's head.
    """

    queue_ms: float = QUEUE_MS
    client_seconds: float = 10.0
    idle_seconds: float = 60.0
    drain_seconds: float = 2.0
    grace_seconds: float = 10.0
    head_bytes: int = 32 * 1024
    head_fields: int = 100
