"""Item vectors in smaller codecs, on a small world."""

from dataclasses import replace

import numpy as np
import pytest

from ratoon import durable
from ratoon.domain.dial import Codec, IndexPolicy
from ratoon.domain.errors import UsageError
from ratoon.domain.plan import Scope
from ratoon.domain.report import RefreshReport
from ratoon.index import FaissIndexes
from ratoon.refresh import refresh
from ratoon.remaking import Remaking
from ratoon.upkeep.quantise import Quantise
from ratoon.upkeep.vectors import Recode
from ratoon.wiring import House
from ratoon.workshop import opened
from tests.upkeep.remade import current, learnt, vectors
from tests.upkeep.remade import remade as operated


def remade(house: House, codec: Codec, *, rehearsed: bool = False) -> RefreshReport:
    """The current release with its vectors kept so."""
    remaking = Remaking(Recode(codec), rehearsed=rehearsed)
    return refresh(house.workshop("default"), house.stopwatch(), "upkeep", remaking=remaking)


def test_the_smallest_within_the_loss_is_taken(house: House) -> None:
    """Four bits a number take an eighth of float32, find the exact best but for the loss, and every codec is told of."""
    report = refresh(house.workshop("default"), house.stopwatch(), "upkeep", remaking=Remaking(Recode(), rehearsed=True))
    said = report.upkeep
    assert said is not None
    points = {point.name: point for point in said.curve}
    assert list(points) == ["flat", "fp16", "sq8", "sq4"]
    assert [name for name, point in points.items() if point.chosen] == ["sq4"]
    assert points["sq4"].bytes * 4 == points["fp16"].bytes == points["sq8"].bytes * 2
    assert points["sq4"].recall >= 0.98
    assert all(point.search_us > 0 for point in points.values())
    assert said.before is not None
    assert said.after is not None
    assert said.after.memory < said.before.memory


def test_a_release_that_was_made_small_stays_small(house: House) -> None:
    """A byte a number is least in files, where four bits keep the vectors; with rows and layers so too, refreshes keep it all.

    What a refresh of rows leaves as it was is the same to the bit.
    """
    registry, whole = house.registry("default"), current(house).disk
    assert operated(house, Quantise("int8", "int8")).outcome == "published"
    report = operated(house, Recode(least="files"))
    assert report.outcome == "published"
    assert report.upkeep is not None
    points = {point.name: point for point in report.upkeep.curve}
    assert [name for name, point in points.items() if point.chosen] == ["sq8"]
    assert points["sq8"].bytes * 4 == points["flat"].bytes == points["sq4"].bytes * 2
    before = current(house)
    small = before.disk
    assert small < whole / 2
    moved = learnt(house, "rows")
    written = {*registry.get(None).written_items}
    still = {item: row for item, row in vectors(before).items() if item not in written}
    assert still
    assert still == {item: row for item, row in vectors(moved).items() if item in still}
    assert learnt(house, "dense").disk < 1.1 * moved.disk < 1.2 * small


@pytest.mark.parametrize("scope", ["rows", "dense"])
def test_refreshes_keep_it(house: House, scope: Scope) -> None:
    """What is refreshed after it has vectors in the same codec; what stayed as it was is the same to the bit."""
    assert remade(house, "sq4").outcome == "published"
    registry, shop = house.registry("default"), house.workshop("default")
    before = opened(shop, registry.get(None)).index
    assert (before.dial.codec, before.dial.chosen) == ("sq4", True)
    assert refresh(shop, house.stopwatch(), scope).outcome == "published"
    release = registry.get(None)
    after = opened(house.workshop("default"), release).index
    assert (after.dial.codec, after.dial.chosen) == ("sq4", True)
    if scope == "rows":
        same = [item for item in before.ids() if item not in release.written_items and item in after]
        assert same
        assert np.array_equal(before.vectors(same)[:, :-4], after.vectors(same)[:, :-4])


def test_what_was_rounded_comes_back(house: House) -> None:
    """From a byte to float32 again: the vectors are those of the item tower, as if nothing had been compressed."""
    registry = house.registry("default")
    first = opened(house.workshop("default"), registry.get(None)).index
    assert remade(house, "sq8").outcome == "published"
    rounded = opened(house.workshop("default"), registry.get(None)).index
    assert remade(house, "flat").outcome == "published"
    again = opened(house.workshop("default"), registry.get(None)).index
    ids = first.ids()
    assert np.abs(rounded.vectors(ids) - first.vectors(ids))[:, :-4].max() > 1e-4
    assert np.abs(again.vectors(ids) - first.vectors(ids))[:, :-4].max() < 1e-6


def test_killed_and_run_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left of one that died half-way, and one that is run again makes the release that it would have made."""
    registry = house.registry("default")
    current = registry.current()
    rehearsed = remade(house, "sq4", rehearsed=True).upkeep
    with monkeypatch.context() as patch:
        patch.setattr(durable, "fault_point", _dying)
        with pytest.raises(RuntimeError, match="judged"):
            remade(house, "sq4")
    assert registry.current() == current
    report = remade(house, "sq4")
    assert report.outcome == "published"
    assert report.upkeep is not None
    assert rehearsed is not None
    assert report.upkeep.timeless() == rehearsed.timeless()


def _dying(name: str) -> None:
    if name == "refresh.judged":
        raise RuntimeError(name)


def test_in_lists(house: House) -> None:
    """Where items lie in lists, the codec is chosen among lists too, and looks as deep as their users need."""
    shop = replace(house.workshop("default"), indexes=FaissIndexes(IndexPolicy(exact=50)))
    report = refresh(shop, house.stopwatch(), "upkeep", remaking=Remaking(Recode("sq4")))
    assert report.outcome == "published"
    dial = opened(shop, house.registry("default").get(None)).index.dial
    assert (dial.lists > 1, dial.codec) == (True, "sq4")
    assert dial.deep > 1


@pytest.mark.parametrize(
    ("field", "settings"),
    [("--codec", {"codec": "pq"}), ("--loss", {"loss": 1.0}), ("--loss", {"loss": -0.1}), ("--least", {"least": "time"})],
)
def test_settings_that_make_no_sense(field: str, settings: dict[str, str | float]) -> None:
    """An unknown codec and a loss that is no share are refused by name."""
    with pytest.raises(UsageError, match=field):
        Recode(**settings)  # type: ignore[arg-type]  # that is what is tested
