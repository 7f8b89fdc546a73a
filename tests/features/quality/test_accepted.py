"""What a server sees between two siftings."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ratoon.events import SqliteEventLog
from ratoon.features.quality import rules
from ratoon.features.quality.accepted import Accepted, arrived
from ratoon.features.quality.releasing import Quarantine
from ratoon.features.quality.sift import sift
from tests.fakes.events import START
from tests.features.quality.conditions import activity_rules, at, batch, clicks, event, ids, open_log, person, profile_rules
from tests.features.worlds import EPOCH

RULES = (
    *profile_rules(age="range(0, 120)", score="robust_z(8)", gender="one_of(M, F) warn"),
    *activity_rules("rate(user_id, 5/1h)"),
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    log = open_log(tmp_path)
    rules.save(tmp_path / "rules.json", RULES)
    yield log
    log.close()


def test_new_events_are_judged_on_the_spot(log: SqliteEventLog, tmp_path: Path) -> None:
    """An impossible value and the excess of a burst are not even seen before the next sifting, and not after it either."""
    server = Accepted(log, tmp_path)
    log.append(batch(person("ok", "u1", age=3, gender="?"), person("bad", "u2", age=500), *clicks("bot", 8, 1.0)))
    expected = ["ok", *(f"bot-0.0-{turn}" for turn in range(5))]
    assert ids(server.read(0)) == expected
    assert (ids(server.history("user", ["u2"])), ids(server.history("user", ["bot"]))) == ([], expected[1:])
    sift(RULES, log, tmp_path / "quarantine")
    assert ids(server.read(0)) == expected
    log.append(batch(*clicks("bot", 1, 1.0, start=20.0)))
    assert ids(server.history("user", ["bot"])) == expected[1:]
    assert server.end() == log.end() == 11


def test_outliers_are_judged_by_the_last_sifting(log: SqliteEventLog, tmp_path: Path) -> None:
    """What is normal comes from the events before; without any sifting nothing is an outlier to a server."""
    server = Accepted(log, tmp_path)
    log.append(batch(*(person(f"p{n}", f"u{n}", score=10 + n % 7) for n in range(60))))
    assert len(ids(server.read(0))) == 60
    sift(RULES, log, tmp_path / "quarantine")
    log.append(batch(person("far", "v", score=5_000), person("near", "v", score=12)))
    assert ids(server.read(60)) == ["near"]


def test_what_a_person_saw_is_the_log_itself(log: SqliteEventLog, tmp_path: Path) -> None:
    """What a person saw does not depend on what is learnt from it; what is popular counts what was accepted."""
    server = Accepted(log, tmp_path)
    server.append(batch(*clicks("bot", 8, 1.0, item_id="i9")))
    assert server.seen("bot") == ["i9"]
    assert server.seen_by(["bot", "bot"], [1, 9]) == [[], ["i9"]]
    assert (server.catalogue(8), server.removed(0), server.popular(1)) == (["i9"], [], [("i9", 5)])
    assert server.now() == at(4)


def test_what_is_put_aside_moves_nothing(log: SqliteEventLog, tmp_path: Path) -> None:
    """Neither the log's clock nor the items there are nor their ranks follow quarantined events, and a removal put aside is none.

    A server sees that before the next sifting, a refresh after it.
    """
    server, shop = Accepted(log, tmp_path), Accepted(log, tmp_path, sifted_only=True)
    log.append(batch(*clicks("u", 2, 1.0, item_id="good"), *clicks("v", 1, 1.0, item_id="other")))
    sift(RULES, log, tmp_path / "quarantine")
    quarantine = Quarantine(log, tmp_path / "quarantine")
    far = [event(f"far{n}", user_id=f"x{n}", item_id="junk", event_timestamp=at(9e8 + n)) for n in range(20)]
    made = event("made", kind="item", user_id=None, item_id="junk", event_timestamp=at(9e8))
    log.append(batch(*far, made, event("gone", kind="remove", user_id=None, item_id="good", event_timestamp=at(9e8))))
    assert (server.now(), server.popular(1), server.removed(0)) == (at(9e8 + 19), [("junk", 20)], ["good"])
    assert server.posted(0) == [("junk", False)]
    assert quarantine.put_aside(4, 25, "junk") == 22
    log.append(batch(person("old", "w", 1e9, age=500)))
    for _ in range(2):
        assert (server.now(), shop.now()) == (at(1), at(1))
        assert server.popular(9) == shop.popular(9) == [("good", 2), ("other", 1)]
        assert server.recent(99, 2) == shop.recent(99, 2) == [(2, "u", "good"), (3, "v", "other")]
        assert server.catalogue(99) == shop.catalogue(99) == ["good", "other"]
        assert server.removed(0) == shop.removed(0) == []
        assert server.posted(0) == shop.posted(0) == []
        sift(RULES, log, tmp_path / "quarantine")
    assert {row["when"] for row in quarantine.listed("profile")} == {at(1e9).isoformat()}
    assert log.now() == at(1e9)


def test_views_of_a_log_differ_in_what_counts(log: SqliteEventLog, tmp_path: Path) -> None:
    """Each view tells of interactions of its own types, those of others and quarantined ones left out; all else is the same."""
    server = Accepted(log, tmp_path)
    clicking, buying = replace(server, types=("click",)), replace(server, types=("buy",), sifted_only=True)
    shown = clicks("bot", 8, 1.0, item_id="shown", type="impression")
    bought = event("bought", user_id="u", item_id="best", type="buy", event_timestamp=at(9))
    clicked = clicks("u", 2, 1.0, start=10.0, item_id="good", type="click")
    log.append(batch(*shown, bought, *clicked, *clicks("bot", 3, 1.0, start=20.0, item_id="junk", type="click")))
    sift(RULES, log, tmp_path / "quarantine")
    for _ in range(2):
        assert server.popular(9) == [("shown", 5), ("good", 2), ("best", 1)]
        assert (clicking.popular(9), buying.popular(9)) == ([("good", 2)], [("best", 1)])
    assert (server.seen("bot"), clicking.seen("bot"), buying.seen("bot")) == (["shown", "junk"], ["junk"], [])
    assert clicking.seen_by(["bot", "u", "u"], [9, 12, 11]) == [[], ["good"], ["good"]]
    assert clicking.recent(99, 9) == [(10, "u", "good"), (11, "u", "good")]
    assert buying.recent(99, 9) == [(9, "u", "best")]
    assert len({(one.end(), one.now(), *one.catalogue(99)) for one in (server, clicking, buying)}) == 1


def test_an_event_is_judged_once_for_all_views(log: SqliteEventLog, tmp_path: Path) -> None:
    """What one view has found out about new events no other view reads them again for."""
    log = SqliteEventLog(tmp_path / "events.sqlite", "log", lambda: START, checked=False)  # as a server opens it
    server = Accepted(log, tmp_path)
    log.append(batch(*clicks("bot", 8, 1.0, type="click")))
    other, asked = replace(server, types=("click",)), list[str]()
    assert server.popular(1) == [("i1", 5)]
    log._reader._db.set_trace_callback(asked.append)
    assert other.popular(1) == [("i1", 5)]
    log._reader._db.set_trace_callback(None)
    assert [said for said in asked if '"offset" > 0' in said] == []
    assert [said for said in asked if '"offset" > 8' in said]


def test_nothing_accepted_is_no_time_at_all(log: SqliteEventLog, tmp_path: Path) -> None:
    """While all there is is put aside, the log's clock stands at 1970 and nothing has arrived."""
    log.append(batch(person("old", "w", 1, age=500), person("older", "w", 2, age=501)))
    server = Accepted(log, tmp_path)
    assert (server.now(), arrived(server, server.end())) == (EPOCH, None)
    log.append(batch(person("fine", "w", 3, age=50), *(person(f"o{n}", "w", 4, age=500) for n in range(9))))
    assert (server.now(), arrived(server, server.end())) == (at(3), at(3))
    wall = Accepted(SqliteEventLog(tmp_path / "events.sqlite", "wall", lambda: START), tmp_path)
    assert wall.now() == START


def test_a_server_needs_neither_pandera_nor_feast() -> None:
    """The log behind a quarantine and the age of the data are read without the libraries that a batch is checked by."""
    code = (
        "import sys, ratoon.features.quality.accepted, ratoon.features.quality.freshness; "
        "print({'pandera', 'feast', 'torch', 'scipy', 'duckdb'} & set(sys.modules))"
    )
    folder = Path(__file__).parents[3] / "platform"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("set()\n", 0), done.stderr
