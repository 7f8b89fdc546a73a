"""What a server sees between two siftings."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.events import SqliteEventLog
from ratoon.features.quality import rules
from ratoon.features.quality.accepted import Accepted
from ratoon.features.quality.sift import sift
from tests.features.quality.conditions import activity_rules, batch, clicks, ids, open_log, person, profile_rules

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


def test_everything_else_is_the_log_itself(log: SqliteEventLog, tmp_path: Path) -> None:
    """What a person saw and which items there are does not depend on what is learnt from it."""
    server = Accepted(log, tmp_path)
    server.append(batch(*clicks("bot", 8, 1.0, item_id="i9")))
    assert server.seen("bot") == ["i9"]
    assert (server.catalogue(8), server.removed(0), server.popular(1)) == (["i9"], [], [("i9", 8)])
    assert server.now() == log.now()


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
