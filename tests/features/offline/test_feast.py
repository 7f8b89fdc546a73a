"""What a Feast user gets from get_historical_features under this store."""

import warnings
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from feast import FeatureStore
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.features.offline.reference import column
from tests.features.offline.stores import REFERENCES, Request, Stores, requests


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Feast warns of its own internals when it applies.
        yield Stores(tmp_path_factory.mktemp("feast"))


def asked(store: FeatureStore, rows: Any, references: Any = REFERENCES, **options: Any) -> pa.Table:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Feast and ibis warn of their own internals on every call.
        found: pa.Table = store.get_historical_features(rows, references, **options).to_arrow()
    return found


def agrees(stores: Stores, request: Request, *, arrived: bool) -> None:
    """Both engines through Feast give what the definition says, in the caller's order."""
    stores.write(request)
    expected = {name: request.expected(name, arrived=arrived) for name in (*request.rows, "other")}
    for store in stores.ours.values():
        found = asked(store, request.frame().to_pandas(), filter_by_created_timestamp=arrived)
        assert found.column("row").to_pylist() == list(range(len(request.asked)))
        for reference in REFERENCES:
            view, _, feature = reference.partition(":")
            assert found.column(feature).to_pylist() == column(expected[view], "ab".index(feature[-1]))  # type: ignore[arg-type]
    engine = stores.ours["duckdb" if arrived else "polars"]
    service = engine.get_feature_service("twice")
    twice = asked(engine, request.frame().to_pandas(), service, full_feature_names=True, filter_by_created_timestamp=arrived)
    assert twice.column("first__single_a").to_pylist() == column(expected["single"], 0)  # type: ignore[arg-type]
    assert twice.column("other__single_a").to_pylist() == column(expected["other"], 0)  # type: ignore[arg-type]


def matches_feast(stores: Stores, request: Request, *, arrived: bool) -> None:
    """Feast's own DuckDB store gives the same rows, in whatever order."""
    stores.write(request)
    theirs = asked(stores.feast, request.frame().to_pandas(), filter_by_created_timestamp=arrived).sort_by("row")
    for store in stores.ours.values():
        ours = asked(store, request.frame().to_pandas(), filter_by_created_timestamp=arrived)
        assert ours.to_pydict() == theirs.select(ours.column_names).to_pydict()


FEW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@given(requests(), st.booleans())
@settings(FEW, max_examples=25)
def test_through_feast(stores: Stores, request_: Request, arrived: bool) -> None:
    """Single, composite, aliased, renamed and absent keys, ttl and arrival give what the definition says through Feast, too."""
    agrees(stores, request_, arrived=arrived)


@given(requests(), st.booleans())
@settings(FEW, max_examples=5)
def test_like_feasts_own_store(stores: Stores, request_: Request, arrived: bool) -> None:
    """Where Feast's own DuckDB store answers, it answers the same."""
    matches_feast(stores, request_, arrived=arrived)


@pytest.mark.soak
@given(requests(), st.booleans())
@settings(FEW, max_examples=2_000)
def test_through_feast_for_long(stores: Stores, request_: Request, arrived: bool) -> None:
    """As above, 2,000 times."""
    agrees(stores, request_, arrived=arrived)


@pytest.mark.soak
@given(requests(), st.booleans())
@settings(FEW, max_examples=2_000)
def test_like_feasts_own_store_for_long(stores: Stores, request_: Request, arrived: bool) -> None:
    """As above, 2,000 times."""
    matches_feast(stores, request_, arrived=arrived)
