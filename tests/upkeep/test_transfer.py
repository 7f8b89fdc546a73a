"""A release that starts from another catalogue's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ratoon import config
from ratoon.domain.errors import DataError, UsageError
from ratoon.refresh import refresh
from ratoon.upkeep.transfer import Transfer
from ratoon.wiring import House
from tests.upkeep.remade import remade


def test_a_release_starts_from_another_homes(
    house: House, copied: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shared comes along and is fine-tuned, judged and published; the other home stays as it was.

    Died half-way it leaves what is served, and made again it is the same release; a rows refresh goes on from it.
    """
    other = House(config.load(copied("other"), environment={}))
    registry = house.registry("default")
    served = other.registry("default").releases()
    pairs = "".join(f"{item},{item}\n" for item in house.log.catalogue(registry.get(None).window.end)[:50])
    (tmp_path / "items.csv").write_text(f"their_id,our_id\n{pairs}")
    operation = Transfer(str(other.home), items=str(tmp_path / "items.csv"), passes=1)
    before = registry.get(None)
    monkeypatch.setattr("ratoon.durable.passed", [])
    monkeypatch.setenv("RATOON_FAULT", "training.pass:1:eio")
    with pytest.raises(OSError, match="training.pass"):
        remade(house, operation)
    monkeypatch.delenv("RATOON_FAULT")
    assert registry.get(None) == before
    report = remade(house, operation)
    assert report.outcome == "published"
    assert report.upkeep is not None
    assert report.upkeep.notes[:2] == ("50 of their item_id are ours", "0 of their user_id are ours")
    assert "genres" in report.upkeep.notes[2]
    assert other.registry("default").releases() == served
    assert refresh(house.workshop("default"), house.stopwatch(), "rows").outcome == "published"


def test_who_is_not_there_is_refused(house: House, tmp_path: Path) -> None:
    """A home without releases, a release and a surface that are not there, and a map with an unknown id: what is served stays."""
    before = house.registry("default").current()
    for operation, said in (
        (Transfer(str(tmp_path / "nowhere")), "--from: expected a home with releases of surface default"),
        (Transfer(str(house.home), surface="ads"), "--from: expected a home with releases of surface ads"),
        (Transfer(str(house.home), other="f00d"), "the id of one published release"),
    ):
        with pytest.raises(UsageError, match=said):
            remade(house, operation)
    (tmp_path / "users.csv").write_text("their_id,our_id\nnobody,nobody\n")
    with pytest.raises(DataError, match=r"users.csv, line 2: expected an id that the other catalogue knows, found nobody"):
        remade(house, Transfer(str(house.home), users=str(tmp_path / "users.csv")))
    assert house.registry("default").current() == before


def test_settings_that_start_nothing_are_refused() -> None:
    """No home, and no pass over the own history, are refused by the option's name."""
    with pytest.raises(UsageError, match="--from: expected the folder of another home, found nothing"):
        Transfer("")
    with pytest.raises(UsageError, match="--passes: expected at least 1, found 0"):
        Transfer("somewhere", passes=0)
