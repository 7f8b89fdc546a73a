"""A changed feature repository: what is said of it beforehand, what is refused, and what the next refresh makes of it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from ratoon.cli.app import app
from ratoon.config import CONFIG
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.event import TIME
from ratoon.domain.report import RefreshReport
from ratoon.domain.schema import TowerSchema
from ratoon.features.online.keys import text_keys
from ratoon.refresh import refresh
from ratoon.wiring import House

OCCUPATION = '        Field(name="occupation", dtype=String, description="As the user stated it."),\n'


def edited(house: House, file: str, *texts: str) -> None:
    """Replace texts in a file of the house's repository: old, new, old, new."""
    path = house.settings.paths.feature_repo / file
    text = path.read_text()
    for old, new in zip(texts[::2], texts[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def run(house: House) -> RefreshReport:
    return refresh(house.workshop("default"), house.stopwatch())


@pytest.fixture
def ratoon(house: House, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line, in the house."""
    monkeypatch.setenv(CONFIG, str(house.home.parent / "ratoon.toml"))
    monkeypatch.delenv("RATOON_HOME", raising=False)
    monkeypatch.setattr("ratoon.cli.screen.out.width", 200)
    return CliRunner()


def test_a_dropped_feature_is_refused(house: House) -> None:
    """A feature that a release reads is not dropped in passing: nothing is applied; the release and the ways out are named."""
    edited(house, "users.py", OCCUPATION, "")
    current = house.registry("default").current()
    assert current is not None
    before = (house.home / "features" / "views.json").read_bytes()
    message = (
        "^feature_repo/: expected every feature that a retained release reads, "
        rf"found 'occupation' of view 'user_profile': taken out, but read by default 1 \({current.id[:12]}, current\). "
        "Put it back. .*`ratoon plan --apply --allow-drop`"
    )
    with pytest.raises(DataError, match=message):
        run(house)
    assert (house.home / "features" / "views.json").read_bytes() == before
    (evolution,) = house.evolutions()
    assert [drop.feature for drop in evolution.dropped] == ["occupation"]
    assert evolution.plan.scope == "full"


def test_an_allowed_drop_is_missing_for_the_parent(house: House) -> None:
    """After a drop was allowed once, refreshes run: the plan is full, and the parent is judged without the feature."""
    edited(house, "users.py", OCCUPATION, "")
    assert house.apply(allow_drop=True)
    report = run(house)
    assert report.plan.reason == "the feature services changed since the current release"
    assert report.verdict is not None
    assert set(report.verdict.slices) == {"new", "old", "past", "taste", "weights"}


def test_a_feature_left_out_of_its_service_is_no_drop(house: House) -> None:
    """Out of the service but still in its view, a feature may go: the old release finds it, the next one does without."""
    kept = '[["age", "gender"]]'
    edited(house, "services.py", "[user_profile, user_activity]", f"[user_profile{kept}, user_activity]")
    (evolution,) = house.evolutions()
    assert [(change.feature, change.kind) for change in evolution.changes] == [("occupation", "left out")]
    assert (evolution.dropped, evolution.backfills, evolution.plan.scope) == ((), (), "full")
    assert run(house).plan.scope == "full"
    edited(house, "users.py", OCCUPATION, "")
    with pytest.raises(DataError, match=r"read by default 1 \([0-9a-f]{12}\)\. .* `ratoon releases --surface default --forget "):
        run(house)
    (old,) = house.registry("default").releases()[1:]
    house.registry("default").forget(old.id)
    assert house.apply(allow_drop=False)


def test_a_column_only_shown_reaches_the_index(house: House) -> None:
    """A display column added to the item service is in every answer after the next refresh, which learns as usual."""
    run(house)
    edited(house, "items.py", '"ratoon.role": "display"', '"ratoon.role": "filter"')
    (evolution,) = house.evolutions()
    assert [(change.feature, change.kind, change.detail) for change in evolution.changes] == [
        ("title", "shown", "filter, before: display")
    ]
    assert evolution.plan.scope == "rows"
    marker = '        Field(\n            name="genres"'
    added = '        Field(name="subtitle", dtype=String, tags={"ratoon.role": "display"}),\n'
    edited(house, "items.py", marker, added + marker)
    report = run(house)
    assert (report.outcome, report.plan.scope) == ("published", "rows")
    assert set(report.plan.writable) == set(house.log.catalogue(house.log.end()))
    release = house.registry("default").current()
    assert release is not None
    index = house.indexes.load(house.registry("default").load(release))
    assert all(set(row) == {"title", "subtitle", "genres", "release_date"} for row in index.columns(index.ids()).values())
    assert run(house).outcome == "skipped"


def test_an_added_input_is_learnt_on_top(house: House) -> None:
    """A new feature gives a dense plan, shown beforehand with its backfill and published with the whole catalogue."""
    marker = '        Field(\n            name="recent_items",'
    added = '        Field(name="last_type", dtype=String, tags={"ratoon.aggregate": "last(type)"}),\n'
    edited(house, "users.py", marker, added + marker)
    (evolution,) = house.evolutions()
    assert [(change.feature, change.kind) for change in evolution.changes] == [("last_type", "new")]
    assert [(part.view, part.events) for part in evolution.backfills] == [("user_activity", house.log.end())]
    (user, item) = evolution.services
    assert (user.old == user.new, item.old == item.new) == (False, True)
    report = run(house)
    assert (evolution.plan.reason, evolution.plan.scope) == (report.plan.reason, "dense")
    assert (report.outcome, report.plan.scope) == ("published", "dense")
    release = house.registry("default").current()
    assert release is not None
    files = house.registry("default").load(release)
    assert "last_type" in {feature.name for feature in TowerSchema.from_json(files["schema.json"].decode()).user}
    assert set(house.indexes.load(files).ids()) == set(house.log.catalogue(house.log.end()))
    assert run(house).outcome == "skipped"


def test_the_command_says_what_a_change_means(house: House, ratoon: CliRunner) -> None:
    """`ratoon plan` shows features, hashes, backfills and scope without applying; a refused drop is an error after the table."""
    before = (house.home / "features" / "views.json").read_bytes()
    (unchanged,) = json.loads(ratoon.invoke(app, ["plan", "--json"]).stdout)
    assert (unchanged["plan"]["scope"], unchanged["changes"], unchanged["dropped"]) == ("skip", [], [])
    edited(house, "users.py", "count(7d)", "count(8d)", OCCUPATION, "")
    said = ratoon.invoke(app, ["plan"])
    assert isinstance(said.exception, DataError)
    for text in ("default: the next refresh is full", "service user_tower: ", "fold 'count(7d)' -> 'count(8d)'", "left out"):
        assert text in said.stdout
    assert "dropped occupation of user_profile: taken out, but read by default 1 (" in said.stdout
    (found,) = json.loads(ratoon.invoke(app, ["plan", "--json"]).stdout)
    assert [one["sequence"] for one in found["dropped"][0]["needed_by"]] == [1]
    assert (house.home / "features" / "views.json").read_bytes() == before
    assert isinstance(ratoon.invoke(app, ["plan", "--apply"]).exception, DataError)
    assert (house.home / "features" / "views.json").read_bytes() == before
    assert isinstance(ratoon.invoke(app, ["plan", "--allow-drop"]).exception, UsageError)
    assert ratoon.invoke(app, ["plan", "--apply", "--allow-drop"]).exit_code == 0
    assert b"occupation" not in (house.home / "features" / "views.json").read_bytes()
    assert ratoon.invoke(app, ["plan"]).exit_code == 0


def test_parity_speaks_and_fails(house: House, ratoon: CliRunner) -> None:
    """`ratoon parity` finds nothing once all is materialised, and is an error when the online store lost its rows."""
    house.features("default").ingest()
    house.features("default").materialize()
    agreed = ratoon.invoke(app, ["parity", "-n", "20", "--json"])
    assert agreed.exit_code == 0, agreed.output
    assert json.loads(agreed.stdout)["differences"] == []
    store = house.features("default").repository.place.open()
    users = house.log.read(0).column("user_id").drop_null().unique().to_pylist()
    store.forget(text_keys("user_id", users))
    store.close()
    lost = ratoon.invoke(app, ["parity", "-n", "5"])
    assert isinstance(lost.exception, DataError)
    assert str(lost.exception).startswith("parity: expected the same values offline and online, found ")
    assert "occupation" in lost.stdout


def test_releases_can_be_forgotten(house: House, ratoon: CliRunner) -> None:
    """`ratoon releases --forget` deletes old releases and lists those that are left."""
    run(house)
    first = house.registry("default").releases()[-1]
    told = ratoon.invoke(app, ["releases", "--forget", first.id[:10], "--json"])
    assert told.exit_code == 0, told.output
    left = json.loads(told.stdout)
    assert [one["sequence"] for one in left] == [2]


PRICES = """
item_prices = FeatureView(
    name="item_prices", entities=[item], ttl=timedelta(0),
    schema=[Field(name="item_id", dtype=String), Field(name="price", dtype=Float32)],
    source=__import__("feast").FileSource(name="prices", path="../var/prices/*.parquet", timestamp_field="event_timestamp"),
)
"""


def test_files_of_others_are_looked_at_before_anything_is_applied(house: House, ratoon: CliRunner) -> None:
    """A field that no file has and a file cut short are named by `plan`, and the latter by `parity` and, at the end, by `status`.

    A column that only an older file lacks is none that is missing.
    """
    items = house.settings.paths.feature_repo / "items.py"
    items.write_text(items.read_text() + PRICES)
    folder = house.home / "prices"
    folder.mkdir()
    rows = pa.table({"item_id": ["i1"], "event_timestamp": pa.array([0], TIME)})
    pq.write_table(rows, folder / "a.parquet")
    applied = (house.home / "features" / "views.json").read_bytes()
    lacking = ratoon.invoke(app, ["plan", "--apply"])
    assert "no column price of item_prices in any of its 1 files" in lacking.stdout
    assert isinstance(lacking.exception, DataError)
    assert str(lacking.exception) == (
        f"feature_repo/: expected fields that the views' files have, found no column 'price' of view 'item_prices' in "
        f"{folder / 'a.parquet'}. Correct the field's name in feature_repo/, or have the files written with it first."
    )
    assert (house.home / "features" / "views.json").read_bytes() == applied
    pq.write_table(rows.append_column("price", pa.array([1.0], pa.float32())), folder / "b.parquet")
    (found,) = json.loads(ratoon.invoke(app, ["plan", "--json"]).stdout)
    assert (found["missing"], found["backfills"]) == ([], [{"view": "item_prices", "events": 0, "rows": 2}])

    (folder / "a.parquet").unlink()
    assert ratoon.invoke(app, ["plan", "--apply"]).exit_code == 0
    (folder / "c.parquet").write_bytes(b"PAR1 and no more")
    named = f"file {folder / 'c.parquet'} of view 'item_prices': expected a whole Parquet file"
    for command in (["parity", "-n", "5"], ["status"], ["status", "--json"]):
        failed = ratoon.invoke(app, command)
        assert isinstance(failed.exception, DataError), failed.output
        assert named in str(failed.exception)
    assert json.loads(failed.stdout)["surfaces"][0]["surface"] == "default"
    (house.home / "features" / "views.json").unlink()
    assert named in str(ratoon.invoke(app, ["plan"]).exception)
