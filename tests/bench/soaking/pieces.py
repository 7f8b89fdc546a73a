"""A soak that was never run."""

from dataclasses import replace
from datetime import UTC, datetime

from ratoon.bench.soaking.lives import Life
from ratoon.bench.soaking.seen import Memory, Published, Seen
from ratoon.bench.soaking.strikes import Victim
from ratoon.bench.soaking.traffic import Asked, Sent
from ratoon.domain.release import Release
from ratoon.domain.window import Window

MADE = datetime(2024, 1, 1, tzinfo=UTC)


def published(at: float, sequence: int, end: int) -> Published:
    window = Window(max(0, end - 10), end, MADE)
    return Published(
        at, Release(f"r{sequence}", "default", sequence, f"r{sequence - 1}", window, "rows", 16, "cosine", "hash", 0)
    )


def asked(at: float, sequence: int, took: float = 0.01) -> Asked:
    return Asked(at, at + took, 200, f"r{sequence}", sequence, 20)


def seen() -> Seen:
    """Twenty events over ten seconds; the server was killed from 4 to 6, and told to end when all was over."""
    lives: dict[Victim, list[Life]] = {
        "server": [Life(0.0, 4.0, 4.1, "SIGKILL", -9), Life(4.5, 20.0, 20.5, "SIGTERM", 0)],
        "worker": [Life(0.0, 20.0, 20.1, "SIGTERM", 0)],
    }
    return Seen(
        seconds=20.0,
        opened=1.0,
        replayed=11.0,
        began=MADE.timestamp(),
        lives=lives,
        asked=[asked(1.0, 1), asked(3.0, 2), Asked(4.2, 4.2, 0), asked(6.0, 2), asked(12.0, 3)],
        sent=[Sent(0, 1.5, 1.6, 202, 20, 10, 0), Sent(1, 4.05, 4.3, 0), Sent(1, 6.5, 6.6, 202, 30, 4, 6)],
        published=[published(0.0, 1, 10), published(2.5, 2, 20), published(11.0, 3, 30)],
        memory=[Memory(0.5, 100.0, 200.0), Memory(9.0, 150.0, 900.0)],
        runs=[],
        settled=True,
        batch=10,
    )


def with_asked(*more: Asked) -> Seen:
    found = seen()
    return replace(found, asked=[*found.asked, *more])
