"""What may be let go of, as set arithmetic over what there is; whoever deletes asks here and decides nothing itself.

A surface's releases are a chain: each is listed, rolled back to and read through the one after it. So what goes is always the
oldest end of the chain, and what was stored as what differs from the newest that goes is written whole first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept.

    Attributes:
        releases: how many of a surface's newest, the served one among them; at least 1.
        runs: how many records of what refreshes did.
        checkpoints: how long the checkpoint of a training that died waits to be gone on from.
        unfinished: how long a file that was never finished is left alone: whoever writes it may still live.
        backups: how many of the newest backups in one folder.
        stream: how long events stay in the stream that servers share, once each has them; None for ever.
    """

    releases: int
    runs: int
    checkpoints: timedelta
    unfinished: timedelta
    backups: int
    stream: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Ends:
    """What becomes of a surface's releases.

    Attributes:
        gone: the ids that go, oldest first.
        whole: the oldest that stays, which must not need any of `gone` when they go; empty if nothing goes.
    """

    gone: tuple[str, ...] = ()
    whole: str = ""


def ends(chain: Sequence[str], kept: int, held: Collection[str]) -> Ends:
    """Which releases go: those that are older than the newest `kept`, than every held one and than all that these need.

    Args:
        chain: the ids of a surface's releases, newest first; the first is served.
        kept: how many of the newest stay; the served one does in any case.
        held: ids that must stay for another reason, such as the one that a trial is compared with.
    """
    last = max((place for place, release in enumerate(chain) if release in held), default=0)
    stay = max(kept, last + 1, 1)
    return Ends(tuple(reversed(chain[stay:])), chain[stay - 1]) if len(chain) > stay else Ends()


def outlived(made: Mapping[str, datetime], before: datetime, used: Collection[str] = ()) -> tuple[str, ...]:
    """The names, sorted, of what was made before a moment and is not in use."""
    return tuple(sorted(name for name, moment in made.items() if moment < before and name not in used))


def surplus(newest_last: Sequence[str], kept: int, used: Collection[str] = ()) -> tuple[str, ...]:
    """What is beyond the newest `kept` and not in use, in order."""
    return tuple(name for name in newest_last[: max(len(newest_last) - kept, 0)] if name not in used)


def unnamed(there: Iterable[str], named: Iterable[Collection[str]]) -> frozenset[str]:
    """What is there and in none of the lists that name what is needed."""
    return frozenset(there).difference(*named)
