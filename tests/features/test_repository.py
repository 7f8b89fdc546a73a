"""One plain Feast repository, applied when it changed, usable by `feast` by hand as well."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from feast import FileSource

from ratoon.domain.errors import DataError, StoreError, UsageError
from ratoon.features.repository import FeastRepository
from ratoon.features.views import load
from tests.fakes.events import at, batch, event
from tests.features.worlds import REPO, ROOT, World, opened, repo_copy, world


def paths(repository: FeastRepository) -> list[str]:
    """Where the registry's sources lie."""
    return [source.path for source in repository.store.list_data_sources() if isinstance(source, FileSource)]


def stamps(home: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (home / "features").iterdir() if path.suffix != ".db-shm"}


def test_applying_twice_does_nothing_twice(tmp_path: Path) -> None:
    """The first `apply` does something; the second, and that of another process's object, touch no file."""
    repository = FeastRepository(REPO, tmp_path)
    assert repository.apply()
    before = stamps(tmp_path)
    assert not repository.apply()
    assert not FeastRepository(REPO, tmp_path).apply()
    assert stamps(tmp_path) == before


def test_a_changed_file_is_applied(tmp_path: Path) -> None:
    """After a change to any of the repository's files `apply` does its work again."""
    repo = repo_copy(tmp_path)
    FeastRepository(repo, tmp_path / "home").apply()
    (repo / "items.py").write_text((repo / "items.py").read_text().replace("When it came out.", "Its first day."))
    repository = FeastRepository(repo, tmp_path / "home")
    assert repository.apply()
    (field,) = (field for field in repository.feature_view("item_profile").features if field.name == "release_date")
    assert field.description == "Its first day."


def test_what_another_process_applied_is_joined(tmp_path: Path) -> None:
    """A view's side of a join is remembered, and asked for again once the files are others, whoever applied them."""
    repo = repo_copy(tmp_path)
    one, other = (FeastRepository(repo, tmp_path / "var") for _ in range(2))
    one.apply()
    named = (("age", "a"),)
    before = one.side("user_profile", named)
    assert one.side("user_profile", named) is before
    users = repo / "users.py"
    head, view, tail = users.read_text().partition('name="user_profile"')
    users.write_text(head + view + tail.replace("ttl=timedelta(0)", "ttl=timedelta(days=3)", 1))
    assert other.apply()
    assert not one.apply()
    assert one.side("user_profile", named).ttl == other.side("user_profile", named).ttl != before.ttl


def test_paths_are_absolute_and_under_home(read_only: World, tmp_path: Path) -> None:
    """What the repository keeps under its sibling `var/` lies under home, as absolute paths; other paths stay in place."""
    home = str(read_only.home.resolve())
    assert sorted(paths(read_only.features.repository)) == sorted(
        f"{home}/features/{entity}_{name}/*.parquet"
        for entity, names in (("item", ("popularity", "profile", "vectors")), ("user", ("activity", "profile", "vectors")))
        for name in names
    )
    assert {path.name for path in (read_only.home / "features").iterdir()} >= {"registry.db", "online.db", "views.json"}
    elsewhere = [('f"../var/features/{name}/*.parquet"', 'f"../lake/{name}/*.parquet" if "item" in name else f"s3://b/{name}"')]
    repository = FeastRepository(repo_copy(tmp_path, {"sources.py": elsewhere}), tmp_path / "home")
    repository.apply()
    assert sorted(paths(repository)) == [
        *(f"{tmp_path}/home/features/{name}/*.parquet" for name in ("item_vectors", "user_vectors")),
        f"{tmp_path}/lake/item_popularity/*.parquet",
        f"{tmp_path}/lake/item_profile/*.parquet",
        "s3://b/user_activity",
        "s3://b/user_profile",
    ]


def test_views_are_described(read_only: World) -> None:
    """The shipped views are known by entity, origin, key, types and folds."""
    views = {view.name: view for view in read_only.features.repository.views}
    assert {name: (view.entity, view.origin) for name, view in views.items()} == {
        "user_profile": ("user", "user"),
        "user_activity": ("user", "interaction"),
        "item_profile": ("item", "item"),
        "item_popularity": ("item", "interaction"),
    }
    fields = {field.name: (field.dtype, field.aggregate) for field in views["user_activity"].fields}
    assert fields["recent_items"] == ("STRING_LIST", "last(item_id, 20)")
    assert fields["user_value_mean_28d"] == ("FLOAT", "mean(value, 28d)")
    assert load(read_only.home / "features" / "views.json") == read_only.features.repository.views


def test_parsing_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `apply` modules, search path, working directory and the repository's folder are what they were."""
    monkeypatch.chdir(tmp_path)
    repo = repo_copy(tmp_path)
    before = (set(sys.modules), list(sys.path), Path.cwd(), sorted(repo.rglob("*")), sys.dont_write_bytecode)
    FeastRepository(repo, tmp_path / "home").apply()
    assert not {"entities", "items", "users", "sources", "services"} & (set(sys.modules) - before[0])
    assert (list(sys.path), Path.cwd(), sorted(repo.rglob("*")), sys.dont_write_bytecode) == before[1:]


def test_a_broken_file_leaves_no_trace_either(tmp_path: Path) -> None:
    """If a definition cannot be imported its own error is told, and the next attempt starts clean."""
    repo = repo_copy(tmp_path, {"services.py": [("from users import", "from users import nonsense,")]})
    here, path = Path.cwd(), list(sys.path)
    with pytest.raises(DataError, match="services.py, line .*ImportError: .*nonsense"):
        FeastRepository(repo, tmp_path / "home").apply()
    assert (Path.cwd(), sys.path) == (here, path)
    (repo / "services.py").write_text((REPO / "services.py").read_text())
    assert FeastRepository(repo, tmp_path / "home").apply()


def test_what_is_removed_disappears(tmp_path: Path) -> None:
    """A view and a service taken out of the files are gone from the registry, and the view from `views.json`."""
    repo = repo_copy(tmp_path)
    FeastRepository(repo, tmp_path / "home").apply()
    services, items = (repo / "services.py").read_text(), (repo / "items.py").read_text()
    services = services.replace("[item_profile, item_popularity]", "[item_profile]").replace("item_popularity, ", "")
    (repo / "services.py").write_text(services.replace('"user_tower"', '"people"'))
    (repo / "items.py").write_text(items[: items.index("item_popularity = ")])
    repository = FeastRepository(repo, tmp_path / "home")
    assert repository.apply()
    kept = {"item_profile", "user_activity", "user_profile"}
    assert {view.name for view in repository.store.list_feature_views()} == kept | {"item_vectors", "user_vectors"}
    assert {view.name for view in load(tmp_path / "home" / "features" / "views.json")} == kept
    assert {service.name for service in repository.store.list_feature_services()} == {"item_tower", "people"}


def test_a_new_feature_is_filled_from_the_whole_log(tmp_path: Path) -> None:
    """A feature added to a view that already has rows gets its values for all events, offline and online."""
    repo = repo_copy(tmp_path)
    there = world(tmp_path / "home", batch(event("a", item_id="a"), event("b", item_id="b", event_timestamp=at(9))), repo=repo)
    there.learnt()
    field = 'Field(name="last_item", dtype=String, tags={"ratoon.aggregate": "last(item_id)"}),'
    marker = '        Field(\n            name="recent_items",'
    text = (repo / "users.py").read_text()
    (repo / "users.py").write_text(text.replace(marker, f"        {field}\n{marker}"))
    features = opened(there.home, there.log, repo)
    features.ingest()
    features.materialize()
    delta = features.delta(features.window(None), None, [])
    assert delta.interactions.column("last_item").to_pylist() == [None, "a"]
    answer = features.repository.store.get_online_features(["user_activity:last_item"], [{"user_id": "u1"}]).to_dict()
    assert answer["last_item"] == ["b"]


BY_HAND = """
import sys
from pathlib import Path
from feast.cli.cli import cli
from ratoon.features.repository import FeastRepository

def sources():
    return sorted(source.path for source in FeastRepository(repo, home).store.list_data_sources() if hasattr(source, "path"))

repo, home = Path.cwd(), Path(sys.argv[1])
cli(["apply"], standalone_mode=False)
print("BY HAND", sources())
print("REPAIRED", FeastRepository(repo, home).apply(), sources())
cli(["plan"], standalone_mode=False)
cli(["materialize", "2026-02-01T00:00:00", "2026-04-01T00:00:00", "--views", "user_activity"], standalone_mode=False)
"""


def test_feast_by_hand_works_on_the_same_state(tmp_path: Path) -> None:
    """`feast apply` by hand leaves paths that `apply` repairs; then `feast plan` and `feast materialize` work there too."""
    repo, home = repo_copy(tmp_path), tmp_path / "var"
    there = world(home, batch(event("a"), event("b", event_timestamp=at(60))), repo=repo).ingest()
    command = [sys.executable, "-W", "ignore", "-c", BY_HAND, str(home)]
    environment = {**os.environ, "FEAST_USAGE": "False", "PYTHONPATH": str(ROOT / "platform")}
    done = subprocess.run(command, cwd=repo, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    folders = ("item_popularity", "item_profile", "item_vectors", "user_activity", "user_profile", "user_vectors")
    assert f"BY HAND {[f'../var/features/{name}/*.parquet' for name in folders]}" in done.stdout
    assert f"REPAIRED True {[f'{home}/features/{name}/*.parquet' for name in folders]}" in done.stdout
    answer = there.features.repository.store.get_online_features(["user_activity:user_events"], [{"user_id": "u1"}]).to_dict()
    assert answer["user_events"] == [2]
    there.log.close()


def refusal(folder: Path, file: str, old: str, new: str) -> str:
    """What `apply` says to a changed repository."""
    with pytest.raises(DataError) as refused:
        FeastRepository(repo_copy(folder, {file: [(old, new)]}), folder / "home").apply()
    return str(refused.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            "users.py",
            '"ratoon.source": "user"',
            '"ratoon.source": "people"',
            (
                "tag ratoon.source of feature view 'user_profile': expected interaction, user or item, found 'people'. "
                "Leave the tag out if your own job writes the rows."
            ),
        ),
        (
            "users.py",
            "entities=[user],\n    ttl=timedelta(0)",
            "entities=[],\n    ttl=timedelta(0)",
            (
                "join keys of feature view 'user_profile': expected exactly user_id, or exactly item_id, found none. "
                "Give the view the entity `user` or `item`."
            ),
        ),
        (
            "entities.py",
            'join_keys=["item_id"]',
            'join_keys=["sku"]',
            (
                "join keys of feature view 'item_popularity': expected exactly user_id, or exactly item_id, found none. "
                "Give the view the entity `user` or `item`."
            ),
        ),
        (
            "users.py",
            'name="gender", dtype=String',
            'name="gender", dtype=__import__("feast").types.Map',
            "field 'gender' of feature view 'user_profile': expected one of STRING, ",
        ),
        (
            "users.py",
            '"ratoon.aggregate": "count(7d)", ',
            "",
            (
                "tag ratoon.aggregate of field 'user_events_7d' in view 'user_activity': expected one on every field of a view "
                "whose ratoon.source is interaction, and on no other, found ''. "
                "Add the expression, or move the field to another view."
            ),
        ),
        (
            "users.py",
            'tags={"pii": "true"}',
            'tags={"ratoon.aggregate": "count"}',
            (
                "tag ratoon.aggregate of field 'gender' in view 'user_profile': expected one on every field of a view "
                "whose ratoon.source is interaction, and on no other, found 'count'. "
                "Add the expression, or move the field to another view."
            ),
        ),
        (
            "users.py",
            "count(7d)",
            "count(7w)",
            "tag ratoon.aggregate of field 'user_events_7d': expected count[(7d)] | ",
        ),
    ],
)
def test_a_view_that_cannot_be_is_refused(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    """A mistake in the definitions is refused with the view and field at fault, before anything is applied."""
    assert refusal(tmp_path, file, old, new).startswith(message)
    assert not (tmp_path / "home" / "features" / "views.json").exists()


def test_a_source_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """A view over something else than Parquet files is refused by the kind of its source."""
    warehouse = "__import__('feast').RedshiftSource(name='warehouse', table='t', timestamp_field='event_timestamp')"
    found = refusal(tmp_path, "users.py", "source=user_profile_source", f"source={warehouse}")
    assert found == (
        "source of feature view 'user_profile': expected a FileSource, or a PushSource over one, found RedshiftSource. "
        "Keep the view's rows in Parquet files."
    )


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    """The error names the setting and the folder."""
    message = (
        f"paths.feature_repo: expected a folder with feature_store.yaml, found {tmp_path}. "
        "Set it in ratoon.toml, or run where feature_repo/ is."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        FeastRepository(tmp_path, tmp_path / "home")


def test_an_unknown_service_is_refused(read_only: World) -> None:
    """The error names the services there are."""
    message = (
        "feature service 'shop': expected a FeatureService of this name in feature_repo/, found item_tower, user_tower. "
        "Define it, or name another in ratoon.toml under surfaces."
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        read_only.features.repository.service("shop")


def test_a_damaged_registry_is_named(tmp_path: Path) -> None:
    """A registry that Feast cannot read is refused with its path and the way out, which works."""
    FeastRepository(REPO, tmp_path).apply()
    registry = tmp_path / "features" / "registry.db"
    registry.write_bytes(b"\xff\xfe damaged")
    message = (
        rf"^{re.escape(str(registry))}: expected a readable Feast registry, found .*\. "
        r"Delete it; the next command applies feature_repo/ again\.$"
    )
    with pytest.raises(StoreError, match=message):
        FeastRepository(REPO, tmp_path).apply()
    registry.unlink()
    assert FeastRepository(REPO, tmp_path).apply()


def test_a_description_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    """A file of views or rules that is gone, as it was damaged, is written anew though nothing in the repository has changed."""
    FeastRepository(REPO, tmp_path).apply()
    before = {name: (tmp_path / "features" / name).read_bytes() for name in ("views.json", "rules.json")}
    for name, content in before.items():
        (tmp_path / "features" / name).unlink()
        assert FeastRepository(REPO, tmp_path).apply()
        assert (tmp_path / "features" / name).read_bytes() == content
