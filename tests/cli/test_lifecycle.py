"""`ratoon lifecycle`, called as a script calls it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner, Result

from ratoon.cli.app import app
from ratoon.domain.errors import UsageError
from ratoon.registry.runs import Runs
from tests.fakes.runs import T0, aged


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the runs of six refreshes, and a job that retrains it."""
    (tmp_path / "ratoon.toml").write_text('[jobs.anew]\ndo = "full"\ncron = "0 3 1 1 *"\n[plan]\nfallen = 0.1\n')
    runs = Runs(tmp_path / "var" / "releases" / "default" / "runs", lambda: T0)
    for one in aged(0.39, 0.38, 0.37, 0.36, 0.35):
        runs.keep(one.report, one.parent, one.files)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RATOON_HOME", raising=False)
    return tmp_path


def ratoon(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["lifecycle", *arguments])


def test_a_life_for_people_and_for_scripts(home: Path) -> None:
    """The table, the forecast by the plan's own limit, the job that will retrain, and the page under reports/."""
    done = ratoon()
    assert done.exit_code == 0, done.output
    assert "10% will be on 2020-01-0" in done.stdout
    assert "job anew retrains it at " in done.stdout
    page = home / "var" / "reports" / "default-life.html"
    assert done.stdout.endswith(f"{page}\n")
    assert ElementTree.parse(page).findtext("head/title") == "Life of default"
    said = json.loads(ratoon("--json", "--out", "seen.html").stdout)
    assert [point["recall"] for point in said["points"]] == [0.39, 0.38, 0.37, 0.36, 0.35]
    assert said["forecast"]["due"].startswith("2020-01-0")
    assert (said["since"]["sequence"], said["saved"]["releases"], said["page"]) == (1, 5, str(home / "seen.html"))


def test_a_surface_that_is_not_there(home: Path) -> None:
    """Another name is refused, and nothing is drawn."""
    wrong = ratoon("--surface", "basement").exception
    assert isinstance(wrong, UsageError)
    assert not (home / "var" / "reports").exists()
