"""What a changed `feature_repo/` means, said before anything of it is applied."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ratoon.domain.delta import FeatureDelta
from ratoon.domain.errors import DataError
from ratoon.domain.evolution import Change, changes, effect
from ratoon.domain.plan import RefreshPlan, decide
from ratoon.domain.schema import TowerSchema
from ratoon.features.contract import tower_schema
from ratoon.features.definitions import Definitions
from ratoon.features.deltas import files_of
from ratoon.features.foreign_files import reading
from ratoon.features.retained import Drop, Retained
from ratoon.features.views import View
from ratoon.ports import EventLog

NOTHING = FeatureDelta(pa.table({"user_id": pa.array([], pa.string())}), (), (), ())


@dataclass(frozen=True, slots=True)
class Backfill:
    """Rows of one view that have to be made anew.

    Attributes:
        events: of the log, to be folded again; 0 for a view that others fill.
        rows: in the files that others have written; 0 for a view that events fill.
    """

    view: str
    events: int
    rows: int


@dataclass(frozen=True, slots=True)
class Missing:
    """A column that a foreign view declares and none of its files has."""

    view: str
    column: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hashes:
    """A service's hash in the current release, empty without one, and by the repository."""

    service: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Evolution:
    """What the repository means for one surface.

    Attributes:
        release: the current one; empty if there is none.
        changes: against that release.
        missing: what the files of changed views do not have: applying is refused.
        dropped: what a retained release of any surface reads and the repository has no more: applying is refused.
        plan: what the next refresh does about it, were there nothing else to do.
    """

    surface: str
    release: str
    services: tuple[Hashes, Hashes]
    changes: tuple[Change, ...]
    backfills: tuple[Backfill, ...]
    missing: tuple[Missing, ...]
    dropped: tuple[Drop, ...]
    plan: RefreshPlan


def evolve(
    surface: str,
    services: tuple[str, str],
    defined: Definitions,
    applied: Sequence[View],
    current: Retained | None,
    log: EventLog,
    lost: Sequence[Drop],
) -> Evolution:
    """One surface's evolution.

    Args:
        services: the names of the user and the item service.
        applied: the views as they are applied; none before the first time.
        lost: what `drops` found.

    Raises:
        DataError: the repository is wrong in itself, see `tower_schema`.
    """
    new = tower_schema(defined, *services)
    old = current.schema if current else None
    altered = _altered(defined.views, {view.name: view for view in applied})
    return Evolution(
        surface=surface,
        release=current.id if current else "",
        services=_hashes(services, old, new),
        changes=changes(old, new) if old else (),
        backfills=_backfills(altered, log),
        missing=tuple(_missing(altered)),
        dropped=tuple(drop for drop in lost if any(release.surface == surface for release in drop.needed_by)),
        plan=planned(old, new, log),
    )


def planned(old: TowerSchema | None, new: TowerSchema, log: EventLog) -> RefreshPlan:
    """What a refresh would do for the schema's sake alone."""
    found = effect(old, new) if old else "changed"
    return decide(
        NOTHING,
        has_parent=old is not None,
        schema_changed=found in ("gained", "changed"),
        gained=found == "gained",
        reshown=tuple(log.catalogue(log.end())) if found == "shown" else (),
    )


def _hashes(services: tuple[str, str], old: TowerSchema | None, new: TowerSchema) -> tuple[Hashes, Hashes]:
    user, item = services
    return (
        Hashes(user, old.service_hash("user") if old else "", new.service_hash("user")),
        Hashes(item, old.service_hash("item") if old else "", new.service_hash("item")),
    )


def _altered(wanted: Sequence[View], applied: Mapping[str, View]) -> list[View]:
    """Views whose fields or folds are not those that their rows were made by."""
    return [view for view in wanted if view.name not in applied or applied[view.name].edition != view.edition]


def _backfills(altered: Sequence[View], log: EventLog) -> tuple[Backfill, ...]:
    return tuple(
        Backfill(view.name, 0, _rows(view)) if view.origin == "foreign" else Backfill(view.name, log.end(), 0) for view in altered
    )


def _rows(view: View) -> int:
    return sum(_footer(view, path).num_rows for path in files_of(view).values())


def _missing(wanted: Sequence[View]) -> Iterator[Missing]:
    """Columns of foreign views that stand in none of their files; one that only older files lack reads as missing values."""
    for view in wanted:
        if view.origin != "foreign" or "://" in view.path:
            continue
        files = files_of(view).values()
        there = {name for path in files for name in _footer(view, path).schema.to_arrow_schema().names}
        asked = [view.key, view.timestamp_field, *(field.name for field in view.fields)]
        yield from (Missing(view.name, name, tuple(map(str, files))) for name in asked if files and name not in there)


def _footer(view: View, path: Path) -> pq.FileMetaData:
    with reading(view.name, path):
        return pq.read_metadata(path)


def refuse_missing(missing: Iterable[Missing]) -> None:
    """Raise DataError naming every view, column and how many files were looked into, if any column is missing."""
    said = [f"no column {one.column!r} of view {one.view!r} in {_files(one)}" for one in dict.fromkeys(missing)]
    if said:
        raise DataError(
            "feature_repo/",
            expected="fields that the views' files have",
            found="; ".join(said),
            fix="Correct the field's name in feature_repo/, or have the files written with it first.",
        )


def _files(one: Missing) -> str:
    return one.files[0] if len(one.files) == 1 else f"any of {len(one.files)} files such as {one.files[-1]}"
