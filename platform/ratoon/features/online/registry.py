"""Feast's registry file, fenced: any number of writers, and none destroys what another wrote.

    registry:
      registry_store_type: ratoon.features.online.registry.FencedRegistryStore
      path: ../var/features/registry.db

Feast keeps a copy of the registry in memory, changes it and writes the whole of it back. Here each write takes a lock, reads
the file again, merges what changed in memory since it was read (three-way, object by object, and a definition apart from
what is noted about it), and replaces the file at once. Whoever notes a materialisation therefore neither takes back what
another process has applied meanwhile nor brings back what it has deleted. Intervals of materialisation that touch become one,
so their list is as long as the holes in it. The format is Feast's own.
"""

import fcntl
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from feast.infra.registry.registry_store import RegistryStore
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.repo_config import RegistryConfig

from ratoon import durable

MATERIALISED = ("feature_views", "stream_feature_views")
SOURCES = ("batch_source", "stream_source")


class FencedRegistryStore(RegistryStore):
    """Feast's plugin class; one per process and repository."""

    def __init__(self, registry_config: RegistryConfig, repo_path: Path | None) -> None:
        """Args: registry_config: `path` is the file; repo_path: what a relative path is relative to."""
        path = Path(registry_config.path)
        self._path = path if path.is_absolute() or repo_path is None else repo_path / path
        self._read = RegistryProto()

    def get_registry_proto(self) -> RegistryProto:
        """What is stored now.

        Raises:
            FileNotFoundError: as Feast expects it, before the first write.
        """
        if not self._path.exists():
            raise FileNotFoundError(f'Registry not found at path "{self._path}". Have you run "feast apply"?')
        self._read = _stored(self._path)
        registry: RegistryProto = _copy(self._read)
        return registry

    def update_registry_proto(self, registry_proto: RegistryProto) -> None:
        """Write what changed in `registry_proto` since it was read; it becomes what is stored."""
        with self._alone():
            theirs = _stored(self._path) if self._path.exists() else RegistryProto()
            merged = merge(self._read, registry_proto, theirs)
            merged.version_id = str(uuid.uuid4())
            merged.last_updated.FromDatetime(datetime.now(UTC).replace(tzinfo=None))
            durable.fault_point("registry.merged")
            durable.write(self._path, merged.SerializeToString())
        registry_proto.CopyFrom(merged)
        self._read = merged

    def teardown(self) -> None:
        """Remove the file."""
        with self._alone():
            self._path.unlink(missing_ok=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.with_name(f"{self._path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def merge(base: RegistryProto, mine: RegistryProto, theirs: RegistryProto) -> RegistryProto:
    """`theirs` with the changes that led from `base` to `mine`; of what both changed, mine.

    An object's `spec` counts as one thing, and so does each field of its `meta`; intervals of materialisation are added.
    """
    merged: RegistryProto = _copy(theirs)
    for field in RegistryProto.DESCRIPTOR.fields:
        if field.is_repeated:
            kept = _merged(getattr(base, field.name), getattr(mine, field.name), getattr(theirs, field.name))
            del getattr(merged, field.name)[:]
            getattr(merged, field.name).extend(kept)
    if mine.infra != base.infra:
        merged.infra.CopyFrom(mine.infra)
    records = [one.feature_view_version_history.records for one in (base, mine, theirs)]
    kept = _merged(*records)
    if kept:
        del merged.feature_view_version_history.records[:]
        merged.feature_view_version_history.records.extend(kept)
    merged.registry_schema_version = mine.registry_schema_version or theirs.registry_schema_version
    for name in MATERIALISED:
        for view in getattr(merged, name):
            before, ours, stored = (_intervals(getattr(one, name), view) for one in (base, mine, theirs))
            _join_intervals(view, [*stored, *(one for one in ours if one not in before)])
    return merged


def _merged(base: Iterable[Any], mine: Iterable[Any], theirs: Iterable[Any]) -> list[Any]:
    before, ours, stored = ({_name(one): one for one in side} for side in (base, mine, theirs))
    kept = []
    for name, one in stored.items():
        if name in ours:
            kept.append(_both(before.get(name), ours[name], one))
        elif name not in before:
            kept.append(one)  # added by somebody else; one we had seen was deleted here
    return kept + [one for name, one in ours.items() if name not in stored and _defined(one) != _defined(before.get(name))]


def _both(before: Any, ours: Any, stored: Any) -> Any:
    """One object of both sides."""
    if ours == before:
        return stored
    if before is None or not hasattr(ours, "spec"):
        return ours
    merged = _copy(stored)
    if _defined(ours) != _defined(before):
        merged.spec.CopyFrom(ours.spec)
    for field in ours.meta.DESCRIPTOR.fields:
        if getattr(ours.meta, field.name) != getattr(before.meta, field.name):
            merged.meta.ClearField(field.name)
            merged.meta.MergeFrom(_only(ours.meta, field.name))
    return merged


def _only(message: Any, kept: str) -> Any:
    """A message without its other fields."""
    one = _copy(message)
    for field in message.DESCRIPTOR.fields:
        if field.name != kept:
            one.ClearField(field.name)
    return one


def _defined(one: Any) -> Any:
    """What of an object somebody has applied; the rest is noted about it, or by the way: Feast does, reading and writing it."""
    if not hasattr(one, "spec"):
        return one
    spec = _copy(one.spec)
    for name in SOURCES:
        if name in spec.DESCRIPTOR.fields_by_name and spec.HasField(name):
            getattr(spec, name).ClearField("meta")
            getattr(spec, name).ClearField("data_source_class_type")
    return spec


def _name(one: Any) -> tuple[str, ...]:
    """What makes an object of the registry itself, whatever its kind."""
    inner = getattr(one, "spec", one)
    parts = ("project", "project_id", "name", "feature_view_name", "version_number")
    return tuple(str(getattr(inner, part, "")) for part in parts)


def _intervals(views: Iterable[Any], view: Any) -> list[Any]:
    return [interval for one in views if _name(one) == _name(view) for interval in one.meta.materialization_intervals]


def _join_intervals(view: Any, intervals: list[Any]) -> None:
    intervals.sort(key=lambda one: (one.start_time.ToNanoseconds(), one.end_time.ToNanoseconds()))
    joined: list[Any] = []
    for one in intervals:
        if joined and one.start_time.ToNanoseconds() <= joined[-1].end_time.ToNanoseconds():
            if one.end_time.ToNanoseconds() > joined[-1].end_time.ToNanoseconds():
                joined[-1].end_time.CopyFrom(one.end_time)
        else:
            joined.append(_copy(one))
    del view.meta.materialization_intervals[:]
    view.meta.materialization_intervals.extend(joined)


def _stored(path: Path) -> RegistryProto:
    registry = RegistryProto()
    registry.ParseFromString(path.read_bytes())
    return registry


def _copy(message: Any) -> Any:
    fresh = type(message)()
    fresh.CopyFrom(message)
    return fresh
