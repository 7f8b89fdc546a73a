"""A feature defined in `feature_repo/` reaches the towers with no other file touched."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ratoon.data.synth import synth
from ratoon.domain.errors import DataError
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.features.contract import DEFAULTS, service_references, tower_schema
from ratoon.features.repository import FeastRepository
from ratoon.ports import Lesson
from ratoon.towers import NumpyTowers, open_own
from ratoon.training import TrainingSettings, TwoTowerTrainer
from tests.features.worlds import World, repo_copy, world

KINDS = {
    "String": "category",
    "Int32": "number",
    "Int64": "number",
    "Float32": "number",
    "Float64": "number",
    "Bool": "number",
    "UnixTimestamp": "number",
    "Array(String)": "ids",
    "Array(Int64)": "ids",
    "Array(Float32)": "vector",
}
VALUES: dict[str, tuple[Any, Any]] = {
    "String": ("x", "y"),
    "Int32": (1, 9),
    "Int64": (1, 9),
    "Float32": (0.5, 2.5),
    "Float64": (0.5, 2.5),
    "Bool": (False, True),
    "UnixTimestamp": ("2020-01-01", "2024-01-01"),
    "Array(String)": (["x"], ["x", "y"]),
    "Array(Int64)": ([1, 2], [3]),
    "Array(Float32)": ([0.0, 1.0, 0.0], [1.0, 0.0, 0.5]),
}
USER_FIELD, ITEM_FIELD = 'Field(name="gender"', 'Field(name="title"'


def name_of(entity: str, dtype: str) -> str:
    return f"{entity}_{re.sub(r'[^a-z0-9]+', '_', dtype.lower()).strip('_')}_new"


def definitions(entity: str) -> str:
    vector = {"Array(Float32)": ", vector_length=3"}
    return "".join(
        f'Field(name="{name_of(entity, dtype)}", dtype=types.{dtype.replace("(", "(types.")}{vector.get(dtype, "")}),\n        '
        for dtype in KINDS
    )


def extended(folder: Path, marker: str, file: str, more: str, head: str = "from feast import types\n") -> Path:
    """A copy of the repository with definitions before `marker`."""
    repo = repo_copy(folder, {file: [(marker, more + marker)]})
    (repo / file).write_text(head + (repo / file).read_text())
    return repo


def with_features(events: pa.Table) -> pa.Table:
    """Every user and item also says something of each new feature, one of two values."""
    texts = []
    for place, row in enumerate(events.select(["kind", "features"]).to_pylist()):
        more = {name_of(row["kind"], dtype): values[place % 2] for dtype, values in VALUES.items()}
        texts.append(json.dumps(json.loads(row["features"]) | more) if row["features"] else None)
    return events.set_column(events.column_names.index("features"), "features", pa.array(texts, pa.string()))


@dataclass(frozen=True)
class Taught:
    """Towers that learnt a world in which everybody has every new feature."""

    there: World
    schema: TowerSchema
    interactions: pa.Table
    catalogue: pa.Table
    towers: NumpyTowers


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taught]:
    folder = tmp_path_factory.mktemp("contract")
    repo = extended(folder, USER_FIELD, "users.py", definitions("user"))
    items = (repo / "items.py").read_text().replace(ITEM_FIELD, definitions("item") + ITEM_FIELD)
    (repo / "items.py").write_text("from feast import types\n" + items)
    there = world(folder / "home", with_features(synth(20, 20, 120, seed=3)), repo=repo).ingest()
    features = there.features
    window = features.window(None)
    interactions = features.delta(window, None, []).interactions
    catalogue = features.items(there.log.catalogue(window.end), window.as_of)
    trainer = TwoTowerTrainer(TrainingSettings(dim=8, small=4, hidden=8, epochs=1, device="cpu"), seed=0)
    lesson = Lesson(interactions, interactions.slice(0, 0), interactions.slice(0, 0), catalogue)
    files = trainer.train(RefreshPlan("full", "test"), features.schema(), None, lesson)
    yield Taught(there, features.schema(), interactions, catalogue, open_own(files))
    there.log.close()


@pytest.mark.parametrize("entity", ["user", "item"])
@pytest.mark.parametrize("dtype", KINDS)
def test_a_new_feature_reaches_its_tower(taught: Taught, entity: str, dtype: str) -> None:
    """A feature of any type is in the schema by its type's encoder, and changing only its value changes the tower's vector."""
    inputs = taught.schema.user if entity == "user" else taught.schema.item
    (feature,) = (feature for feature in inputs if feature.name == name_of(entity, dtype))
    kind = KINDS[dtype]
    vocabulary = feature.name if kind in ("category", "ids") else ""
    dim = {"ids": 20, "vector": 3}.get(kind, 0)
    assert feature == Feature(feature.name, f"{entity}_profile", entity, kind, vocabulary, dim)  # type: ignore[arg-type]
    table = taught.interactions if entity == "user" else taught.catalogue
    embed = taught.towers.users if entity == "user" else taught.towers.items
    place, column = table.column_names.index(feature.name), table.column(feature.name)
    values = [value for value in {repr(value): value for value in column.to_pylist()}.values() if value is not None]
    assert len(values) == 2
    tables = [table.slice(0, 5).set_column(place, feature.name, pa.array([value] * 5, column.type)) for value in values]
    first, second = (embed(table) for table in tables)
    assert np.abs(first - second).max(axis=1).min() > 1e-6


@pytest.mark.parametrize("entity", ["user", "item"])
def test_one_row_is_embedded_as_among_others(taught: Taught, entity: str) -> None:
    """With features of every type a row alone, as the server asks for it, has the vector that it has in a batch."""
    table = taught.interactions if entity == "user" else taught.catalogue
    embed = taught.towers.users if entity == "user" else taught.towers.items
    np.testing.assert_allclose(embed(table.slice(9, 1)), embed(table)[9:10], atol=1e-5)


def test_every_type_is_covered() -> None:
    """The types above are every default that a type has, lists of like types counted once."""
    assert set(KINDS.values()) == set(DEFAULTS.values())


def test_the_shipped_schema(read_only: World) -> None:
    """The shipped services give the towers these inputs, the keys first; titles are shown and not learnt from."""
    schema = read_only.features.schema()
    kinds = {
        feature.name: (feature.kind, feature.dim, feature.ttl, feature.vocabulary) for feature in (*schema.user, *schema.item)
    }
    year = 365 * 86_400
    assert kinds == {
        "user_id": ("id", 0, 0, "user_id"),
        "age": ("number", 0, 0, ""),
        "gender": ("category", 0, 0, "gender"),
        "occupation": ("category", 0, 0, "occupation"),
        "recent_items": ("history", 20, year, "item_id"),
        "user_events": ("count", 0, year, ""),
        "user_events_7d": ("count", 0, year, ""),
        "user_value_mean_28d": ("number", 0, year, ""),
        "user_value_deviation": ("number", 0, year, ""),
        "item_id": ("id", 0, 0, "item_id"),
        "genres": ("ids", 20, 0, "genres"),
        "release_date": ("number", 0, 0, ""),
        "item_events": ("count", 0, 0, ""),
        "item_events_28d": ("count", 0, 0, ""),
        "item_value_mean": ("number", 0, 0, ""),
    }
    assert (schema.project, schema.display, schema.filters) == ("ratoon", ("title",), ("genres", "release_date"))
    references = service_references(read_only.features.repository, "item_tower")
    assert references[:3] == ["item_profile:title", "item_profile:genres", "item_profile:release_date"]


def schema_of(folder: Path, *fields: str, file: str = "items.py", marker: str = ITEM_FIELD) -> TowerSchema:
    """The schema of a repository with more fields in `item_profile`."""
    more = "".join(f"Field({field}),\n        " for field in fields)
    return tower_schema(FeastRepository(extended(folder, marker, file, more), folder / "home"), "user_tower", "item_tower")


def test_tags_override_the_type(tmp_path: Path) -> None:
    """Tags choose the encoder, the length and the role; with both an encoder and a role a feature is learnt from as well."""
    schema = schema_of(
        tmp_path,
        'name="price", dtype=types.Float32, tags={"ratoon.role": "filter"}',
        'name="brand", dtype=types.String, tags={"ratoon.role": "filter", "ratoon.encoder": "category"}',
        'name="sold", dtype=types.Int64, tags={"ratoon.encoder": "count"}',
        'name="grade", dtype=types.Int64, tags={"ratoon.encoder": "category"}',
        'name="parts", dtype=types.Array(types.String), tags={"ratoon.dim": "3"}',
        'name="picture", dtype=types.Array(types.Float32), tags={"ratoon.dim": "4"}',
        'name="likes", dtype=types.Array(types.String), tags={"ratoon.encoder": "history", "ratoon.dim": "5"}',
        'name="next_to", dtype=types.Array(types.String), tags={"ratoon.encoder": "attention"}',
        'name="plot", dtype=types.String, tags={"ratoon.encoder": "text"}',
        (
            'name="slogan", dtype=types.String, '
            'tags={"ratoon.encoder": "text", "ratoon.dim": "9", "ratoon.buckets": "512", "ratoon.ngram": "4"}'
        ),
    )
    found = {
        feature.name: (feature.kind, feature.dim, feature.vocabulary) for feature in schema.item if feature.view == "item_profile"
    }
    assert found == {
        "brand": ("category", 0, "brand"),
        "sold": ("count", 0, ""),
        "grade": ("category", 0, "grade"),
        "parts": ("ids", 3, "parts"),
        "picture": ("vector", 4, ""),
        "likes": ("history", 5, "item_id"),
        "next_to": ("attention", 20, "item_id"),
        "plot": ("text", 64, "plot"),
        "slogan": ("text", 9, "slogan"),
        "genres": ("ids", 20, "genres"),
        "release_date": ("number", 0, ""),
    }
    assert (schema.display, schema.filters) == (("title",), ("price", "brand", "genres", "release_date"))
    hashing = {feature.name: (feature.buckets, feature.ngram) for feature in schema.item if feature.buckets or feature.ngram}
    assert hashing == {"plot": (16_384, 3), "slogan": (512, 4)}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (
            'name="x", dtype=types.String, tags={"ratoon.role": "shown"}',
            "tag ratoon.role of feature 'x': expected one of display, filter, found 'shown'. Correct the tag in feature_repo/.",
        ),
        (
            'name="x", dtype=types.String, tags={"ratoon.encoder": "id"}',
            (
                "tag ratoon.encoder of feature 'x': expected one of category, number, count, text, ids, history, attention, "
                "vector, found 'id'. Correct the tag in feature_repo/."
            ),
        ),
        (
            'name="x", dtype=types.Bytes',
            (
                f"dtype of feature 'x' in view 'item_profile': expected one a tower can read: {', '.join(DEFAULTS)}, found "
                "BYTES. Change it, or give the field the tag ratoon.role = display."
            ),
        ),
        (
            'name="x", dtype=types.Array(types.Float32)',
            (
                "length of vector feature 'x' in view 'item_profile': expected a whole number above 0 in "
                "Field(vector_length=...) or the tag ratoon.dim, found ''. State how many numbers each vector has."
            ),
        ),
        (
            'name="x", dtype=types.Array(types.String), tags={"ratoon.dim": "0"}',
            (
                "length of list feature 'x' in view 'item_profile': expected a whole number above 0 in the tag ratoon.dim, found "
                "'0'. State how many entries of each list a tower looks at."
            ),
        ),
        (
            'name="age", dtype=types.Int64',
            (
                "feature 'age': expected a name used once in both services, found it in views 'user_profile' and 'item_profile'. "
                "Rename one of them."
            ),
        ),
    ],
)
def test_a_feature_no_tower_can_read_is_refused(tmp_path: Path, field: str, message: str) -> None:
    """Wrong tags, types without an encoder, vectors without a length and names used twice are refused by name."""
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        schema_of(tmp_path, field)


def test_a_role_saves_a_type_no_tower_can_read(tmp_path: Path) -> None:
    """A feature that is only shown may have any type."""
    schema = schema_of(tmp_path, 'name="picture", dtype=types.Bytes, tags={"ratoon.role": "display"}')
    assert schema.display == ("picture", "title")


def test_a_service_of_the_other_entity_is_refused(read_only: World) -> None:
    """A user service that holds views of items is refused with the view."""
    message = (
        "feature service 'item_tower': expected views of the entity user only, found view 'item_profile' of item. "
        "Move that view to the other service."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        tower_schema(read_only.features.repository, "item_tower", "item_tower")


def test_a_user_view_must_be_online(tmp_path: Path) -> None:
    """A user service over a view that is not served online is refused: the server could not see what training saw."""
    offline = [("source=user_profile_source,\n    online=True", "source=user_profile_source,\n    online=False")]
    repository = FeastRepository(repo_copy(tmp_path, {"users.py": offline}), tmp_path / "home")
    message = (
        "feature view 'user_profile': expected online=True, as users are embedded when they ask, found online=False. "
        "Set it in feature_repo/, or take the view out of the service."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        tower_schema(repository, "user_tower", "item_tower")


def test_an_unknown_service_is_refused(read_only: World) -> None:
    """A service that is not defined is refused with those that are."""
    with pytest.raises(
        DataError, match="^feature service 'nope': expected a FeatureService of this name .*, found item_tower, user_tower"
    ):
        tower_schema(read_only.features.repository, "nope", "item_tower")
