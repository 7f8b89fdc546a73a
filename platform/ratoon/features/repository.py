"""The Feast repository as Ratoon uses it: parsed from `feature_repo/`, its paths made absolute, applied when it changed.

Feast resolves a relative source path against the working directory and a relative store path against the repository.
Here all of them are taken relative to the repository, and what lies under its sibling `var/` moves along with
RATOON_HOME, so that one plain repository serves `feast` by hand, tests and deployments.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from feast import BatchFeatureView, FeatureService, FeatureStore, FeatureView, FileSource
from feast.repo_config import RepoConfig
from feast.repo_contents import RepoContents
from feast.value_type import ValueType

from ratoon import durable
from ratoon.domain.errors import DataError, StoreError, UsageError
from ratoon.domain.schema import Entity as EntityName
from ratoon.features import described as files
from ratoon.features import parsing, views
from ratoon.features.definitions import Definitions, chosen, tagged
from ratoon.features.folds.aggregates import parse
from ratoon.features.folds.texts import EMBED_TAG, checked
from ratoon.features.offline.sides import side_of
from ratoon.features.offline.spec import Engine, Named, ViewSide
from ratoon.features.online.opening import Place
from ratoon.features.online.users import PLACE
from ratoon.features.quality import rules
from ratoon.features.quality.declared import EXPECT_TAG, declared
from ratoon.features.quality.rules import Rule
from ratoon.features.views import ARROW_TYPES, JOIN_KEYS, View, ViewField

ORIGIN_TAG = "ratoon.source"
AGGREGATE_TAG = "ratoon.aggregate"
RELEASED = "release"
"""The value of ORIGIN_TAG in views of vectors: Feast's, and nothing that towers, stores or refreshes read; see `vectors`."""
ONLINE_STORES = {
    "ratoon.features.online.feast_stores.PackedSqliteOnlineStore": "sqlite",
    "ratoon.features.online.feast_stores.PackedRedisOnlineStore": "redis",
}
"""The online stores that a server can read without Feast."""

Guard = Callable[[tuple[View, ...]], None]


class FeastRepository:
    """One feature repository and the state under `home/features`."""

    def __init__(self, repo: Path, home: Path, guard: Guard = lambda _: None) -> None:
        """Args: repo: the folder with feature_store.yaml; home: RATOON_HOME; guard: raises if views must not be applied."""
        if not (repo / "feature_store.yaml").exists():
            raise UsageError(
                "paths.feature_repo",
                expected="a folder with feature_store.yaml",
                found=str(repo),
                fix="Set it in ratoon.toml, or run where feature_repo/ is.",
            )
        self.repo, self.home, self._guard = repo.resolve(), home.resolve(), guard
        self.folder = self.home / "features"
        self._sides: dict[tuple[str, str, Named], ViewSide] = {}
        self._wanted = ""

    @cached_property
    def store(self) -> FeatureStore:
        """Feast's own entry point, with every path absolute."""
        raw = parsing.stated(self.repo)
        if isinstance(raw.get("registry"), dict):
            raw["registry"]["path"] = self._absolute(raw["registry"]["path"])
        elif isinstance(raw.get("registry"), str):
            raw["registry"] = self._absolute(raw["registry"])
        if isinstance(raw.get("online_store"), dict) and "path" in raw["online_store"]:
            raw["online_store"]["path"] = self._absolute(raw["online_store"]["path"])
        self.folder.mkdir(parents=True, exist_ok=True)
        with parsing.settings(self.repo):
            config = RepoConfig(**raw)
            config.repo_path = self.repo
            return FeatureStore(config=config)

    @property
    def engine(self) -> Engine:
        """Who joins: the engine that `offline_store` in feature_store.yaml names; Polars if a store without engines is there."""
        engine: Engine = getattr(self.store.config.offline_store, "engine", "polars")
        return engine

    @cached_property
    def place(self) -> Place:
        """Where the online store is; variables in its address are left to be filled in where it is opened."""
        raw = parsing.stated(self.repo, expanded=False)
        stated: Any = raw.get("online_store")
        kind = ONLINE_STORES.get(str(stated.get("type"))) if isinstance(stated, dict) else None
        if kind is None:
            raise UsageError(
                f"online_store in {self.repo / 'feature_store.yaml'}",
                expected=f"a type of {', '.join(ONLINE_STORES)}",
                found=repr(stated),
                fix="Set it, then `ratoon online migrate` brings what Feast's own SQLite store holds.",
            )
        address = self._absolute(stated["path"]) if kind == "sqlite" else stated["connection_string"]
        return Place(kind, address, raw["project"])

    @cached_property
    def views(self) -> tuple[View, ...]:
        """The repository's feature views, applied."""
        self.apply()
        return views.load(self.folder / "views.json")

    def apply(self) -> bool:
        """Bring Feast's registry and the online store in step with the repository's files; whether anything was done."""
        self._wanted = wanted = self._fingerprint()
        stamp = self.folder / "applied.sha256"
        if stamp.exists() and stamp.read_text() == wanted and files.there(self.folder) and self._registered():
            return False
        defined = self.parsed()
        contents, described = defined.contents, defined.views
        self._guard(described)
        objects: list[Any] = [
            *contents.projects,
            *contents.data_sources,
            *contents.entities,
            *contents.feature_views,
            *contents.on_demand_feature_views,
            *contents.stream_feature_views,
            *contents.feature_services,
        ]
        with redirect_stdout(StringIO()):
            self.store.apply(objects, objects_to_delete=self._dropped(contents), partial=False)
        self.place.save(self.folder / PLACE)
        views.save(self.folder / "views.json", described)
        rules.save(self.folder / "rules.json", _expected(defined))
        durable.write(stamp, wanted.encode())
        return True

    def parsed(self) -> Definitions:
        """What the repository's files define now; nothing is applied."""
        contents = parsing.contents(self.repo)
        for source in contents.data_sources:
            if isinstance(source, FileSource):
                source.file_options.uri = self._absolute(source.path)
        brought = [view for view in contents.feature_views if view.tags.get(ORIGIN_TAG) != RELEASED]
        defined = Definitions(self.project, contents, tuple(_describe(self.project, view) for view in brought))
        _expected(defined)
        return defined

    @property
    def project(self) -> str:
        """Feast's project."""
        return str(parsing.stated(self.repo)["project"])

    def service(self, name: str) -> FeatureService:
        """One of the repository's feature services."""
        return chosen(self.store.list_feature_services(), name)

    def feature_view(self, name: str) -> FeatureView:
        """One of the repository's feature views, as Feast has it."""
        return self.store.get_feature_view(name)

    def side(self, view: str, features: Named) -> ViewSide:
        """A feature view's side of a join, with (its name for a feature, the output's name) pairs; see `side_of`."""
        key = self._wanted, view, features  # another process may have applied other files
        made = self._sides.get(key) or side_of(self.feature_view(view), features, self.repo)
        # Feast takes longer to say what a view is than a small join does; only what expires is asked for each time.
        if not made.source.storage:
            self._sides[key] = made
        return made

    def entity_tags(self, entity: EntityName) -> Mapping[str, str]:
        """The tags of the entity whose key joins the views of users, or of items."""
        return tagged(self.store.list_entities(), entity)

    def _absolute(self, path: str) -> str:
        if "://" in path:
            return path
        resolved = Path(os.path.normpath(self.repo / path))
        shared = self.repo.parent / "var"
        return str(self.home / resolved.relative_to(shared) if resolved.is_relative_to(shared) else resolved)

    def _fingerprint(self) -> str:
        files = sorted([*self.repo.rglob("*.py"), self.repo / "feature_store.yaml"])
        parts = [f"{file.relative_to(self.repo)}:{durable.sha256_file(file)}" for file in files]
        return durable.sha256("\n".join([str(self.home), *parts]).encode())

    def _registered(self) -> bool:
        """Whether the registry holds absolute paths: `feast apply` by hand writes the relative ones."""
        try:
            sources = self.store.list_data_sources()
        except Exception as error:
            raise StoreError(
                str(self.folder / "registry.db"),
                expected="a readable Feast registry",
                found=repr(error),
                fix="Delete it; the next command applies feature_repo/ again.",
            ) from error
        paths = [source.path for source in sources if isinstance(source, FileSource)]
        return bool(paths) and all(Path(path).is_absolute() or "://" in path for path in paths)

    def _dropped(self, kept: RepoContents) -> list[Any]:
        services = {service.name for service in kept.feature_services}
        names = {view.name for view in kept.feature_views}
        gone = [service for service in self.store.list_feature_services() if service.name not in services]
        return [*gone, *(view for view in self.store.list_feature_views() if view.name not in names)]


def _describe(project: str, view: FeatureView | BatchFeatureView) -> View:
    source = view.batch_source
    if not isinstance(source, FileSource):
        raise DataError(
            f"source of feature view {view.name!r}",
            expected="a FileSource, or a PushSource over one",
            found=type(source).__name__,
            fix="Keep the view's rows in Parquet files.",
        )
    origin = view.tags.get(ORIGIN_TAG, "foreign")
    if origin not in ("interaction", "user", "item", "foreign"):
        raise DataError(
            f"tag {ORIGIN_TAG} of feature view {view.name!r}",
            expected="interaction, user or item",
            found=repr(origin),
            fix="Leave the tag out if your own job writes the rows.",
        )
    entity = _entity(view)  # before the fields: a key of another name would count as one
    fields = tuple(_field(view.name, field, origin) for field in view.features)
    return checked(
        View(
            project,
            view.name,
            entity,
            origin,  # type: ignore[arg-type]  # checked above
            source.path,
            source.timestamp_field or "",
            fields,
            view.online,
            source.created_timestamp_column or "",
        )
    )


def _expected(defined: Definitions) -> list[Rule]:
    """What events have to be, by the tags of all views; DataError if a tag says none."""
    found: list[Rule] = []
    for view in defined.views:
        feast = defined.feature_view(view.name)
        fields = {field.name: field.tags.get(EXPECT_TAG, "") for field in feast.features}
        found += declared(view, feast.tags.get(EXPECT_TAG, ""), fields)
    return found


def _entity(view: FeatureView | BatchFeatureView) -> EntityName:
    keys = [column.name for column in view.entity_columns]
    for entity, key in JOIN_KEYS.items():
        if keys == [key]:
            return entity
    raise DataError(
        f"join keys of feature view {view.name!r}",
        expected="exactly user_id, or exactly item_id",
        found=", ".join(keys) or "none",
        fix="Give the view the entity `user` or `item`.",
    )


def _field(view: str, field: Any, origin: str) -> ViewField:
    dtype = field.dtype.to_value_type()
    assert isinstance(dtype, ValueType)
    if dtype.name not in ARROW_TYPES:
        raise DataError(
            f"field {field.name!r} of feature view {view!r}",
            expected=f"one of {', '.join(ARROW_TYPES)}",
            found=dtype.name,
            fix="Use another dtype, or keep the view out of this repository.",
        )
    aggregate = field.tags.get(AGGREGATE_TAG, "")
    if (origin == "interaction") != bool(aggregate):
        raise DataError(
            f"tag {AGGREGATE_TAG} of field {field.name!r} in view {view!r}",
            expected="one on every field of a view whose ratoon.source is interaction, and on no other",
            found=repr(aggregate),
            fix="Add the expression, or move the field to another view.",
        )
    if aggregate:
        parse(field.name, aggregate, dtype.name)
    return ViewField(field.name, dtype.name, aggregate, field.tags.get(EMBED_TAG, ""))
