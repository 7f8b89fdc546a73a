"""New events are judged once, ahead of everything that is made of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.domain.errors import DataError
from ratoon.events import SqliteEventLog
from ratoon.features.quality.accepted import Accepted
from ratoon.features.quality.ledger import Ledger
from ratoon.features.quality.sift import SiftedEvents, sift
from tests.features.quality.conditions import activity_rules, at, batch, clicks, event, ids, open_log, person, profile_rules


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteEventLog]:
    log = open_log(tmp_path)
    yield log
    log.close()


def accepted(log: SqliteEventLog, folder: Path) -> list[str]:
    return ids(Accepted(log, folder, sifted_only=True).read(0))


def reasons(folder: Path) -> dict[str, list[str]]:
    return {one.event_id: [fault.reason for fault in one.faults] for one in Ledger(folder / "quarantine").entries().values()}


def test_an_impossible_value_is_put_aside(log: SqliteEventLog, tmp_path: Path) -> None:
    """An event whose value is outside its range is kept from every reader, with the rule and the value as the reason."""
    rules = profile_rules(age="range(0, 120)", gender="one_of(M, F)")
    log.append(batch(person("a", "u1", age=30), person("b", "u2", age=500, gender="M"), person("c", "u3", gender="M")))
    assert sift(rules, log, tmp_path / "quarantine") == SiftedEvents(events=3, quarantined=1, warned=0)
    assert accepted(log, tmp_path) == ["a", "c"]
    assert reasons(tmp_path) == {"b": ["age is 500, range(0, 120) is asked"]}
    (entry,) = Ledger(tmp_path / "quarantine").entries().values()
    assert (entry.offset, entry.kind, entry.user_id, entry.faults[0].view) == (2, "user", "u2", "profile")
    assert entry.faults[0].rule == "profile.age:range(0, 120)"


def test_an_event_can_break_several_rules(log: SqliteEventLog, tmp_path: Path) -> None:
    """Each broken rule is listed; the ends of a range are inside it, and a missing value breaks no range."""
    rules = profile_rules(age="range(0, 120)", gender="one_of(M, F)")
    log.append(batch(person("a", "u1", age=120, gender="F"), person("b", "u2", age=-1, gender="?"), person("c", "u3")))
    sift(rules, log, tmp_path / "quarantine")
    assert reasons(tmp_path) == {"b": ["age is -1, range(0, 120) is asked", "gender is '?', one_of(M, F) is asked"]}


def test_a_bot_is_stopped_at_its_rate(log: SqliteEventLog, tmp_path: Path) -> None:
    """Of 300 clicks in an hour the first 100 pass, also when they come in two batches; others' clicks are left alone."""
    rules = activity_rules("rate(user_id, 100/1h)")
    log.append(batch(*clicks("bot", 150, 10.0), *clicks("human", 99, 60.0)))
    sift(rules, log, tmp_path / "quarantine")
    log.append(batch(*clicks("bot", 150, 10.0, start=1_500.0), *clicks("human", 5, 60.0, start=6_000.0)))
    sift(rules, log, tmp_path / "quarantine")
    passed = Accepted(log, tmp_path, sifted_only=True).read(0)
    assert passed.column("user_id").to_pylist().count("bot") == 100
    assert passed.column("user_id").to_pylist().count("human") == 104
    assert reasons(tmp_path)["bot-0.0-100"] == ["101 events of user 'bot' in the window, rate(user_id, 100/1h) is asked"]


def test_the_window_of_a_rate_excludes_what_is_its_length_old(log: SqliteEventLog, tmp_path: Path) -> None:
    """Three clicks in every ten seconds pass a limit of three; a fourth does not."""
    rules = activity_rules("rate(user_id, 3/10s)")
    log.append(batch(*clicks("u", 3, 1.0), *clicks("u", 1, 1.0, start=9.0), *clicks("u", 3, 0.0, start=12.0)))
    sift(rules, log, tmp_path / "quarantine")
    assert sorted(reasons(tmp_path)) == ["u-12.0-2", "u-9.0-0"]


def test_impossible_times_are_put_aside(log: SqliteEventLog, tmp_path: Path) -> None:
    """Events before a date, or too long before they arrived, are put aside, and the reason says by how much."""
    rules = activity_rules("not_before(2026-02-01); not_before(arrival - 1h)")
    early = event("early", event_timestamp=at(-90 * 86_400))
    log.append(batch(event("now", event_timestamp=at(7_200)), early, event("late", event_timestamp=at(0))))
    sift(rules, log, tmp_path / "quarantine")
    assert accepted(log, tmp_path) == ["now"]
    assert len(reasons(tmp_path)["early"]) == 2
    assert reasons(tmp_path)["late"] == ["it happened at 2026-03-01T00:00:00+00:00, 1.0 h before not_before(arrival - 1h)"]


def test_outliers_are_measured_against_what_was_accepted(log: SqliteEventLog, tmp_path: Path) -> None:
    """A batch of nothing but outliers is recognised by the rows before it, and does not move what is normal."""
    rules = profile_rules(score="robust_z(8)")
    log.append(batch(*(person(f"p{n}", f"u{n}", score=10 + n % 7) for n in range(60))))
    sift(rules, log, tmp_path / "quarantine")
    assert reasons(tmp_path) == {}
    for turn in range(2):
        log.append(batch(*(person(f"q{turn}-{n}", f"v{n}", score=5_000 + n) for n in range(100))))
        assert sift(rules, log, tmp_path / "quarantine").quarantined == 100
    log.append(batch(person("fine", "w", score=15)))
    assert sift(rules, log, tmp_path / "quarantine").quarantined == 0


def test_a_column_gone_missing_blocks_the_batch(log: SqliteEventLog, tmp_path: Path) -> None:
    """Too many missing values stop the run: nothing is written down, and the batch stays unread until something is done."""
    rules = profile_rules(gender="null_share(0.2)")
    log.append(batch(*(person(f"p{n}", f"u{n}", gender="F") for n in range(30))))
    sift(rules, log, tmp_path / "quarantine")
    log.append(batch(*(person(f"q{n}", f"u{n}", age=3) for n in range(30))))
    said = (
        "events 31 to 60: expected a batch that breaks no rule which blocks, found view 'profile': gender is missing in 100.0% of"
    )
    for _ in range(2):
        with pytest.raises(DataError, match=re.escape(said)) as blocked:
            sift(rules, log, tmp_path / "quarantine")
        assert "`ratoon quarantine put 31:60` sets the events aside" in str(blocked.value)
        assert len(accepted(log, tmp_path)) == 30
    assert DataError.exit_code == 4


def test_few_rows_have_no_share(log: SqliteEventLog, tmp_path: Path) -> None:
    """One user who leaves a field out does not block a batch, whatever the limit."""
    rules = profile_rules(gender="null_share(0.0)")
    log.append(batch(person("a", "u1", age=3)))
    assert sift(rules, log, tmp_path / "quarantine") == SiftedEvents(1, 0, 0)


def test_a_warning_lets_events_pass(log: SqliteEventLog, tmp_path: Path) -> None:
    """What a rule only warns of is listed and read all the same; a batch that lacks values is listed once."""
    rules = profile_rules(age="range(0, 120) warn", gender="null_share(0.1) warn")
    log.append(batch(*(person(f"p{n}", f"u{n}", age=200 if n == 4 else 3) for n in range(25))))
    assert sift(rules, log, tmp_path / "quarantine") == SiftedEvents(events=25, quarantined=0, warned=2)
    assert len(accepted(log, tmp_path)) == 25
    assert sorted(reasons(tmp_path)) == ["p0", "p4"]


def test_values_of_another_type_are_put_aside_where_a_view_asks(log: SqliteEventLog, tmp_path: Path) -> None:
    """With `schema()` an event with a value that does not fit is put aside as a whole."""
    rules = profile_rules("schema()", age="range(0, 120)")
    log.append(batch(person("a", "u1", age="old"), person("b", "u2", age=3)))
    sift(rules, log, tmp_path / "quarantine")
    assert reasons(tmp_path) == {"a": ["1 of its values do not fit their type, schema() is asked"]}


def test_what_was_judged_stays_judged(log: SqliteEventLog, tmp_path: Path) -> None:
    """Sifting again judges nothing twice, and a new rule looks only at what comes after it."""
    log.append(batch(person("a", "u1", age=500)))
    sift((), log, tmp_path / "quarantine")
    rules = profile_rules(age="range(0, 120)")
    assert sift(rules, log, tmp_path / "quarantine") == SiftedEvents(0, 0, 0)
    assert accepted(log, tmp_path) == ["a"]


def test_a_killed_sifting_is_repeated(log: SqliteEventLog, tmp_path: Path) -> None:
    """Killed between the entries and the position, sifting again counts each event once."""
    rules = profile_rules(age="range(0, 120)")
    log.append(batch(person("a", "u1", age=500)))
    sift(rules, log, tmp_path / "quarantine")
    (tmp_path / "quarantine" / "sifted.json").unlink()
    log.append(batch(person("b", "u1", age=600)))
    sift(rules, log, tmp_path / "quarantine")
    assert {name: len(found) for name, found in reasons(tmp_path).items()} == {"a": 1, "b": 1}
    assert accepted(log, tmp_path) == []


def test_nothing_unjudged_is_read(log: SqliteEventLog, tmp_path: Path) -> None:
    """A reader behind the quarantine sees the log as far as it was judged, however much has arrived since."""
    log.append(batch(person("a", "u1", age=3)))
    sift((), log, tmp_path / "quarantine")
    log.append(batch(person("b", "u1", 1, age=500)))
    behind = Accepted(log, tmp_path, sifted_only=True)
    assert behind.end() == 1
    assert (ids(behind.read(0, 2)), ids(behind.history("user", ["u1"]))) == (["a"], ["a"])
