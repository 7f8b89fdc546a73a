"""Who runs what, and what became of it: `jobs.sqlite`, for people. Deleting it changes no behaviour.

A lease in it saves work: two workers do not run one slot twice while both are well. It is no fence; that is the registry's
compare-and-swap. Each call opens the file anew, so that one deleted under a worker is made again and not written to in vain.
Reading waits for nobody who has only begun to write; whoever needs more than that asks `ratoon.jobs.notes`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    insert,
    inspect,
    select,
    update,
)
from sqlalchemy import delete as delete_from
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ratoon.domain.errors import Conflict, StoreError
from ratoon.jobs.run import Run

KEPT = 10_000
"""Runs that are kept, the newest ones: of a few hundred bytes each."""
BUSY_SECONDS = 2.0
"""How long to wait for another process that is writing. Short, for one that was stopped while it wrote writes no more."""

FORGOTTEN = "it named somebody who was forgotten"

_META = MetaData()
_KINDS: Mapping[Any, Any] = {int: Integer, float: Float}
RUNS = Table(
    "runs",
    _META,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *(Column(one.name, _KINDS.get(one.type, String)) for one in fields(Run) if one.name not in ("id", "code")),
    Column("code", Integer),
    sqlite_autoincrement=True,
)
ALARMS = Table(
    "alarms",
    _META,
    Column("key", String, primary_key=True),
    Column("text", String),
    Column("since", String),
    Column("told", Integer),
)


class Ledger:
    """The runs of one home. Processes may share the file.

    Args:
        path: the file; made when it is first needed.
        lease: seconds after which a run that nobody has heard of is taken for lost.

    Raises:
        StoreError: from any method, when the file cannot be read or written.
    """

    def __init__(self, path: Path, lease: float = 30.0) -> None:
        self.path, self.lease = path, timedelta(seconds=lease)
        self._engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, connect_args={"timeout": BUSY_SECONDS})
        event.listen(self._engine, "connect", _by_hand)
        event.listen(self._engine, "begin", _at_once)

    def claim(self, wanted: Run, now: datetime) -> Run:
        """Begin a run: the only one in its lane, and the only one with its attempt at its slot.

        A run in the lane whose lease has run out, or ends later than any lease given now could, is written down as lost.

        Args:
            wanted: with the id 0, and any status and lease.

        Raises:
            Conflict: the lane is taken, or somebody else has begun this attempt; says by which run.
        """
        with self._writing() as db:
            for other in _read(db, select(RUNS).where(RUNS.c.lane == wanted.lane, RUNS.c.status == "running")):
                if now < other.lease <= now + 2 * self.lease:
                    raise _taken(wanted, other)
                _write(db, replace(other, status="lost", ended=now, reason="nobody heard of it while its lease ran out"))
            of_slot = select(RUNS).where(RUNS.c.job == wanted.job, RUNS.c.slot == wanted.slot).order_by(RUNS.c.id.desc())
            before = _read(db, of_slot)
            if before and wanted.attempt <= before[0].attempt:
                raise _taken(wanted, before[0])
            run = replace(wanted, status="running", lease=now + self.lease)
            return replace(run, id=_write(db, run))

    def beat(self, run: Run, now: datetime) -> Run:
        """Say that a run is alive: with a new lease."""
        alive = replace(run, lease=now + self.lease)
        with self._writing() as db:
            db.execute(update(RUNS).where(RUNS.c.id == run.id, RUNS.c.job == run.job).values(lease=_text(alive.lease)))
        return alive

    def finish(self, run: Run) -> Run:
        """Write down what became of a run; as a new row where the ledger was deleted meanwhile."""
        with self._writing() as db:
            known = _read(db, select(RUNS).where(RUNS.c.id == run.id))
            mine = bool(known) and (known[0].job, known[0].slot, known[0].owner) == (run.job, run.slot, run.owner)
            if mine and known[0].status == "lost":
                run = replace(run, reason=f"{run.reason} (it went on after its lease had run out)".strip())
            done = replace(run, id=_write(db, run if mine else replace(run, id=0)))
            db.execute(delete_from(RUNS).where(RUNS.c.id <= done.id - KEPT))
        return done

    def of_job(self, job: str, count: int = 50) -> list[Run]:
        """A job's newest runs, newest first."""
        return self._runs(select(RUNS).where(RUNS.c.job == job).order_by(RUNS.c.id.desc()).limit(count))

    def newest(self, count: int) -> list[Run]:
        """The newest runs of all jobs, newest first."""
        return self._runs(select(RUNS).order_by(RUNS.c.id.desc()).limit(count))

    def get(self, run_id: int) -> Run | None:
        """A run by its id."""
        return next(iter(self._runs(select(RUNS).where(RUNS.c.id == run_id))), None)

    def of_release(self, prefix: str) -> list[Run]:
        """The runs whose release's id begins like this, newest first."""
        return self._runs(select(RUNS).where(RUNS.c.release.startswith(prefix, autoescape=True)).order_by(RUNS.c.id.desc()))

    def forget(self, name: str) -> int:
        """Take out what runs that went wrong, and alarms, say with this word in it; of how many of them."""
        if not self.path.exists():
            return 0
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        with self._writing() as db:
            wrong = RUNS.c.status.not_in(("running", "ok", "refused"))
            said = [(one.id, f"{one.reason} {one.stderr}") for one in _read(db, select(RUNS).where(wrong))]
            runs = [number for number, text in said if word.search(text)]
            alarms = [row.key for row in db.execute(select(ALARMS)).all() if word.search(row.text)]
            for number in runs:
                db.execute(update(RUNS).where(RUNS.c.id == number).values(reason=FORGOTTEN, stderr=""))
            for key in alarms:
                db.execute(update(ALARMS).where(ALARMS.c.key == key).values(text=FORGOTTEN))
        return len(runs) + len(alarms)

    def alarms(self) -> dict[str, tuple[str, datetime, bool]]:
        """What is wrong now: key -> what is said of it, since when, and whether the webhook took it."""
        with self._reading() as db:
            rows = db.execute(select(ALARMS)).all() if db else []
        return {row.key: (row.text, datetime.fromisoformat(row.since), bool(row.told)) for row in rows}

    def alarm(self, key: str, text: str, since: datetime, *, told: bool) -> None:
        """Write down that something is wrong, in the place of what was said under this key."""
        with self._writing() as db:
            db.execute(delete_from(ALARMS).where(ALARMS.c.key == key))
            db.execute(insert(ALARMS).values(key=key, text=text, since=_text(since), told=int(told)))

    def recovered(self, key: str) -> None:
        """Write down that it is not wrong any more."""
        with self._writing() as db:
            db.execute(delete_from(ALARMS).where(ALARMS.c.key == key))

    def writable(self) -> None:
        """Nothing, if it can be written to now."""
        with self._writing():
            return

    def _runs(self, query: Any) -> list[Run]:
        with self._reading() as db:
            return _read(db, query) if db else []

    @contextmanager
    def _reading(self) -> Iterator[Connection | None]:
        """None where nothing has been written yet."""
        if not self.path.exists():
            yield None
            return
        self._grow()
        with self._failures(), self._engine.execution_options(reads=True).begin() as db:
            yield db if _made(db) else None

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._failures():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._engine.begin() as db:
                _META.create_all(db)
                for column in _lacking(db):
                    db.exec_driver_sql(f"ALTER TABLE {RUNS.name} ADD COLUMN {_defined(column)}")
                yield db

    def _grow(self) -> None:
        """Give a file from before some of what is kept of a run was, what it lacks."""
        with self._failures(), self._engine.execution_options(reads=True).begin() as db:
            lacks = _made(db) and _lacking(db)
        if lacks:
            self.writable()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, OSError) as error:
            raise StoreError(
                str(self.path),
                expected="a ledger of runs that can be read and written",
                found=str(error.orig if isinstance(error, DBAPIError) else error),
                fix="End whoever holds it, or delete it: it is a record for people, and is made again.",
            ) from error


def _made(db: Connection) -> bool:
    return bool(inspect(db).has_table(ALARMS.name))


def _lacking(db: Connection) -> list[Column[Any]]:
    known = {one["name"] for one in inspect(db).get_columns(RUNS.name)}
    return [column for column in RUNS.columns if column.name not in known]


def _defined(column: Column[Any]) -> str:
    (default,) = (one.default for one in fields(Run) if one.name == column.name)
    return f"{column.name} {column.type} DEFAULT {default!r}"


def _by_hand(connection: Any, _: Any) -> None:
    """The driver begins no transactions of its own; see SQLAlchemy's notes on pysqlite and BEGIN IMMEDIATE."""
    connection.isolation_level = None


def _at_once(connection: Connection) -> None:
    """With the lock for writing, unless nothing is written: what is read decides what is written."""
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("reads") else "BEGIN IMMEDIATE")


def _taken(wanted: Run, other: Run) -> Conflict:
    return Conflict(
        f"job {wanted.job!r}",
        expected=f"nobody at work on {wanted.lane if other.status == 'running' else f'slot {wanted.slot}'}",
        found=f"run {other.id} of job {other.job!r} by {other.owner} ({other.status})",
        fix="Wait until it has ended: `ratoon jobs history` shows it.",
    )


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


def _write(db: Connection, run: Run) -> int:
    """Write a run, as a new row if its id is 0; its id."""
    values: dict[str, Any] = {one.name: getattr(run, one.name) for one in fields(Run) if one.name != "id"}
    values |= {name: _text(value) for name, value in values.items() if isinstance(value, datetime)}
    values |= {"window": json.dumps(run.window), "figures": json.dumps(dict(run.figures))}
    if run.id:
        db.execute(update(RUNS).where(RUNS.c.id == run.id).values(values))
        return run.id
    return int(db.execute(insert(RUNS).values(values)).inserted_primary_key[0])


def _read(db: Connection, query: Any) -> list[Run]:
    return [_run(dict(row._mapping)) for row in db.execute(query).all()]


def _run(row: dict[str, Any]) -> Run:
    for name in ("at", "since", "lease", "started", "ended"):
        row[name] = row[name] and datetime.fromisoformat(row[name])
    window = json.loads(row["window"])
    row |= {"window": window and (window[0], window[1]), "figures": json.loads(row["figures"])}
    return Run(**row)
