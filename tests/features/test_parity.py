"""Offline and online agree after a materialisation, and every disagreement is found."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.errors import DataError
from ratoon.features.online.keys import text_keys
from ratoon.features.online.layout import Layout
from ratoon.features.online.pack import Packed, pack
from ratoon.features.online.store import Batch
from ratoon.features.parity import Parity, parity
from ratoon.features.views import View
from tests.fakes.events import at, batch, event
from tests.features.worlds import World, micros, world


def compared(there: World, n: int = 1_000, seed: int = 0) -> Parity:
    return parity(there.features.repository, there.log, n, np.random.default_rng(seed))


def view_of(there: World, name: str) -> View:
    return next(view for view in there.features.repository.views if view.name == name)


def test_a_materialised_world_has_no_difference(read_only: World) -> None:
    """Every feature of every user and item is the same at both ends, lists and times included; a sample is a part of that."""
    found = compared(read_only)
    assert (found.differences, found.waiting) == ((), 0)
    assert found.entities > 100
    assert found.values > 5 * found.entities
    assert compared(read_only, 7).entities == 14


def test_a_value_written_by_somebody_else_is_found(tmp_path: Path) -> None:
    """An online row that no offline row says is listed with both values and both times, once for each feature."""
    there = world(tmp_path, batch(event("1", item_id="a", event_timestamp=at(1)), event("2", item_id="b", event_timestamp=at(2))))
    there.learnt()
    view = view_of(there, "item_popularity")
    moment = np.array([micros(at(1)) + 2])
    values = {"item_events": [7], "item_events_28d": [1], "item_value_mean": [None]}
    table = pa.table({field.name: pa.array(values[field.name], field.arrow) for field in view.fields})
    layout = Layout.of(view.fields)
    store = there.features.repository.place.open()
    store.write(
        [Batch(view.name, layout, Packed(text_keys("item_id", ["a"]), pack(layout, table, moment, moment), moment, moment))]
    )
    store.close()
    differences = compared(there).differences
    assert [(one.entity, one.view, one.feature) for one in differences if one.feature == "item_events"] == [
        ("a", "item_popularity", "item_events")
    ]
    (counted,) = (one for one in differences if one.feature == "item_events")
    assert (counted.offline, counted.online) == (1, 7)
    assert counted.offline_time is not None
    assert counted.online_time is not None
    assert (micros(counted.offline_time), micros(counted.online_time)) == (micros(at(1)) + 1, micros(at(1)) + 2)
    there.log.close()


def test_entities_with_waiting_events_are_passed_over(tmp_path: Path) -> None:
    """Who has events that are not materialised yet is not compared; if that is everybody, it is said."""
    there = world(
        tmp_path, batch(event("1", user_id="u1", item_id="a"), event("2", user_id="u2", item_id="b", event_timestamp=at(9)))
    )
    there.learnt()
    there.log.append(batch(event("3", user_id="u1", item_id="a", event_timestamp=at(10))))
    there.ingest()
    found = compared(there)
    assert (found.entities, found.waiting, found.differences) == (2, 2, ())
    there.log.append(batch(event("4", user_id="u2", item_id="b", event_timestamp=at(11))))
    with pytest.raises(
        DataError, match="parity: expected entities whose events are all materialised, found 4 entities with events"
    ):
        compared(there)
    there.log.close()


def test_a_missing_row_is_found(tmp_path: Path) -> None:
    """An entity whose online row was lost is listed with no online value and no online time."""
    there = world(tmp_path, batch(event("1", item_id="a"))).learnt()
    store = there.features.repository.place.open()
    store.forget(text_keys("item_id", ["a"]))
    store.close()
    differences = compared(there).differences
    assert {(one.entity, one.online, one.online_time) for one in differences} == {("a", None, None)}
    assert "item_events" in {one.feature for one in differences}
    there.log.close()
