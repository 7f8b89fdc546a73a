"""The table of features: measured in parts, kept, printed again; and never a speed of different answers."""

import json
from pathlib import Path

import pytest

from ratoon.bench import features, run
from ratoon.bench.row import Row, at_least, at_most
from ratoon.domain.errors import DataError, UsageError

STAMP = {"hardware": "a machine", "date": "2026-01-01", "commit": "abc"}


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two groups that measure nothing; the file of results."""

    def group(name: str) -> object:
        return lambda _folder, scale, _tell: [at_least(name, scale * 3, 2, "nothing", "times")]

    monkeypatch.setattr(features, "GROUPS", {"first": group("one"), "second": group("two")})
    monkeypatch.setattr(features, "RESULTS", tmp_path / "features.json")
    return tmp_path / "features.json"


def test_groups_are_measured_apart_and_kept_together(groups: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each group replaces its own rows alone, with hardware, date and commit; what is kept is printed without measuring."""
    features.measure("second", 1, STAMP, print)
    features.measure("first", 1, STAMP | {"commit": "old"}, print)
    features.measure("first", 1, STAMP, print)
    kept = features.kept()
    assert list(kept) == ["first", "second"]
    assert kept["first"] == {
        **STAMP,
        "rows": [{"quantity": "one", "value": 3, "unit": "times", "bar": ">= 2", "holds": True, "against": "nothing"}],
    }
    written = groups.read_text()
    run("features", as_json=True, stored=True)
    assert json.loads(capsys.readouterr().out)["groups"] == kept
    run("features", as_json=False, stored=True)
    assert "a machine, 2026-01-01, abc" in capsys.readouterr().out
    assert groups.read_text() == written


def test_a_smaller_scale_is_not_kept(groups: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bars are for scale 1: a smaller one says so and leaves the kept results alone."""
    run("features", as_json=False, scale=0.1, only="first")
    said = capsys.readouterr().out
    assert "scale 0.1: the bars are for scale 1" in said
    assert "NO" in said
    assert not groups.exists()


@pytest.mark.usefixtures("groups")
def test_what_cannot_be_measured_is_refused() -> None:
    """An unknown group or table, a scale out of range, and options of another table are usage errors."""
    with pytest.raises(UsageError, match="--only: expected one of first, second, found 'third'"):
        features.measure("third", 1, STAMP, print)
    with pytest.raises(UsageError, match=r"--scale: expected 0\.001 to 1, found 2"):
        features.measure("", 2, STAMP, print)
    with pytest.raises(UsageError, match="bench: expected one of loop, .*, serve, jobs, upkeep, chaos, soak, found 'speed'"):
        run("speed", as_json=False)
    with pytest.raises(UsageError, match="bench loop: expected no options"):
        run("loop", as_json=False, only="first")


def test_only_equal_answers_are_compared() -> None:
    """Two sides with different digests, or with fewer rows than there are, stop the measurement."""
    runs = {"feast": [{"digest": "a", "wall": 2.0}], "ours": [{"digest": "a", "wall": 1.0}]}
    assert features._medians(runs, ("wall",)) == {"feast": {"wall": 2.0}, "ours": {"wall": 1.0}}
    runs["ours"][0]["digest"] = "b"
    with pytest.raises(DataError, match="bench features: expected equal answers, found .*'ours 0': 'b'"):
        features._medians(runs, ("wall",))
    with pytest.raises(DataError, match="bench features: expected 5 rows, found"):
        features._filled({"ours": [{"rows": 4}]}, {"ours": 5})


def test_bars_hold_or_not() -> None:
    """The bar belongs to the values that hold."""
    assert at_least("a", 15.0, 15, "b") == Row("a", 15.0, "ratio", ">= 15", True, "b")
    assert not at_least("a", 14.9, 15, "b").holds
    assert at_most("a", 0.5, 0.5, "b", "share") == Row("a", 0.5, "share", "<= 0.5", True, "b")
    assert not at_most("a", 0.51, 0.5, "b").holds
