"""Offline -> online, over exactly the rows that are not there yet, by the code that Feast's own commands drive too."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ratoon import durable
from ratoon.domain.errors import DataError
from ratoon.features.folds.ingest import position
from ratoon.features.online.engine import source_of
from ratoon.features.online.feast_stores import EPOCH, US
from ratoon.features.online.filling import Filled, Goal, fill
from ratoon.features.online.store import APPLIED, RowStore
from ratoon.features.repository import FeastRepository
from ratoon.features.views import View

Told = Callable[[str, int, int], None]
"""Hears which view is being brought, how many of its rows are done, of how many."""


@dataclass(frozen=True, slots=True)
class Materialized:
    """One view's share of a materialisation: the interval of event times that was read, both ends included."""

    view: str
    start: datetime
    end: datetime
    rows: int


def materialize(repository: FeastRepository, told: Told = lambda _view, _done, _all: None) -> list[Materialized]:
    """Bring the online store up to the offline one; views that have nothing new are passed over.

    Files say what has arrived, so a late row is not lost, and no interval's end can hide a later row.

    Raises:
        DataError: naming view, column and file, if a view's rows cannot be used.
        StoreError: if the online store cannot be written; what is done stays done.
    """
    done: list[Materialized] = []
    views = [view for view in repository.views if view.online]
    store = repository.place.open()
    try:
        applied = store.notes(APPLIED)
        for view in views:
            # The position comes from this listing: an ingestion beside us may already add the next file.
            end = 0 if view.origin == "foreign" else position(view.folder)
            filled = _fill(repository, store, view, told)
            if filled.rows:
                span = Materialized(view.name, EPOCH + filled.oldest * US, EPOCH + filled.newest * US + US, filled.rows)
                repository.store.registry.apply_materialization(
                    repository.feature_view(view.name), repository.store.project, span.start, span.end
                )
                durable.fault_point("materialize.view")
                done.append(span)
            if end != int(applied.get(view.edition, 0)):
                store.write([], {APPLIED: {view.edition: str(end)}})
    finally:
        store.close()
    return done


def _fill(repository: FeastRepository, store: RowStore, view: View, told: Told) -> Filled:
    source = source_of(repository.store.config, repository.feature_view(view.name))
    if source is None:
        raise DataError(
            f"feature view {view.name!r}",
            expected="columns of Parquet files, untransformed, of types that packed rows have",
            found="more than that",
            fix="Materialise it with `feast materialize`, or set online=False.",
        )
    return fill(store, source, Goal("all"), lambda rows, of: told(view.name, rows, of), empty=True)
