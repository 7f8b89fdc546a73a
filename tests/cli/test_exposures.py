"""`ratoon exposures`, called as a person does."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import UsageError
from ratoon.serving.exposures import FILE, Exposure, ExposureLog, StoredExposures


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which two users were shown something 1, 50 and 100 days ago."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.CONFIG, raising=False)
    monkeypatch.setenv(config.HOME, str(tmp_path / "var"))
    with closing(ExposureLog(tmp_path / "var" / FILE)) as log:
        for days in (1, 50, 100):
            for user in ("annabelle", "bob"):
                shown = datetime.now(UTC) - timedelta(days=days)
                log.add(Exposure(f"{user}-{days}", shown, "default", user, "release", "tower", [("a", 1.0)]))
    return tmp_path / "var"


def ratoon(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["exposures", *arguments])


def left(home: Path) -> set[str]:
    return {one.request_id for one in StoredExposures(home / FILE).read("default")}


def test_what_is_old_is_deleted(home: Path) -> None:
    """`prune` deletes what is older than the span and says how much; again there is nothing; both are audited."""
    assert ratoon("prune", "--older-than", "90d").stdout.startswith("2 answers from before 20")
    assert left(home) == {"annabelle-1", "bob-1", "annabelle-50", "bob-50"}
    told = json.loads(ratoon("prune", "--older-than", "2 d", "--json").stdout)
    assert told["deleted"] == 2
    assert datetime.now(UTC) - datetime.fromisoformat(told["before"]) >= timedelta(days=2)
    assert left(home) == {"annabelle-1", "bob-1"}
    lines = [json.loads(line) for line in (home / "audit.jsonl").read_text().splitlines()]
    assert [(line["name"], line["action"], line["on"]) for line in lines] == [("cli", "exposures prune", {"deleted": "2"})] * 2


def test_a_user_is_forgotten(home: Path) -> None:
    """`forget` deletes what one user was shown; no file of the home names them, the audit file included."""
    assert json.loads(ratoon("forget", "annabelle", "--json").stdout) == {"deleted": 3}
    assert left(home) == {"bob-1", "bob-50", "bob-100"}
    assert ratoon("forget", "annabelle").stdout == "0 answers deleted\n"
    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"annabelle" not in written
    assert b"bob" in written


@pytest.mark.parametrize("span", ["soon", "0 d", "-1 d", "90", "999999999 d"])
def test_a_span_that_is_none_is_refused(home: Path, span: str) -> None:
    """Only a span longer than nothing and within the calendar is taken; nothing is deleted otherwise."""
    refused = ratoon("prune", "--older-than", span)
    assert isinstance(refused.exception, UsageError)
    assert "--older-than: expected a span such as `90 d`" in str(refused.exception)
    assert len(left(home)) == 6


def test_nothing_was_shown_yet(home: Path) -> None:
    """Without a log there is nothing to delete, and none is made."""
    for path in (home / "exposures").iterdir():
        path.unlink()
    assert json.loads(ratoon("forget", "annabelle", "--json").stdout) == {"deleted": 0}
    assert json.loads(ratoon("prune", "--older-than", "1 d", "--json").stdout)["deleted"] == 0
    assert list((home / "exposures").iterdir()) == []
