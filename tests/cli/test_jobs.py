"""Jobs on the command line: run, explained, put to rest and looked back on."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.jobs import book as books
from ratoon.jobs.due import Waiting
from ratoon.jobs.ledger import Ledger
from ratoon.jobs.pauses import Pauses
from ratoon.jobs.preview import preview
from ratoon.wiring import House
from tests.fakes.hooks import listening
from tests.fakes.work import job, publisher, run, says, until

JOBS = """
[jobs.learn]
do = "refresh"
every = "1 h"

[jobs.compare]
do = "parity"
cron = "0 3 * * *"
catch_up = "all"

[jobs.hungry]
do = "refresh"
when = { rows = 10 }
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with three jobs, in the place of whose programs stands one that publishes."""
    (tmp_path / "ratoon.toml").write_text(JOBS)
    (tmp_path / "events").write_text("3")
    monkeypatch.setenv("RATOON_CONFIG", str(tmp_path / "ratoon.toml"))
    monkeypatch.setenv("RATOON_HOME", str(tmp_path))
    instead(monkeypatch, tmp_path, publisher(tmp_path))
    return tmp_path


def instead(monkeypatch: pytest.MonkeyPatch, home: Path, program: list[str]) -> None:
    def opened(house: House, now: Callable[[], datetime]) -> books.Book:
        pauses, ledger = Pauses(house.home), Ledger(house.home / "jobs.sqlite")
        waiting = Waiting(0, 4, now(), now())
        return books.Book(house.settings.jobs, ledger, lambda *_: waiting, pauses.why, now, program=program)

    monkeypatch.setattr(books, "opened", opened)
    assert home.is_dir()


def ratoon(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def said(*words: str) -> Any:
    done = ratoon(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_slot_runs_once(home: Path) -> None:
    """With --slot a job runs when it is due, and not again for that slot; without, whenever it is asked."""
    assert home.is_dir()
    (first,) = said("jobs", "run", "learn", "--slot")
    assert (first["status"], first["verdict"], first["trigger"], first["window"]) == ("ok", "published", "schedule", [0, 3])
    again = said("jobs", "run", "learn", "--slot")
    assert again["ran"] is False
    assert "run 1 was the last (ok); the next is due at" in again["why"]
    (by_hand,) = said("jobs", "run", "learn")
    assert (by_hand["trigger"], by_hand["verdict"]) == ("hand", "skipped")
    assert [one["id"] for one in said("jobs", "history", "learn")] == [2, 1] == [one["id"] for one in said("runs", "list")]
    shown = said("runs", "show", "1")
    assert (shown["release"], shown["refresh"]) == (first["release"], None)


def test_every_job_is_explained(home: Path) -> None:
    """The list has each job with what it waits for; both have its last runs, by hand too, which decide nothing."""
    assert home.is_dir()
    listed = {one["job"]: one for one in said("jobs", "list")}
    assert [one["when"] for one in listed.values()] == ["every 1.0 h", "0 3 * * *", "data"]
    assert listed["hungry"]["why"] == "waits for data: 4 of 10 events"
    said("jobs", "run", "learn", "--slot")
    assert said("jobs", "why", "learn")["runs"][0]["status"] == "ok"
    said("jobs", "run", "learn")
    (by_hand,) = [one for one in said("jobs", "list") if one["job"] == "learn"]
    assert by_hand["ended"] == said("jobs", "why", "learn")["runs"][0]["ended"] == said("runs", "show", "2")["ended"]
    told = ratoon("jobs", "why", "learn").stdout
    assert "learn: does not run now: run 1 was the last (ok)" in told
    assert "run 2 ok (hand, try 1)" in told


def test_a_paused_job_rests_even_without_a_ledger(home: Path) -> None:
    """Pausing stops --slot and says why, a deleted ledger does not undo it, and resuming does."""
    said("jobs", "pause", "learn", "--reason", "the disk is full")
    said("jobs", "run", "learn")
    (home / "jobs.sqlite").unlink()
    assert said("jobs", "run", "learn", "--slot") == {"ran": False, "why": "paused: the disk is full"}
    said("jobs", "resume", "learn")
    assert said("jobs", "run", "learn", "--slot")[0]["status"] == "ok"


@pytest.mark.parametrize(("code", "exits"), [(0, 5), (2, 2), (3, 3), (4, 4), (5, 5), (1, 5), (-9, 5)])
def test_the_exit_code_is_the_jobs(home: Path, monkeypatch: pytest.MonkeyPatch, code: int, exits: int) -> None:
    """2, 3 and 4 are handed on; all else that went wrong, a success that says nothing included, is 5."""
    ends = "os.kill(os.getpid(), 9)" if code < 0 else f"os._exit({code})"
    instead(monkeypatch, home, says(f"import os; {ends}"))
    assert ratoon("jobs", "run", "learn").exit_code == exits


def test_a_one_shot_tries_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --slot what may go well the next time is tried again at once, as often as the job says."""
    (home / "ratoon.toml").write_text('[jobs.learn]\ndo = "refresh"\nevery = "1 h"\nretries = 2\nbackoff = "0.01 s"\n')
    instead(monkeypatch, home, says("import os; os._exit(5)"))
    assert ratoon("jobs", "run", "learn", "--slot").exit_code == 5
    assert [one["attempt"] for one in said("jobs", "history")] == [3, 2, 1]


def test_what_is_wrong_is_told_without_a_worker(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed run and one that nobody ran are said with exit code 5, and to the webhook; so is that a run by hand mended it."""
    instead(monkeypatch, home, says("import os; os._exit(5)"))
    long_ago = datetime.now(UTC) - timedelta(days=3)
    Ledger(home / "jobs.sqlite").finish(run(id=0, job="compare", at=long_ago, started=long_ago, ended=long_ago))
    with listening() as hook:
        (home / "ratoon.toml").write_text(JOBS.replace('"1 h"', '"1 h"\nretries = 0') + f'[alerts]\nwebhook = "{hook.url}"\n')
        assert ratoon("jobs", "run", "learn", "--slot").exit_code == 5
        bad = ratoon("jobs", "check", "--json")
        assert (bad.exit_code, {one["alert"] for one in json.loads(bad.stdout)}) == (5, {"learn: failed", "compare: missing"})
        instead(monkeypatch, home, says('print(\'{"values": 1, "differences": []}\')'))
        said("jobs", "run", "compare")
        instead(monkeypatch, home, publisher(home))
        said("jobs", "run", "learn")
        Ledger(home / "jobs.sqlite").finish(run(id=0, job="compare", at=datetime.now(UTC)))
        assert said("jobs", "check") == []
        told = sorted((one["kind"], one["key"]) for one in hook.messages)
    assert told == sorted((kind, key) for kind in ("alert", "recovery") for key in ("learn: failed", "compare: missing"))


@pytest.mark.parametrize(("words", "forked"), [((), ("ratoon", "ratoon.cli.warm")), (("--no-warm",), None)])
def test_a_worker_forks_runs_unless_told_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], forked: tuple[str, str] | None
) -> None:
    """Its book has the template of all commands, or with --no-warm none."""
    found = list[object]()
    (tmp_path / "ratoon.toml").write_text(JOBS)
    monkeypatch.setenv("RATOON_CONFIG", str(tmp_path / "ratoon.toml"))
    monkeypatch.setenv("RATOON_HOME", str(tmp_path))
    monkeypatch.setattr("ratoon.jobs.warm.Warm", lambda *given: nullcontext(given))
    monkeypatch.setattr("ratoon.jobs.worker.Worker.run", lambda worker: found.append(worker.book.warm))
    for what in ("ratoon.cli.worker.signal", "ratoon.serving.logs.configure"):
        monkeypatch.setattr(what, lambda *_: None)
    done = ratoon("worker", *words)
    assert (done.exit_code, found) == (0, [forked]), done.output


def test_a_slot_waits_for_whoever_is_at_work(home: Path) -> None:
    """While another run of the lane is under way a one-shot says so and ends well: the next call runs the slot."""
    other = books.opened(House(config.load()), lambda: datetime.now(UTC))
    attempt = replace(other, program=says("import time; time.sleep(60)")).asked("default", "auto")
    refused = said("jobs", "run", "learn", "--slot")
    assert refused["ran"] is False
    assert refused["why"].startswith(f"run {attempt.run.id} of job '(asked for)' by ")
    attempt.stop()
    until(attempt.step)
    assert said("jobs", "run", "learn", "--slot")[0]["status"] == "ok"
    assert home.is_dir()


def test_missed_slots_are_made_good(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of a job that catches up with all, in order, ending at the first that fails; the newest alone of another one."""
    program = says('print(\'{"values": 1, "differences": []}\')')
    instead(monkeypatch, home, program)
    since = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%dT%H:%M:%S}"
    planned = said("jobs", "backfill", "compare", "--from", since, "--dry-run")
    assert [one["runs"] for one in planned] == [True] * 3
    done = said("jobs", "backfill", "compare", "--from", since)
    assert [one["slot"] for one in done] == [one["slot"] for one in planned]
    assert said("jobs", "backfill", "compare", "--from", since) == []
    hourly = said("jobs", "backfill", "learn", "--from", since, "--dry-run")
    assert [one["runs"] for one in hourly] == [False] * 71 + [True]
    refused = ratoon("jobs", "backfill", "hungry", "--from", since)
    assert "expected a job with every or cron, found 'hungry', which data start" in str(refused.exception)


@pytest.mark.parametrize("command", [["jobs", "run", "x"], ["jobs", "why", "x"], ["jobs", "pause", "x", "--reason", "y"]])
def test_a_job_that_is_not_there_is_named(home: Path, command: list[str]) -> None:
    """The error lists those that are."""
    assert home.is_dir()
    assert "expected one of learn, compare, hungry, found 'x'" in str(ratoon(*command).exception)


def test_a_run_that_is_not_there_is_named(home: Path) -> None:
    """So does that of runs."""
    assert home.is_dir()
    assert "expected the id of a run that is kept, found 7" in str(ratoon("runs", "show", "7").exception)


def test_a_dry_run_says_what_a_refresh_would_do(house: House) -> None:
    """Rows, users and items that wait, the plan and the minutes by history; nothing is written, and a full one is full."""
    settings = house.settings.model_copy(update={"jobs": {"learn": job(), "anew": job(do="full")}})
    house = House(settings)
    of = books.opened(house, lambda: datetime.now(UTC))
    of.ledger.finish(run(id=0, max_rss=5 * 2**20))
    before = sorted(path for path in house.home.rglob("*") if "sqlite" not in path.name)
    shown = preview(house, of, "learn")
    assert (shown.plan, shown.rows) == ("rows", 500)
    assert 0 < shown.users <= 150
    assert 0 < shown.items <= 240
    assert shown.minutes is None  # no refresh of rows yet
    assert shown.max_rss == 5 * 2**20
    full = preview(house, of, "anew")
    assert (full.plan, full.max_rss) == ("full", None)
    assert full.minutes is not None
    assert full.minutes > 0
    assert sorted(path for path in house.home.rglob("*") if "sqlite" not in path.name) == before
