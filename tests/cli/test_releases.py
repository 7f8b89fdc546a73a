"""`ratoon releases`, called as a person does."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.errors import UsageError
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.report import RefreshReport
from ratoon.registry import FileRegistry
from tests.registry.releases import window


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileRegistry:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.CONFIG, raising=False)
    monkeypatch.setenv(config.HOME, str(tmp_path / "var"))
    return FileRegistry(tmp_path / "var" / "releases", "default")


def test_what_was_refused_is_listed_with_why(registry: FileRegistry) -> None:
    """Every refused window, newest first, with its reasons, and the run that has the figures while that is kept."""
    assert CliRunner().invoke(app, ["releases", "--refused"]).stdout == "default: nothing was refused\n"
    registry.refuse(window(0, 40), ["recall fell", "the index is bad"])
    registry.refuse(window(0, 60), ["recall fell further"])
    plan = RefreshPlan("rows", "20 interactions")
    registry.record(RefreshReport("default", "refused", "", 0, plan, window(0, 60), None, ()))
    newest, older = json.loads(CliRunner().invoke(app, ["releases", "--refused", "--json"]).stdout)
    assert (newest["first"], newest["last"], newest["reasons"], newest["run"]) == (1, 60, ["recall fell further"], 1)
    assert (newest["scope"], newest["watermark"]) == ("rows", window(0, 60).as_of.isoformat())
    assert (older["last"], older["reasons"], older["run"]) == (40, ["recall fell", "the index is bad"], None)
    both = CliRunner().invoke(app, ["releases", "--refused", "--forget", "a"])
    assert isinstance(both.exception, UsageError)
    assert "--refused: expected no --forget, found 'a'" in str(both.exception)


def test_what_has_not_come_cannot_be_left_out(registry: FileRegistry) -> None:
    """Left out is for ever: a range beyond the log's end would be events that nobody has looked at."""
    wrong = CliRunner().invoke(app, ["resume", "--leave-out", "1:5"]).exception
    assert isinstance(wrong, UsageError)
    assert str(wrong).startswith("--leave-out: expected offsets up to the log's end, 0, found '1:5'.")
    assert registry.left_out() == ()
