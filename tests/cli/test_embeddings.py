"""`ratoon publish-embeddings` over a real home, and what Feast then answers."""

import json
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from ratoon import config
from ratoon.cli.app import app
from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import DataError, UsageError
from ratoon.domain.release import Release
from ratoon.domain.schema import TowerSchema
from ratoon.features.repository import FeastRepository
from ratoon.features.vectors.definition import vector_view
from ratoon.features.views import load
from ratoon.refresh import refresh
from ratoon.towers import open_towers
from ratoon.wiring import House
from tests.fakes.events import batch, event
from tests.features.worlds import REPO, repo_copy

US = timedelta(microseconds=1)


@pytest.fixture
def here(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """The house, in which commands run."""
    monkeypatch.setenv(config.CONFIG, str(house.home.parent / "ratoon.toml"))
    monkeypatch.delenv(config.HOME, raising=False)
    return house


def ratoon(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["publish-embeddings", *arguments])


def publish(*arguments: str) -> list[dict[str, Any]]:
    done = ratoon(*arguments, "--json")
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def refreshed(house: House, scope: Any = None) -> Release:
    assert refresh(house.workshop("default"), house.stopwatch(), scope).outcome == "published"
    return house.registry("default").get(None)


def index_of(house: House, release: Release) -> dict[str, list[float]]:
    """Item -> vector, as the release's index holds it."""
    index = house.indexes.load(house.registry("default").load(release))
    return dict(zip(index.ids(), index.vectors(index.ids()).tolist(), strict=True))


def joined(house: House, ids: Sequence[str], moment: datetime, space: str, entity: str = "item") -> dict[str, list[float] | None]:
    """What Feast's own historical join gives: key -> vector."""
    key = f"{entity}_id"
    rows = pd.DataFrame({key: list(ids), "space": space, "event_timestamp": moment})
    job = house.features("default").repository.store.get_historical_features(rows, [f"{entity}_vectors:vector"])
    table = job.to_arrow()
    return dict(zip(table.column(key).to_pylist(), table.column("vector").to_pylist(), strict=True))


def test_a_join_gives_the_vectors_that_were_served(here: House) -> None:
    """Across two `rows` refreshes and a removed item every join returns, bit for bit, what the index served at that moment.

    The space is one; a new item is null before it was served, and the removed one after it was taken out.
    """
    first = here.registry("default").get(None)
    (one,) = publish()
    gone = sorted(index_of(here, first))[0]
    here.log.append(batch(event("gone", kind="remove", user_id=None, item_id=gone, event_timestamp=here.log.now())))
    second = refreshed(here)
    (two,) = publish()
    assert (second.scope, one["space"], two["ended"]) == ("rows", two["space"], 1)
    assert 0 < two["rows"] < len(index_of(here, second))
    before, after = index_of(here, first), index_of(here, second)
    assert gone not in after
    every, space = sorted({*before, *after}), first.vector_space
    assert first.published is not None
    assert second.published is not None
    assert joined(here, every, first.published - US, space) == dict.fromkeys(every)
    assert joined(here, every, first.published, space) == {item: before.get(item) for item in every}
    assert joined(here, every, second.published - US, space) == {item: before.get(item) for item in every}
    assert joined(here, every, second.published, space) == {item: after.get(item) for item in every}
    assert set(joined(here, every, second.published, "another").values()) == {None}


def test_a_new_space_lies_beside_the_old_one(here: House) -> None:
    """A model learnt anew is in a space of its own: both can be asked for until one is retired; a rollback returns."""
    first = here.registry("default").get(None)
    publish()
    second = refreshed(here, "full")
    publish()
    assert first.vector_space != second.vector_space
    assert second.published is not None
    before, after = index_of(here, first), index_of(here, second)
    both = sorted(before.keys() & after.keys())
    for space, vectors in ((first.vector_space, before), (second.vector_space, after)):
        assert joined(here, both, second.published, space) == {item: vectors[item] for item in both}

    served = ratoon("--retire", second.vector_space).exception
    assert isinstance(served, UsageError)
    assert str(served).startswith(
        f"--retire: expected a space that is published and no longer served: {first.vector_space}, "
        f"found '{second.vector_space}', which the current release is in. "
    )
    assert (
        f"item_vectors: space {first.vector_space} ended, {len(before)} vectors, from "
        in ratoon("--retire", first.vector_space).stdout
    )
    assert set(joined(here, both, second.published + timedelta(days=1), first.vector_space).values()) == {None}
    assert joined(here, both, second.published, first.vector_space) == {item: before[item] for item in both}

    back = here.registry("default").rollback(None, "worse")
    (revived,) = publish()
    assert (back.vector_space, revived["rows"]) == (first.vector_space, len(before))
    assert back.published is not None
    assert back.published > second.published


def test_users_are_what_the_tower_gave(here: House) -> None:
    """With --users everybody with an event has the vector of their features as of the release, and a later event changes none."""
    release = here.registry("default").get(None)
    items, users = publish("--users")
    assert (items["view"], users["view"]) == ("item_vectors", "user_vectors")
    assert release.published is not None
    there = here.log.read(0, release.window.end).column("user_id").drop_null().unique().to_pylist()
    assert users["rows"] == len(there)
    files = here.registry("default").load(release)
    schema, towers = TowerSchema.from_json(files["schema.json"].decode()), open_towers(files)
    here.features("default").materialize()
    idle = sorted(set(there) - set(here.log.read(release.window.end).column("user_id").to_pylist()))[:20]
    assert idle
    wanted: Vectors = towers.users(here.online().users(idle, schema))
    found = joined(here, idle, release.published, release.vector_space, "user")
    np.testing.assert_allclose(np.array([found[user] for user in idle]), wanted, atol=1e-6)
    assert [one["file"] for one in publish("--users")] == ["", ""]


def test_what_is_said(here: House) -> None:
    """Text names view, release, space and counts; a second run says that it is there; an unknown release is a usage error."""
    release = here.registry("default").get(None)
    count, moment = len(index_of(here, release)), f"{release.published:%Y-%m-%d %H:%M:%S}"
    about = f"item_vectors: release {release.id[:12]} in space {release.vector_space}, from {moment} on: "
    assert ratoon().stdout == f"{about}{count} vectors, 0 ended, 0 as before\n"
    assert ratoon("--release", release.id[:8]).stdout == f"{about}published already\n"
    unknown = ratoon("--release", "nothing").exception
    assert isinstance(unknown, UsageError)
    assert str(unknown).startswith("release: expected the id of one published release")
    alone = ratoon("--retire", "s", "--users").exception
    assert isinstance(alone, UsageError)
    assert str(alone).startswith("--retire: expected it alone, or with --surface, found --users or --release")
    missing = ratoon("--retire", "s").exception
    assert isinstance(missing, UsageError)
    assert str(missing).startswith("--retire: expected a space that is published and no longer served: there is none, found 's'.")


def test_publishing_is_no_change_to_refresh_for(here: House) -> None:
    """Vectors are in no list of views that anything but Feast reads; after publishing, a refresh has nothing to do."""
    refreshed(here)
    publish("--users")
    assert refresh(here.workshop("default"), here.stopwatch()).outcome == "skipped"
    names = {view.name for view in load(here.home / "features" / "views.json")}
    assert names == {"item_popularity", "item_profile", "user_activity", "user_profile"}
    assert {one.view for one in here.features("default").materialize()} == names
    assert here.parity(50, 0).differences == ()
    registered = {view.name for view in here.features("default").repository.store.list_feature_views()}
    assert registered == {*names, "item_vectors", "user_vectors"}


def test_a_release_that_does_not_say_when(here: House) -> None:
    """A manifest from before releases said since when they are served is refused, and nothing is written."""
    release = here.registry("default").get(None)
    manifest = here.home / "releases" / "default" / f"000001-{release.id[:12]}" / "manifest.json"
    raw = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({name: value for name, value in raw.items() if name not in ("published", "space")}))
    failed = ratoon().exception
    assert isinstance(failed, DataError)
    assert str(failed).startswith(
        f"release {release.id[:12]} of surface 'default': expected a manifest that says from when on it"
    )
    assert not (here.home / "features" / "item_vectors").exists()


WRONG = {
    "other features": ('Field(name="release"', 'Field(name="model"', "'item_vectors': expected the features vector: Array"),
    "one file": (
        "{name}/*.parquet",
        "{name}.parquet",
        r"expected a FileSource of all Parquet files in a folder .*item_vectors\.parquet",
    ),
    "other times": ('timestamp_field="event_timestamp"', 'timestamp_field="at"', "expected the times event_timestamp and"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_view_that_cannot_be_written_to(tmp_path: Path, wrong: str) -> None:
    """A view of another shape than vectors are written in is named with what was expected."""
    old, new, message = WRONG[wrong]
    repository = FeastRepository(repo_copy(tmp_path, {"vectors.py": [(old, new)]}), tmp_path / "home")
    with pytest.raises(DataError, match=message):
        vector_view(repository, "item")


def test_a_repository_without_vectors_needs_none(tmp_path: Path) -> None:
    """Without vectors.py everything else is applied as ever; asking for its view says what to copy."""
    repo = tmp_path / "feature_repo"
    shutil.copytree(REPO, repo, ignore=shutil.ignore_patterns("__pycache__", "vectors.py"))
    repository = FeastRepository(repo, tmp_path / "home")
    assert repository.apply()
    with pytest.raises(DataError, match=r"found none\. Copy vectors\.py from Ratoon's own feature_repo/\."):
        vector_view(repository, "user")
