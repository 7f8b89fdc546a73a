"""`ratoon delta`, called as a script calls it."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from ratoon.cli.app import app
from ratoon.domain.errors import DataError, UsageError
from ratoon.features.views import View, ViewField, save


def write(path: Path, **prices: float) -> None:
    times = pa.array([0] * len(prices), pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({"item_id": list(prices), "price": list(prices.values()), "at": times}), path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with one view applied and two rows in it."""
    (tmp_path / "ratoon.toml").write_text("")
    (tmp_path / "lake").mkdir()
    view = View("p", "prices", "item", "foreign", f"{tmp_path}/lake/*.parquet", "at", (ViewField("price", "FLOAT"),))
    save(tmp_path / "var" / "features" / "views.json", [view])
    write(tmp_path / "lake" / "1.parquet", a=1.0, b=2.0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RATOON_HOME", raising=False)
    return tmp_path


def delta(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["delta", "prices", *arguments])


def test_positions_chain_through_a_file(home: Path) -> None:
    """What --save wrote, --since takes up: the second delta has only what came and went after the first, rows included."""
    first = delta("--save", "position.json", "--json")
    assert first.exit_code == 0, first.output
    assert {name: json.loads(first.stdout)[name] for name in ("view", "rows", "gone")} == {"view": "prices", "rows": 2, "gone": 0}
    write(home / "lake" / "1.parquet", a=1.0, b=3.0)
    second = delta("--since", "position.json", "--save", "position.json", "--to", "changes", "--json")
    found = json.loads(second.stdout)
    assert (found["rows"], found["gone"], found["stats"]["files_read"]) == (1, 1, 1)
    assert pq.read_table(home / "changes" / "rows.parquet").column("item_id").to_pylist() == ["b"]
    assert pq.read_table(home / "changes" / "gone.parquet").column("item_id").to_pylist() == ["b"]
    assert json.loads((home / "position.json").read_text())["files"] == found["position"]


@pytest.mark.usefixtures("home")
def test_people_are_told_what_it_cost() -> None:
    """Text says how much came and went, and with --stats how much was read of how much there is."""
    said = delta("--stats").stdout
    assert said.startswith("prices: 2 rows came, 0 went\n")
    assert "bytes of scan" in said
    assert "% of the bytes of a full scan" in said


def test_people_are_told_what_is_not_known(home: Path) -> None:
    """When rows vanished of which nothing is known any more, the text names their files."""
    delta("--save", "position.json")
    shutil.rmtree(home / "var" / "features" / "deltas")
    (home / "lake" / "1.parquet").unlink()
    assert "nothing is known of the rows of 1.parquet" in delta("--since", "position.json").stdout


def test_a_failure_moves_no_position(home: Path) -> None:
    """With a file cut short nothing is written, neither rows nor position."""
    (home / "lake" / "2.parquet").write_bytes(b"PAR1")
    failed = delta("--save", "position.json", "--to", "changes")
    assert isinstance(failed.exception, DataError)
    assert not (home / "position.json").exists()
    assert not (home / "changes").exists()


@pytest.mark.usefixtures("home")
def test_what_cannot_be() -> None:
    """An unknown view and a position that is not there are usage errors that name what would do."""
    wrong = CliRunner().invoke(app, ["delta", "stock"]).exception
    assert isinstance(wrong, UsageError)
    assert str(wrong).startswith("view: expected one of prices, found 'stock'. Name one of them")
    missing = delta("--since", "nowhere.json").exception
    assert isinstance(missing, UsageError)
    assert str(missing).startswith("--since: expected a position that --save wrote, found FileNotFoundError(")
