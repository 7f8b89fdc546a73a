"""Dead letters: events that somebody posted and that broke a rule, with the reason, until they are appended after all.

Whoever posted them was told, and may have sent them again. They are kept so that an operator sees what is lost, and for what
becomes right by itself or by a change of ours: a clock that ran ahead, a feature that has a view by now. It is best effort and
bounded: nothing waits for it, and of too many the oldest go.
"""

import json
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ratoon.domain.errors import DataError
from ratoon.domain.event import EVENT_SCHEMA
from ratoon.events.connection import failures

logger = logging.getLogger("ratoon.events")

MOST = 10_000
"""Events that are kept."""
LARGEST = 64 * 1024
"""Characters of one as JSON; larger ones are not kept."""
_TABLE = """CREATE TABLE IF NOT EXISTS refused (
    number INTEGER PRIMARY KEY AUTOINCREMENT, noted INTEGER, reason TEXT, event_id TEXT, user_id TEXT, event TEXT)"""
_NOTE = "INSERT INTO refused (noted, reason, event_id, user_id, event) VALUES (?, ?, ?, ?, ?)"
_KNOWN = "DELETE FROM refused WHERE event_id = ?"

Append = Callable[[pa.Table], pa.Table]
"""Makes events (EVENT_SCHEMA) durable, or raises DataError; what was new."""


class RefusedEvents:
    """The file of refused events; any number of processes may use it, each call opens it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, event: Mapping[str, Any], reason: str, now: datetime) -> None:
        """Keep an event by the columns of EVENT_SCHEMA, and why it was refused; one that came again takes its place."""
        said = {name: event.get(name) for name in EVENT_SCHEMA.names}
        text = json.dumps(said, default=_iso)
        if len(text) > LARGEST:
            return
        try:
            with self._open(0.1) as db:
                db.execute(_KNOWN, (said["event_id"],))
                db.execute(_NOTE, (int(now.timestamp()), reason, said["event_id"], said["user_id"], text))
                db.execute("DELETE FROM refused WHERE number <= (SELECT max(number) FROM refused) - ?", (MOST,))
        except sqlite3.Error:
            logger.warning("a refused event was not kept", exc_info=True)

    def listed(self) -> list[dict[str, object]]:
        """Number, when, event id, reason and the event of each, oldest first; StoreError if the file is damaged."""
        rows = self._select("SELECT number, noted, event_id, reason, event FROM refused ORDER BY number")
        return [
            {
                "number": number,
                "when": datetime.fromtimestamp(noted, UTC).isoformat(),
                "event_id": event_id,
                "reason": reason,
                "event": json.loads(event),
            }
            for number, noted, event_id, reason, event in rows
        ]

    def replay(self, append: Append, numbers: Sequence[int] | None = None) -> tuple[int, int]:
        """Append them now, each alone; how many are in the log, and how many are still refused, for the reason of today.

        An event whose id is in the log is there already, and counts as such.

        Args:
            numbers: which; all of them if that is not said.

        Raises:
            DataError: there is none of such a number.
        """
        waiting = {int(str(one["number"])): one for one in self.listed()}
        for number in numbers or ():
            if number not in waiting:
                fix = "`ratoon quarantine refused` lists them."
                raise DataError(f"refused event {number}", expected="the number of a refused event", found="no such one", fix=fix)
        back = still = 0
        for number in waiting if numbers is None else dict.fromkeys(numbers):
            try:
                append(_table(waiting[number]["event"]))
            except DataError as wrong:
                still += 1
                self._change("UPDATE refused SET reason = ? WHERE number = ?", str(wrong), number)
            else:
                back += 1
                self._change("DELETE FROM refused WHERE number = ?", number)
        return back, still

    def forget(self, user_id: str, *, dry_run: bool = False) -> int:
        """Delete what one user's events were; how many."""
        found = len(self._select("SELECT 1 FROM refused WHERE user_id = ?", user_id))
        if found and not dry_run:
            self._change("DELETE FROM refused WHERE user_id = ?", user_id)
        return found

    def _select(self, statement: str, *parameters: str) -> list[tuple[Any, ...]]:
        if not self._path.exists():
            return []
        with failures(self._path), self._open(10) as db:
            return db.execute(statement, parameters).fetchall()

    def _change(self, statement: str, *parameters: str | int) -> None:
        with failures(self._path), self._open(10) as db:
            db.execute(statement, parameters)

    @contextmanager
    def _open(self, patience: float) -> Iterator[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=patience)
        try:
            db.execute("PRAGMA secure_delete = ON")
            with db:
                db.execute(_TABLE)
                yield db
        finally:
            db.close()


def _iso(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _table(event: object) -> pa.Table:
    assert isinstance(event, dict)
    moment = event["event_timestamp"]
    try:
        return pa.Table.from_pylist([event | {"event_timestamp": moment and datetime.fromisoformat(moment)}], EVENT_SCHEMA)
    except (pa.ArrowException, ValueError, TypeError) as wrong:
        fix = "Post it again as it should be."
        raise DataError("event", expected="the columns of an event", found=str(wrong), fix=fix) from wrong
