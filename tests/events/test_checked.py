"""What somebody learns from is what was acknowledged: whatever was changed in the file, an answer is right or refused."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from ratoon.domain.errors import StoreError
from ratoon.events import SqliteEventLog
from ratoon.events.forgetting import forget
from tests.fakes.events import START, at, batch, event

Question = Callable[[SqliteEventLog], object]

QUESTIONS: dict[str, Question] = {
    "read": lambda log: log.read(3, 17).to_pylist(),
    "users": lambda log: log.history("user", ["u0", "u1", "u2", "u3"]).to_pylist(),
    "items": lambda log: log.history("item", [f"i{n}" for n in range(7)], upto=30, after=2).to_pylist(),
    "seen": lambda log: log.seen_by(["u1", "u2", "u1"], [40, 20, 9]),
    "recent": lambda log: log.recent(35, 9, [30], ["click"]),
    "catalogue": lambda log: log.catalogue(40),
    "catalogue without": lambda log: log.catalogue(33, [5, 32]),
    "now": lambda log: log.now(),
}


def written(path: Path, *, settled: bool) -> None:
    with closing(SqliteEventLog(path, "log", lambda: START)) as log:
        rows = [
            event(
                f"e{n}", user_id=f"u{n % 4}", item_id=f"i{n % 7}", type="click" if n % 3 else "watch", event_timestamp=at(n % 31)
            )
            for n in range(38)
        ]
        log.append(batch(*rows[:20]))
        log.append(
            batch(*rows[20:], event("p", kind="item", user_id=None, item_id="i6"), event("q", kind="remove", item_id="i5"))
        )
        if settled:
            log.settle()


def answered(path: Path) -> dict[str, object]:
    """What it says to each question; nothing where it refuses."""
    found = dict[str, object]()
    with suppress(StoreError), closing(SqliteEventLog(path, "log", lambda: START)) as log:
        for name, question in QUESTIONS.items():
            with suppress(StoreError):
                found[name] = question(log)
    return found


@pytest.mark.parametrize("settled", [False, True])
def test_no_changed_byte_is_learnt(tmp_path: Path, settled: bool) -> None:
    """Wherever in the file a bit changes: each question is answered as before, or refused."""
    path = tmp_path / "log"
    written(path, settled=settled)
    good, right, refused = path.read_bytes(), answered(path), 0
    assert set(right) == set(QUESTIONS)
    places = [place for place in range(100, len(good), 41) if good[place]]
    for place in places[:: max(1, len(places) // 120)]:
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :])
        for beside in tmp_path.glob("log-*"):
            if beside.name != "log-end":
                beside.unlink()
        found = answered(path)
        assert {name: said for name, said in found.items() if said != right[name]} == {}, place
        refused += len(found) < len(right)
    assert refused > 10


DAMAGE = {
    "a row": ('UPDATE events SET item_id = "i9" WHERE "offset" = 6', "users"),
    "a row that is gone": ('DELETE FROM events WHERE "offset" = 6', "read"),
    "what is noted of a user": ("UPDATE users SET seals = seals + 16 WHERE user_id = 'u1'", "seen"),
    "a user without notes": ("DELETE FROM users WHERE user_id = 'u1'", "users"),
    "another user": ("UPDATE users SET user_id = 'u8' WHERE user_id = 'u1'", "users"),
    "what is noted of an item": ("UPDATE items SET seals = seals + 16 WHERE item_id = 'i1'", "items"),
    "another item": ("UPDATE items SET item_id = 'i9' WHERE item_id = 'i1'", "catalogue"),
    "an item that is gone": ("DELETE FROM items WHERE item_id = 'i1'", "catalogue"),
    "when it was removed": ("UPDATE items SET removed = 1 WHERE item_id = 'i5'", "catalogue"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_what_does_not_add_up_is_refused(tmp_path: Path, what: str) -> None:
    """A row, or a note of one, that is another or missing: the file is named, and the check finds it too."""
    path, (statement, question) = tmp_path / "log", DAMAGE[what]
    written(path, settled=True)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(statement.replace('"i9"', "'i9'"))
    with closing(SqliteEventLog(path, "log", lambda: START)) as log:
        with pytest.raises(StoreError, match=r"log: expected .*, found .*: the file is damaged"):
            QUESTIONS[question](log)
        assert log.check().startswith("damaged: ")


def test_a_damaged_tail_is_not_sorted_in(tmp_path: Path) -> None:
    """A process that did not write the tail compares it first: what is noted of a wrong user would make that true."""
    path = tmp_path / "log"
    written(path, settled=False)
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE tail SET user_id = 'u9' WHERE \"offset\" = 6")
    wrong = "expected event 6 as it was acknowledged, found another, by its checksum"
    with closing(SqliteEventLog(path, "log", lambda: START, checked=False)) as log, pytest.raises(StoreError, match=wrong):
        log.settle()


def test_a_server_takes_what_indexes_say_alike(tmp_path: Path) -> None:
    """Checked or not, in the tail or sorted in, also after somebody was forgotten, a sound file has one answer."""
    for settled in (False, True):
        path = tmp_path / f"log {settled}"
        written(path, settled=settled)
        for _ in range(2):
            with (
                closing(SqliteEventLog(path, "log", lambda: START)) as log,
                closing(SqliteEventLog(path, "log", lambda: START, checked=False)) as served,
            ):
                for question in QUESTIONS.values():
                    assert question(log) == question(served)
                assert log.check().startswith("ok")
            forget(path, "u2", START)


def test_nothing_is_missing_from_an_empty_log(tmp_path: Path) -> None:
    """Who asks for the newest event of a log without one gets none, and is not told of damage."""
    with closing(SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START, checked=True)) as log:
        assert log.read(-1, 0).num_rows == 0
        assert log.read(log.end() - 1, log.end()).num_rows == 0
