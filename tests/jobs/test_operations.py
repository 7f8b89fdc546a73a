"""What upkeep is run as, and what is kept of what its commands really print."""

import json
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from ratoon.cli import upkeep
from ratoon.cli.app import app
from ratoon.config import Upkeep
from ratoon.jobs.operations import OPERATIONS, Result
from ratoon.upkeep import OPERATIONS as UPKEEP
from tests.fakes.work import job


def result(do: str, **settings: str) -> Result:
    done = CliRunner().invoke(app, OPERATIONS[do].command(job(do=do, **settings)))
    assert done.exit_code == 0, done.output
    return OPERATIONS[do].read(json.loads(done.stdout))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home with one old file that was never finished."""
    (tmp_path / "ratoon.toml").write_text('[paths]\nhome = "var"\n[retention]\nunfinished = "0 s"\n')
    (tmp_path / "feature_repo").mkdir()
    left = tmp_path / "var" / "features" / ".part-1.parquet.7.new"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"abc")
    monkeypatch.setenv("RATOON_CONFIG", str(tmp_path / "ratoon.toml"))
    monkeypatch.delenv("RATOON_HOME", raising=False)
    return tmp_path


def test_what_is_cleared_is_counted(home: Path) -> None:
    """The run of a `gc` says how much is gone; one that finds nothing is skipped."""
    assert home.is_dir()
    first = result("gc")
    assert (first.verdict, first.reason, first.rows, first.figures) == ("ok", "1 things are gone, 3 bytes", 1, {"bytes": 3})
    assert result("gc").verdict == "skipped"


def test_a_backup_goes_where_the_job_says(home: Path) -> None:
    """Braces and spaces in the folder's name are part of it; the run says which backup it made."""
    folder = home / "all {surface} copies"
    made = result("backup", folder=str(folder))
    assert (made.verdict, made.figures["number"]) == ("ok", 1)
    assert made.reason.startswith("backup 1, ")
    assert folder.is_dir()


def test_an_operation_on_a_release_is_run_with_its_options() -> None:
    """Each option is one word, a true one its flag; it shares its lane with what else makes releases of the surface."""
    one = job(do="upkeep", operation="prune", surface="home", options={"loss": 0.005, "seen_at_least": 3, "dry_run": True})
    made = OPERATIONS["upkeep"]
    asked = ["upkeep", "prune", "--surface", "home", "--loss=0.005", "--seen-at-least=3", "--dry-run", "--json"]
    assert made.command(one) == asked
    assert made.lane_of(one) == OPERATIONS["refresh"].lane_of(job(surface="home"))


def test_a_retrain_may_go_on_trial() -> None:
    """A job's trial is asked of the refresh; without one it publishes."""
    tried = OPERATIONS["full"].command(job(do="full", trial="shadow"))
    assert tried == ["refresh", "--surface", "default", "--scope", "full", "--trial", "shadow", "--json"]
    assert "--trial" not in OPERATIONS["full"].command(job(do="full"))


def test_jobs_know_every_operation_on_releases() -> None:
    """What the settings let a job do is what there is: each operation, under its own name, with a command of that name."""
    known = set(get_args(Upkeep)) - {""}
    commands = {one.name or one.callback.__name__ for one in upkeep.app.registered_commands if one.callback}
    assert known == set(UPKEEP)
    assert commands == {*UPKEEP, "tune"}
    assert all(kind.name == name for name, kind in UPKEEP.items())


def test_upkeep_is_one_lane() -> None:
    """A home is not cleared while it is copied, nor copied twice at once."""
    lanes = {OPERATIONS[do].lane_of(one) for do, one in (("gc", job(do="gc")), ("backup", job(do="backup", folder="/copies")))}
    assert len(lanes) == 1
