"""Fewer rows and narrower layers: who goes, what stays, and who comes back."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
from safetensors.numpy import load

from ratoon import config
from ratoon.domain.encoding import Vocabulary
from ratoon.domain.errors import UsageError
from ratoon.judging import Pair
from ratoon.upkeep.prune import Prune
from ratoon.wiring import House
from tests.upkeep.remade import current, interrupted, learnt, remade


def _known(pair: Pair, name: str) -> Vocabulary:
    vocabulary: Vocabulary = pair.towers.encoding.vocabularies[name]  # type: ignore[attr-defined]  # of the real towers
    return vocabulary


def _tables(pair: Pair) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return load(pair.model["item.safetensors"]) | load(pair.model["user.safetensors"])


def _met(house: House, name: str, end: int) -> dict[str, int]:
    counts = house.log.read(0, end).filter(pc.equal(house.log.read(0, end).column("kind"), "interaction"))
    values = counts.column(name).value_counts()
    return {row["values"]: row["counts"] for row in values.to_pylist()}


def test_rows_below_the_count_go_and_the_rest_keep_theirs(house: House) -> None:
    """Who was met less than that has no row; all others have theirs, renumbered, to the bit; it is told how many went."""
    source = current(house)
    report = remade(house, Prune(seen=12, width=False))
    assert (report.outcome, report.verdict and report.verdict.publish) == ("published", True)
    smaller = current(house)
    for name in ("user_id", "item_id"):
        old, new = _known(source, name), _known(smaller, name)
        assert 0 < len(new.rows) < len(old.rows)
        met = _met(house, name, source.upto)
        assert set(new.values) == {value for value in old.rows if met.get(value, 0) >= 12}
        table, kept = _tables(source)[f"table.{name}"], _tables(smaller)[f"table.{name}"]
        assert len(kept) == len(new)
        assert np.array_equal(kept[0], table[0])
        for value in new.values:
            assert np.array_equal(kept[new.rows[value]], table[old.rows[value]])
    assert report.upkeep is not None
    assert "rows are gone" in " ".join(report.upkeep.notes)
    assert report.upkeep.before is not None
    assert report.upkeep.after is not None
    assert report.upkeep.after.memory < report.upkeep.before.memory


def test_who_was_not_met_lately_goes(house: House) -> None:
    """By days without an interaction: who was met since keeps its row, however seldom; the others live on their features."""
    source = current(house)
    rows = house.log.read(0, source.upto)
    rows = rows.filter(pc.equal(rows.column("kind"), "interaction"))
    last = {
        row["user_id"]: row["event_timestamp_max"]
        for row in rows.group_by("user_id").aggregate([("event_timestamp", "max")]).to_pylist()
    }
    newest, days = max(last.values()), 2
    stay = {user for user, time in last.items() if time >= newest - timedelta(days=days)}
    assert 0 < len(stay) < len(last)
    assert remade(house, Prune(seen=0, unseen=days, width=False)).outcome == "published"
    assert set(_known(current(house), "user_id").values) == stay & set(_known(source, "user_id").rows)


def test_who_is_gone_comes_back_by_new_interactions_alone(house: House) -> None:
    """Refreshes on top give no row to what is only in the catalogue, and one to whom they meet often enough."""
    assert remade(house, Prune(seen=12, width=False)).outcome == "published"
    smaller = current(house)
    window = house.log.read(smaller.upto, house.log.end())
    assert set(smaller.index.ids()) - set(_known(smaller, "item_id").rows)
    after = learnt(house, "dense")
    for name in ("user_id", "item_id"):
        met = {row["values"]: row["counts"] for row in window.column(name).drop_null().value_counts().to_pylist()}
        back = set(_known(after, name).rows) - set(_known(smaller, name).rows)
        assert all(met.get(value, 0) >= 12 for value in back)
    again = learnt(house, "rows")
    assert len(_known(again, "item_id")) == len(_known(after, "item_id"))


def test_narrower_layers_are_refreshed_as_they_are(house: House) -> None:
    """Where little is asked of fit rows the layers are a quarter as wide, and refreshes leave them so."""
    assert remade(house, Prune(seen=0, loss=0.9)).outcome == "published"
    for pair in (current(house), learnt(house, "rows"), learnt(house, "dense")):
        assert [_tables(pair)[f"{side}.w2"].shape for side in ("user", "item")] == [(16, 32), (16, 32)]


def test_an_interrupted_one_is_done_again_to_the_same_bytes(
    copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that failed half-way leaves nothing, and done again is the release of one that did not fail."""
    first, second = (House(config.load(copied(name), environment={})) for name in ("first", "second"))
    assert remade(first, Prune(seen=4, width=False)).outcome == "published"
    assert interrupted(second, Prune(seen=4, width=False), monkeypatch) == first.registry("default").get(None).id


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"seen": -1}, "--seen: expected at least 0, found -1"),
        ({"unseen": 0}, "--unseen: expected at least 1, found 0"),
        ({"loss": 2.0}, "--loss: expected a share from 0 to below 1, found 2.0"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: dict[str, int], message: str) -> None:
    """Counts and days below nothing, and a loss that cannot be, are refused before anything is made."""
    with pytest.raises(UsageError, match=message):
        Prune(**settings)  # type: ignore[arg-type]  # wrong on purpose
