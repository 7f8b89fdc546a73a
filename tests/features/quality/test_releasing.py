"""The ways in and out of quarantine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.domain.errors import DataError
from ratoon.events import SqliteEventLog
from ratoon.features.quality.accepted import Accepted
from ratoon.features.quality.ledger import Ledger, Release
from ratoon.features.quality.releasing import Quarantine
from ratoon.features.quality.rules import Rule
from ratoon.features.quality.sift import sift
from tests.features.quality.conditions import activity_rules, batch, clicks, ids, open_log, person, profile_rules


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    log = open_log(tmp_path)
    yield log
    log.close()


@pytest.fixture
def rules() -> tuple[Rule, ...]:
    return (*profile_rules(age="range(0, 120)", gender="one_of(M, F)"), *activity_rules("rate(user_id, 5/1h)"))


@pytest.fixture
def quarantine(log: SqliteEventLog, rules: tuple[Rule, ...], tmp_path: Path) -> Quarantine:
    """Events 2 (two rules) and 3 (one) of users, and the 6th to 8th of eight clicks, are in it."""
    log.append(batch(person("ok", "u1", age=3), person("two", "u2", age=500, gender="?"), person("one", "u3", age=600)))
    log.append(batch(*clicks("bot", 8, 1.0)))
    sift(rules, log, tmp_path / "quarantine")
    return Quarantine(log, tmp_path / "quarantine")


def accepted(log: SqliteEventLog, folder: Path) -> list[str]:
    return ids(Accepted(log, folder, sifted_only=True).read(0))


def test_the_list_says_what_where_and_why(quarantine: Quarantine) -> None:
    """Each broken rule is a row with the event's offset as its id, and can be asked for by view."""
    rows = quarantine.listed()
    assert [(row["id"], row["view"], row["rule"]) for row in rows] == [
        ("2", "profile", "range(0, 120)"),
        ("2", "profile", "one_of(M, F)"),
        ("3", "profile", "range(0, 120)"),
        ("9", "activity", "rate(user_id, 5/1h)"),
        ("10", "activity", "rate(user_id, 5/1h)"),
        ("11", "activity", "rate(user_id, 5/1h)"),
    ]
    assert {row["event_id"] for row in quarantine.listed("profile")} == {"two", "one"}
    assert all(row["action"] == "quarantine" and row["when"] and row["released"] is False for row in rows)


def test_a_released_event_arrives_again_once(
    log: SqliteEventLog, quarantine: Quarantine, rules: tuple[Rule, ...], tmp_path: Path
) -> None:
    """It comes with its own time and a new arrival, is not caught again by the same rule, and cannot be released twice."""
    end, arrived = log.end(), log.read(0).column("created_timestamp")[-1].as_py()
    assert quarantine.release([3]) == 1
    (back,) = log.read(end).to_pylist()
    assert (back["event_id"], back["user_id"], back["features"]) == ("released:3:one", "u3", '{"age": 600}')
    assert back["event_timestamp"] == log.read(2, 3).column("event_timestamp")[0].as_py()
    assert back["created_timestamp"] > arrived
    sift(rules, log, tmp_path / "quarantine")
    assert accepted(log, tmp_path).count("released:3:one") == 1
    assert "one" not in accepted(log, tmp_path)
    assert [row["released"] for row in quarantine.listed() if row["id"] == "3"] == [True]
    with pytest.raises(DataError, match="event 3: expected the offset of an event in quarantine that was not released before"):
        quarantine.release([3])


def test_a_release_from_one_rule_is_caught_by_another(
    log: SqliteEventLog, quarantine: Quarantine, rules: tuple[Rule, ...], tmp_path: Path
) -> None:
    """Only the rule it was released from lets it pass."""
    assert quarantine.release(rule="range", view="profile") == 2
    sift(rules, log, tmp_path / "quarantine")
    assert [name for name in accepted(log, tmp_path) if name.startswith("released")] == ["released:3:one"]
    caught = [row for row in quarantine.listed() if row["event_id"] == "released:2:two"]
    assert [row["rule"] for row in caught] == ["one_of(M, F)"]


def test_a_burst_that_was_real_comes_back_whole(
    log: SqliteEventLog, quarantine: Quarantine, rules: tuple[Rule, ...], tmp_path: Path
) -> None:
    """Everything that a rate caught is released by the rule's name; each event counts once in later rates."""
    assert quarantine.release(rule="rate") == 3
    sift(rules, log, tmp_path / "quarantine")
    assert len([name for name in accepted(log, tmp_path) if "bot" in name]) == 8
    log.append(batch(*clicks("bot", 1, 1.0, start=3_604.5)))
    sift(rules, log, tmp_path / "quarantine")
    assert "bot-3604.5-0" in accepted(
        log, tmp_path
    )  # the fourth in its hour; counted twice, the others would make it the seventh


def test_a_release_killed_before_the_log_took_it_is_finished(
    log: SqliteEventLog, quarantine: Quarantine, rules: tuple[Rule, ...], tmp_path: Path
) -> None:
    """What was written down as released arrives with the next sifting, once."""
    Ledger(quarantine.folder).release([Release(3, "one", "released:3:one", ("profile.age:range(0, 120)",))])
    for _ in range(2):
        sift(rules, log, tmp_path / "quarantine")
    assert accepted(log, tmp_path).count("released:3:one") == 1


def test_nothing_to_release_is_said(quarantine: Quarantine) -> None:
    """A rule or view that caught nothing is named."""
    with pytest.raises(DataError, match="quarantine: expected events that break null_share of view profile, found none"):
        quarantine.release(rule="null_share", view="profile")


def test_a_blocked_batch_can_be_put_aside(log: SqliteEventLog, tmp_path: Path) -> None:
    """Once its events are put aside by hand the batch blocks no more, and what was put aside can come back."""
    rules = profile_rules(gender="null_share(0.2)")
    quarantine = Quarantine(log, tmp_path / "quarantine")
    log.append(batch(*(person(f"p{n}", f"u{n}", age=3) for n in range(30))))
    with pytest.raises(DataError, match="quarantine put 1:30"):
        sift(rules, log, tmp_path / "quarantine")
    assert quarantine.put_aside(1, 30, "the export lost a column") == 30
    log.append(batch(person("later", "v", gender="F")))
    sift(rules, log, tmp_path / "quarantine")
    assert accepted(log, tmp_path) == ["later"]
    assert quarantine.listed()[0]["reason"] == "the export lost a column"
    with pytest.raises(DataError, match="expected events after offset 31, which have not been ingested, found offset 1"):
        quarantine.put_aside(1, 2, "too late")
    with pytest.raises(DataError, match="expected events up to the log's end at offset 31, found none"):
        quarantine.put_aside(32, 40, "too early")
    assert quarantine.release(rule="by hand") == 30


def test_values_that_ingestion_left_out_are_listed_too(quarantine: Quarantine) -> None:
    """The one list holds what did not fit its type as well; that event is in, without the value."""
    folder = quarantine.folder / "values"
    folder.mkdir()
    (folder / "user_profile-0-2.jsonl").write_text('{"event_id": "x", "field": "age", "expected": "int64", "found": "\'old\'"}\n')
    (row,) = quarantine.listed("user_profile")
    assert (row["rule"], row["event_id"], row["reason"]) == ("type", "x", "age is 'old', int64 is asked")
