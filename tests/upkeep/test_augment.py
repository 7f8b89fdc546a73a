"""A release learnt again with items shown as if nobody had met them."""

import json

import pytest

from ratoon.domain.errors import UsageError
from ratoon.refresh import refresh
from ratoon.upkeep.augment import Augment
from ratoon.wiring import House
from tests.upkeep.remade import remade


def test_what_was_learnt_is_learnt_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The candidate has learnt what its source had and nothing of what waits.

    Died before it was judged it leaves what is served; made again it is the same release, and a rows refresh goes on from it.
    """
    registry = house.registry("default")
    before = registry.get(None)
    monkeypatch.setattr("ratoon.durable.passed", [])
    monkeypatch.setenv("RATOON_FAULT", "refresh.embedded:1:eio")
    with pytest.raises(OSError, match="refresh.embedded"):
        remade(house, Augment())
    monkeypatch.delenv("RATOON_FAULT")
    assert registry.get(None) == before
    report = remade(house, Augment())
    assert report.outcome == "published"
    after = registry.get(None)
    assert (after.window, after.taught, after.scope) == (before.window, before.taught, "upkeep")
    files, old = registry.load(after), registry.load(before)
    assert json.loads(files["upkeep.json"])[0]["settings"] == {"newcomers": 0.3}
    assert files["item.safetensors"] != old["item.safetensors"]
    assert set(json.loads(files["encoding.json"])["vocabularies"]["user_id"]) <= set(
        json.loads(old["encoding.json"])["vocabularies"]["user_id"]
    )
    assert refresh(house.workshop("default"), house.stopwatch(), "rows").outcome == "published"


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_shares_that_teach_nothing_are_refused(share: float) -> None:
    """Nothing, or everything, shown as new is no augmentation."""
    with pytest.raises(UsageError, match="--newcomers: expected above 0 and below 1"):
        Augment(share)
