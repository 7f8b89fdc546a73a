"""Worlds that several files only read."""

import pyarrow as pa
import pytest

from ratoon.data.synth import synth
from tests.features.worlds import World, world


@pytest.fixture(scope="session")
def events() -> pa.Table:
    """60 users and 80 items with their features, 1,500 interactions."""
    return synth(60, 80, 1_500, seed=1)


@pytest.fixture(scope="session")
def read_only(tmp_path_factory: pytest.TempPathFactory, events: pa.Table) -> World:
    """The world of `events`, ingested and materialised. Nobody writes to it."""
    return world(tmp_path_factory.mktemp("world"), events).learnt()
