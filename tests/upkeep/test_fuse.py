"""Several sources as one release: what it holds, what judges it, and how it goes on."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from ratoon import durable
from ratoon.domain import fusion
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.fusion import COVISIT, TOWER, Fusion
from ratoon.domain.popularity import WIDTH
from ratoon.domain.report import RefreshReport
from ratoon.judging import Pair
from ratoon.refresh import considered, refresh
from ratoon.remaking import Remade, Remaking
from ratoon.upkeep import OPERATIONS, Operation
from ratoon.upkeep.fuse import Fuse
from ratoon.wiring import House
from ratoon.workshop import Task, Workshop, opened
from tests.fakes.events import batch, event
from tests.upkeep.remade import wanted


@dataclass(frozen=True, slots=True)
class Unopposed(Fuse):
    """Beside nothing that it has to beat: so small a world proves little for certain."""

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        return replace(super(Unopposed, self).__call__(shop, task, source), rivals={})


def easy(house: House) -> Workshop:
    """The rooms under a gate that lets nearly all pass."""
    shop = house.workshop("default")
    return replace(shop, gate=replace(shop.gate, win=-1.0, tolerance=0.9, taste=0.9, weights=0.9, old=0.9, latency=1e9))


def remade(house: House, operation: Operation) -> RefreshReport:
    return refresh(easy(house), house.stopwatch(), "upkeep", remaking=Remaking(operation))


def served(house: House) -> Pair:
    return opened(house.workshop("default"), house.registry("default").get(None))


def learned(pair: Pair, items: list[str], width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return pair.index.vectors(items)[:, :width]


def test_sources_beside_the_towers_go_on_under_rows_and_dense_and_end_with_full(house: House) -> None:
    """Own vectors are the source's to the bit; rows and dense keep what stands beside them, and full says that it does not."""
    before = served(house)
    ids, own = before.index.ids(), before.towers.dim - WIDTH
    report = remade(house, Unopposed(rank=4))
    assert (report.outcome, report.upkeep and report.upkeep.operation) == ("published", "fuse")
    after = served(house)
    assert (after.index.ids(), after.towers.dim) == (ids, own + 4 + WIDTH)
    assert np.array_equal(learned(after, ids, own), learned(before, ids, own))
    assert np.array_equal(after.index.vectors(ids)[:, -WIDTH:], before.index.vectors(ids)[:, -WIDTH:])
    assert after.index.vectors(ids)[:, own:-WIDTH].any()
    house.log.append(batch(event("item:brand-new", kind="item", item_id="brand-new", user_id=None)), backfill=True)
    rows = refresh(easy(house), house.stopwatch(), "rows")
    assert rows.outcome == "published"
    taught = served(house)
    assert fusion.beside(taught.model) == fusion.beside(after.model)
    assert np.array_equal(taught.index.vectors(ids)[:, own:-WIDTH], after.index.vectors(ids)[:, own:-WIDTH])
    assert not taught.index.vectors(["brand-new"])[:, own:-WIDTH].any()
    assert taught.index.vectors(["brand-new"])[:, :own].any()
    dense = refresh(easy(house), house.stopwatch(), "dense")
    assert dense.outcome == "published", dense.verdict
    assert fusion.beside(served(house).model) == fusion.beside(after.model)
    task, _ = considered(house.workshop("default"), house.stopwatch(), "full")
    assert "left behind" in task.plan.reason
    assert not fusion.beside(refreshed_fully(house).model)


def refreshed_fully(house: House) -> Pair:
    report = refresh(easy(house), house.stopwatch(), "full")
    assert report.outcome == "published", report.verdict
    return served(house)


def test_what_is_not_better_for_certain_is_refused(house: House) -> None:
    """Beside its sources a fused release has to be above each beyond chance; an average of one model with itself is not."""
    refresh(easy(house), house.stopwatch(), "rows")
    before = house.registry("default").current()
    report = remade(house, Fuse("average", last=2))
    assert report.outcome == "refused"
    assert report.verdict is not None
    assert set(report.verdict.rivals) == {"the release that it was made of"}
    assert "not certainly above that of the release that it was made of" in " ".join(report.verdict.reasons)
    assert house.registry("default").current() == before


def test_killed_on_the_way_it_comes_to_the_same_release(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ensemble that dies after it was made leaves nothing, and run again gives the bytes that it gives elsewhere."""
    first = Unopposed("ensemble")
    registry = house.registry("default")
    before = registry.releases()
    shop = house.workshop("default")
    task = wanted(shop, house)
    once, again = (first(shop, task, served(house)).pair for _ in range(2))
    assert once.model == again.model
    assert once.index.snapshot() == again.index.snapshot()

    def dies(name: str) -> None:
        if name == "refresh.embedded":
            raise KeyboardInterrupt

    monkeypatch.setattr(durable, "fault_point", dies)
    with pytest.raises(KeyboardInterrupt):
        remade(house, Unopposed(rank=4))
    monkeypatch.undo()
    assert registry.releases() == before
    assert registry.pinned() is not None
    fused = set(Fusion.from_json(once.model[fusion.FILE].decode()).weights)
    assert fused == {TOWER, f"{TOWER}-2"}
    assert once.towers.dim == 2 * (served(house).towers.dim - WIDTH) + WIDTH
    assert remade(house, Unopposed(rank=4)).outcome == "published"
    assert set(Fusion.from_json(served(house).model[fusion.FILE].decode()).weights) == {TOWER, COVISIT}


def test_there_have_to_be_two_releases_to_average(house: House) -> None:
    """With one release there is nothing to average, which is said before anything is made."""
    with pytest.raises(DataError, match="another release of the same features and shape"):
        remade(house, Fuse("average"))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"how": "votes"}, "fuse.how"), ({"last": 1}, "fuse.last"), ({"rank": 0}, "fuse.rank"), ({"members": 1}, "fuse.members")],
)
def test_wrong_settings(wrong: dict[str, object], field: str) -> None:
    """What cannot be made is refused by the setting that says so."""
    with pytest.raises(UsageError, match=field):
        OPERATIONS["fuse"](**wrong)
