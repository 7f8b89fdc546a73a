"""What a server makes of posted items is what a refresh will."""

from pathlib import Path

import pytest

from ratoon.domain.encoding import completed
from ratoon.features.online.posted import posted
from tests.fakes.events import at, batch, event
from tests.features.worlds import World, world


def post(there: World, event_id: str, item: str, features: str) -> None:
    there.log.append(batch(event(event_id, kind="item", user_id=None, item_id=item, features=features, event_timestamp=at(5))))


def test_at_once_is_as_after_a_refresh(tmp_path: Path) -> None:
    """Titles, lists and dates, posted at once or piece by piece, have the values and types that a refresh reads from Feast."""
    there = world(tmp_path, batch(event("first", item_id="seen")))
    there.features.ingest()
    post(there, "a", "new", '{"title": "Old", "genres": ["Drama", "War"], "colour": "red"}')
    post(there, "b", "new", '{"title": "New", "release_date": "1995-01-01"}')
    post(there, "c", "bare", '{"title": "Bare"}')
    schema = there.features.schema()
    found = posted(there.home / "features" / "views.json", there.log, ["bare", "new", "seen", "never"], schema)
    assert found.column("item_id").to_pylist() == ["bare", "new"]
    there.features.ingest()
    later = there.features.items(["bare", "new"], at(9))
    assert found.equals(later.select(found.column_names))
    assert {"title", "genres", "release_date"} < set(found.column_names)
    rest = completed(schema.item, found).drop_columns(found.column_names)
    assert all(column.null_count == 2 for column in rest.columns)
    there.log.close()


def test_a_value_that_does_not_fit_holds_its_item_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An item with a value of a wrong type is named with the event, and has no row until a good value is posted."""
    there = world(tmp_path, batch(event("first", item_id="seen")))
    there.features.ingest()
    post(there, "a", "new", '{"title": "New", "genres": "Drama"}')
    views, schema = there.home / "features" / "views.json", there.features.schema()
    assert posted(views, there.log, ["new"], schema).num_rows == 0
    assert "item 'new' waits for the next refresh: expected features.genres to be" in caplog.text
    assert "found 'Drama' in event 'a'" in caplog.text
    post(there, "b", "new", '{"genres": ["Drama"]}')
    assert posted(views, there.log, ["new"], schema).column("genres").to_pylist() == [["Drama"]]
    there.log.close()
