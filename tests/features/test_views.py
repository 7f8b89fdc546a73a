"""What a process without Feast knows of the views is what was written down for it."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from ratoon.domain.errors import StoreError
from ratoon.domain.event import TIME
from ratoon.features.views import ARROW_TYPES, View, ViewField, load, save
from tests.features.worlds import ROOT

ACTIVITY = View(
    "shop",
    "activity",
    "user",
    "interaction",
    "/home/features/activity/*.parquet",
    "event_timestamp",
    (ViewField("events", "INT64", "count"), ViewField("recent", "STRING_LIST", "last(item_id, 3)")),
)
PRICES = View("shop", "prices", "item", "foreign", "/data/prices/2024-*.parquet", "at", (ViewField("price", "FLOAT"),))


def test_load_is_the_inverse_of_save(tmp_path: Path) -> None:
    """Views come back equal, in order."""
    save(tmp_path / "views.json", [ACTIVITY, PRICES])
    assert load(tmp_path / "views.json") == (ACTIVITY, PRICES)


def test_views_move_with_their_folder(tmp_path: Path) -> None:
    """Rows that lay in the folder are looked for where the folder is now; what lies elsewhere stays where it is."""
    here, there = tmp_path / "here", tmp_path / "there"
    save(here / "views.json", [replace(ACTIVITY, path=str(here / "activity" / "*.parquet")), PRICES])
    here.rename(there)
    assert [view.path for view in load(there / "views.json")] == [str(there / "activity" / "*.parquet"), PRICES.path]


def test_views_of_an_unapplied_repository_are_refused(tmp_path: Path) -> None:
    """Without the file the error names it and the commands that make it."""
    message = (
        f"{tmp_path / 'views.json'}: expected the views of an applied feature repository, found no such file. "
        "Run `ratoon bootstrap` or `ratoon ingest` first."
    )
    with pytest.raises(StoreError, match=f"^{re.escape(message)}$"):
        load(tmp_path / "views.json")


def test_a_view_says_where_its_rows_and_values_are() -> None:
    """Key, folder and online table follow from the entity, the path and the project."""
    assert (ACTIVITY.key, PRICES.key) == ("user_id", "item_id")
    assert PRICES.folder == Path("/data/prices")
    assert ACTIVITY.table == "shop_activity"


def test_a_views_file_has_the_key_the_features_and_two_times() -> None:
    """The Parquet columns of a view are its key, its features by their types, and when a row is valid and arrived."""
    fields = [("user_id", pa.string()), ("events", pa.int64()), ("recent", pa.list_(pa.string()))]
    assert ACTIVITY.arrow_schema == pa.schema([*fields, ("event_timestamp", TIME), ("created_timestamp", TIME)])


def test_every_type_has_a_list() -> None:
    """For each scalar type there is the list of it."""
    scalars = [name for name in ARROW_TYPES if not name.endswith("_LIST")]
    assert {f"{name}_LIST": pa.list_(ARROW_TYPES[name]) for name in scalars}.items() <= ARROW_TYPES.items()


def test_online_reads_do_not_import_feast() -> None:
    """A process that reads features online has neither Feast nor pandas in memory."""
    script = (
        "import sys; import ratoon.features.online; sys.exit(bool({'feast', 'pandas', 'duckdb', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT / "platform", check=False).returncode == 0
