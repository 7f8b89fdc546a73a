"""The table is measured group by group, and what one of them does to itself is not done to the others."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratoon.bench.row import Row, at_most
from ratoon.bench.serving import measuring, wrk
from ratoon.bench.serving.measuring import Size, kept, measure
from ratoon.bench.serving.setting import Setting
from ratoon.bench.serving.world import World
from ratoon.domain.errors import StoreError, UsageError

STAMP = {"hardware": "here", "date": "today", "commit": "abc"}


def good(setting: Setting) -> Iterator[Row]:
    setting.tell("working", 0.5)
    setting.world.publish(1)
    yield at_most("a quantity", 1.0, 2.0, "nothing", "ms")


def bad(setting: Setting) -> Iterator[Row]:
    yield at_most("another", setting.world.registry().get(None).sequence, 1, "the world as it was", "")
    raise StoreError("ratoon serve", expected="ready", found="exit 1", fix="Read what it printed.")


@pytest.fixture
def groups(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two groups, on a world that is there, and results in a folder of their own."""
    monkeypatch.setattr(measuring, "GROUPS", {"good": good, "bad": bad})
    monkeypatch.setattr(measuring, "RESULTS", tmp_path / "serve.json")
    monkeypatch.setattr(measuring, "open_world", lambda _home, _items, _tell: world)
    monkeypatch.setattr(wrk, "installed", lambda: "wrk")
    return tmp_path


def test_each_group_has_a_world_of_its_own(groups: Path) -> None:
    """What one publishes is not there for the next, and one that fails leaves what it has found, and a row that says why."""
    said: list[str] = []
    found = measure(groups, Size(items=30_000), STAMP, lambda what, _: said.append(what))
    assert said == ["good: begins", "good: working", "bad: begins"]
    assert [row["quantity"] for row in found["bad"]["rows"]] == ["another", "bad: the rest"]
    assert found["bad"]["rows"][0]["holds"]
    assert found["bad"]["rows"][1]["against"].startswith("StoreError: ratoon serve: expected ready")
    assert found["good"]["commit"] == "abc"
    assert not measuring.RESULTS.exists()


def test_what_is_measured_at_full_size_is_kept_by_group(groups: Path) -> None:
    """In the table's order, whichever was measured last; a group that is not asked for stays as it was."""
    for only in (("bad",), ("good",)):
        measure(groups, Size(only=only), {**STAMP, "commit": only[0]}, lambda *_: None)
    assert list(kept()) == ["good", "bad"]
    assert [group["commit"] for group in kept().values()] == ["good", "bad"]
    assert json.loads(measuring.RESULTS.read_text())["good"]["items"] == measuring.ITEMS


def test_nothing_is_kept_before_anything_was_measured(groups: Path) -> None:
    """And that is no error."""
    assert kept() == {}
    assert groups.exists()


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (Size(only=("floors",)), r"--only: expected some of .*good.*, found floors\. Name some of these"),
        (Size(items=10), r"--items: expected at least 25000, found 10\. Ask for more"),
        (Size(seconds=0), r"--seconds: expected at least 0\.1, found 0\. Ask for more"),
    ],
)
def test_what_cannot_be_measured_is_refused(groups: Path, size: Size, said: str) -> None:
    """Before a world is made."""
    with pytest.raises(UsageError, match=said):
        measure(groups, size, STAMP, lambda *_: None)
