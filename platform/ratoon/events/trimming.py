"""What leaves the stream that servers share: old entries that every copy has. The copies keep everything."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import redis as client

from ratoon.events.sqlite import SqliteEventLog

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What left the stream, or would.

    Attributes:
        upto: the offset of the oldest event that stays is above this one.
        held: the copy that is furthest behind, where that alone keeps entries that are old enough; with how far it has come.
    """

    entries: int
    size: int
    upto: int
    held: tuple[str, int] | None = None


def trim(server: client.Redis, name: str, log: SqliteEventLog, before: datetime, *, dry_run: bool) -> Trimmed:
    """Drop the entries that arrived before a moment and that every copy has. The newest one stays: it says where the stream ends.

    Args:
        log: a copy.
    """
    groups: Any = server.xinfo_groups(name)
    reached = {str(group["name"], "utf-8"): _offset(group["last-delivered-id"]) for group in groups}
    newest: Any = server.xrevrange(name, count=1)
    old = min(arrived(log, before), _offset(newest[0][0]) - 1) if newest else 0
    behind = min(reached, key=lambda copy: reached[copy], default="")
    upto = min(old, reached.get(behind, 0))
    held = (behind, upto) if behind and upto < old else None
    entries, size = _counted(server, name, upto)
    if entries and not dry_run:
        server.xtrim(name, minid=f"{upto + 1}-0", approximate=False)
    return Trimmed(entries, size, upto if entries else 0, held)


def arrived(log: SqliteEventLog, before: datetime) -> int:
    """The newest offset whose event arrived before a moment; 0 if there is none."""
    least, most = 0, log.end()
    while least < most:
        middle = (least + most + 1) // 2
        if log.read(middle - 1, middle).column("created_timestamp")[0].as_py() < before:
            least = middle
        else:
            most = middle - 1
    return least


def _counted(server: client.Redis, name: str, upto: int) -> tuple[int, int]:
    entries = size = 0
    start = "-"
    while page := server.xrange(name, min=start, max=f"{upto}-0", count=_PAGE):
        found: Any = page
        entries += len(found)
        size += sum(len(entry[b"events"]) for _, entry in found)
        start = f"({found[-1][0].decode()}"
    return entries, size


def _offset(entry: bytes) -> int:
    return int(entry.partition(b"-")[0])
