"""What the towers of a world read: two views of users and one of items, and the users' rows in the online store."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.bench.serving.crowd import CATEGORIES, DIM, user_ids
from ratoon.domain.embedding import Vectors
from ratoon.domain.schema import ITEM_TABLE, Feature, TowerSchema
from ratoon.features import views
from ratoon.features.online.keys import text_keys
from ratoon.features.online.layout import Layout
from ratoon.features.online.opening import Place
from ratoon.features.online.pack import Packed, pack
from ratoon.features.online.store import APPLIED, Batch, RowStore
from ratoon.features.views import View, ViewField

PROJECT = "bench"
RECENT, COUNTRIES = 20, 30
YEAR = 365 * 86_400
CHUNK = 20_000
TICK = 1
"""Microseconds after its event from which on a row is valid."""

FEATURES = (
    (Feature("taste", "user_profile", "user", "vector", dim=DIM), "FLOAT_LIST"),
    (Feature("age", "user_profile", "user", "number"), "DOUBLE"),
    (Feature("country", "user_profile", "user", "category", "country"), "STRING"),
    (Feature("recent_items", "user_activity", "user", "history", ITEM_TABLE, RECENT, YEAR), "STRING_LIST"),
    (Feature("portrait", "item_profile", "item", "vector", dim=DIM), "FLOAT_LIST"),
    (Feature("item_id", "", "item", "id", ITEM_TABLE), "STRING"),
    (Feature("category", "item_profile", "item", "category", "category"), "STRING"),
    (Feature("price", "item_profile", "item", "number"), "DOUBLE"),
)
"""Every tower input with Feast's type of it. `taste` and `portrait` are what the towers pass through."""

SCHEMA = TowerSchema(
    PROJECT,
    tuple(feature for feature, _ in FEATURES if feature.entity == "user"),
    tuple(feature for feature, _ in FEATURES if feature.entity == "item"),
    display=("title",),
    filters=("category", "price"),
)

FOLDS = {"recent_items": f"last(item_id, {RECENT})"}
COUNTRY_NAMES = [f"country {number}" for number in range(COUNTRIES)]
CATEGORY_NAMES = [f"category {number}" for number in range(CATEGORIES)]


def views_of(folder: Path) -> tuple[View, ...]:
    """The views, as a repository that was applied in `folder` leaves them."""
    return (_view(folder, "user_profile"), _view(folder, "user_activity"), _view(folder, "item_profile"))


def _view(folder: Path, name: str) -> View:
    own = [(feature, dtype) for feature, dtype in FEATURES if feature.view == name]
    fields = [ViewField(feature.name, dtype, FOLDS.get(feature.name, "")) for feature, dtype in own]
    entity = own[0][0].entity
    if entity == "item":
        fields.append(ViewField("title", "STRING"))
    origin = "interaction" if name == "user_activity" else entity
    path = str(folder / name / "*.parquet")
    return View(PROJECT, name, entity, origin, path, "event_timestamp", tuple(fields), entity == "user", "created_timestamp")


def apply(folder: Path) -> None:
    """Leave in `folder` what the server reads of an applied repository."""
    folder.mkdir(parents=True, exist_ok=True)
    views.save(folder / "views.json", views_of(folder))
    Place("sqlite", str(folder / "online.db"), PROJECT).save(folder / "online.json")


def fill(folder: Path, tastes: Vectors, seen: npt.NDArray[np.int64], last: npt.NDArray[np.int64], end: int) -> None:
    """Bring every user's row into the online store.

    Args:
        folder: see `apply`.
        tastes: shape (users, DIM).
        seen: the items of each user, newest last; shape (users, n).
        last: when each user had the newest, microseconds since 1970; shape (users,).
        end: the log's end, up to which the views are materialised.
    """
    random, store = np.random.default_rng(21), Place.load(folder / "online.json").open()
    profile, activity, _ = views_of(folder)
    store.prepare([profile.name, activity.name])
    for first in range(0, len(tastes), CHUNK):
        part = slice(first, first + CHUNK)
        rows = np.arange(first, first + len(tastes[part]))
        said = {
            "taste": _lists(pa.array(tastes[part].reshape(-1)), DIM),
            "age": pa.array(random.uniform(18, 80, len(rows))),
            "country": pa.array(COUNTRY_NAMES).take(pa.array(random.integers(0, COUNTRIES, len(rows)))),
        }
        _write(store, profile, rows, said, last[part])
        newest = [f"i{item}" for item in seen[part, -RECENT:].reshape(-1).tolist()]
        _write(store, activity, rows, {"recent_items": _lists(pa.array(newest), RECENT)}, last[part])
    store.write([], {APPLIED: {view.edition: str(end) for view in (profile, activity)}})
    store.close()


def _write(
    store: RowStore, view: View, users: npt.NDArray[np.int64], said: dict[str, pa.Array], last: npt.NDArray[np.int64]
) -> None:
    layout, moments = Layout.of(view.fields), last + TICK
    columns = pa.table({field.name: said[field.name].cast(field.arrow) for field in view.fields})
    keys = text_keys(view.key, user_ids(users))
    store.write([Batch(view.name, layout, Packed(keys, pack(layout, columns, moments, moments), moments, moments))])


def _lists(values: pa.Array, length: int) -> pa.Array:
    return pa.ListArray.from_arrays(np.arange(0, len(values) + 1, length, dtype=np.int32), values)
