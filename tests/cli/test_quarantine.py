"""`ratoon quarantine`, `drift` and the ages in `status`, called as a person does."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import DataError, UsageError
from ratoon.events import RefusedEvents, SqliteEventLog
from ratoon.features.quality import rules
from ratoon.features.quality.sift import sift
from ratoon.features.views import save
from ratoon.wiring import House
from tests.fakes.events import at, batch, event
from tests.features.quality.conditions import open_log, person, profile_rules, view

RULES = profile_rules(age="range(0, 120)")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteEventLog]:
    """A home with two events, the second in quarantine, and no feature repository to open."""
    (tmp_path / "ratoon.toml").write_text('[clock]\nmode = "log"\n')
    monkeypatch.chdir(tmp_path)
    for name in (config.HOME, config.CONFIG):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "var").mkdir()
    log = open_log(tmp_path / "var")
    log.append(batch(person("a", "u1", age=3), person("b", "u2", age=500)))
    rules.save(tmp_path / "var" / "features" / "rules.json", RULES)
    sift(RULES, log, tmp_path / "var" / "features" / "quarantine")
    yield log
    log.close()


def ratoon(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_look_and_let_back_in(log: SqliteEventLog) -> None:
    """`list` shows what is there, `release` brings it back once, and a second release is refused by the event's id."""
    (row,) = json.loads(ratoon("quarantine", "list", "--json").stdout)
    assert (row["id"], row["rule"], row["reason"]) == ("2", "range(0, 120)", "age is 500, range(0, 120) is asked")
    shown = ratoon("quarantine", "list", "--view", "profile").stdout
    assert "age is 500, range(0, 120) is asked" in shown
    assert all(len(line) > 80 for line in shown.splitlines())
    assert row["when"][:10] in shown
    assert row["when"] not in shown
    assert json.loads(ratoon("quarantine", "release", "2", "--json").stdout) == {"released": 1}
    assert log.end() == 3
    again = ratoon("quarantine", "release", "--rule", "range")
    assert isinstance(again.exception, DataError)
    assert "expected events that break range, found none" in str(again.exception)


def test_put_aside(log: SqliteEventLog) -> None:
    """`put` takes a range of events that were not ingested, and the list says why they are there."""
    log.append(batch(event("c", event_timestamp=at(9))))
    assert json.loads(ratoon("quarantine", "put", "3:3", "--reason", "a mistake", "--json").stdout) == {"put_aside": 1}
    assert json.loads(ratoon("quarantine", "list", "--json").stdout)[-1]["reason"] == "a mistake"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("quarantine", "release"), "release: expected ids, or --rule, found neither"),
        (("quarantine", "release", "x"), "id: expected a log offset from 1, found 'x'"),
        (("quarantine", "put", "3"), "id: expected a log offset from 1, found ''"),
        (("quarantine", "put", "10:5"), "events: expected FIRST:LAST in order, found '10:5'. Write 5:10."),
        (("quarantine", "list", "--view", "nope"), "--view: expected one of the_applied, found 'nope'"),
    ],
)
def test_mistakes(log: SqliteEventLog, arguments: tuple[str, ...], said: str) -> None:
    """What cannot be read is a usage error that says what to do."""
    save(config.load().paths.home / "features" / "views.json", [view("the_applied", "user")])
    failed = ratoon(*arguments)
    assert isinstance(failed.exception, UsageError)
    assert said in str(failed.exception)
    assert log.end() == 2


def test_before_the_first_release(log: SqliteEventLog) -> None:
    """Without a release nothing has drifted and no view has an age; both are said, not failed on."""
    assert log.end() == 2
    assert json.loads(ratoon("status", "--json").stdout)["views"] == []
    assert House(config.load()).feature_ages() == []
    assert ratoon("drift").stdout == "default: no release yet, so nothing that drift could be measured against\n"
    assert ratoon("drift", "--json").stdout == "null\n"


def test_refused_events_are_listed_and_appended(log: SqliteEventLog, tmp_path: Path) -> None:
    """`refused` shows what was posted and why it was refused; with `--replay` what fits now is in the log, and the rest stays."""
    kept = RefusedEvents(tmp_path / "var" / "refused.sqlite")
    assert "nothing was refused" in ratoon("quarantine", "refused").stdout
    kept.note(person("late", "u3", age=5), "a clock that ran ahead", at(0))
    kept.note(event("bad", item_id=None), "no item", at(0))
    (first, _) = json.loads(ratoon("quarantine", "refused", "--json").stdout)
    assert (first["number"], first["event_id"], first["reason"]) == (1, "late", "a clock that ran ahead")
    assert "no item" in ratoon("quarantine", "refused").stdout
    assert json.loads(ratoon("quarantine", "refused", "--replay", "--json").stdout) == {"in_log": 1, "refused": 1}
    assert log.known(["late"]).num_rows == 1
    (still,) = json.loads(ratoon("quarantine", "refused", "--json").stdout)
    assert (still["event_id"], still["event"]["user_id"]) == ("bad", "u1")
