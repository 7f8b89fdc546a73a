"""The loop over so many items that not all of them are looked at."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ratoon import config
from ratoon.bench.api import asking, server
from ratoon.domain.report import RefreshReport
from ratoon.index import FaissIndexes
from ratoon.refresh import refresh
from ratoon.wiring import House
from tests.flow.children import refresh_in_child

FEW = "\n[index]\nexact = 40\nrecall = 0.9\nk = 20\n"


@pytest.fixture
def few(copied: Callable[[str], Path]) -> Callable[[str], Path]:
    """A world that takes forty items for many."""

    def made(name: str) -> Path:
        toml = copied(name)
        toml.write_text(toml.read_text() + FEW)
        return toml

    return made


def again(file: Path, scope: str | None = None) -> RefreshReport:
    """One refresh, of all that has come."""
    house = House(config.load(file, environment={}))
    return refresh(house.workshop("default"), house.stopwatch(), scope)  # type: ignore[arg-type]  # a Scope


def test_a_release_in_lists(few: Callable[[str], Path]) -> None:
    """Lists are made by the refresh that finds many items, kept and mended by rows, passed by the gate, and answered from."""
    file = few("lists")
    house = House(config.load(file, environment={}))
    assert (again(file).plan.scope, again(file, "dense").outcome) == ("rows", "published")
    current = house.registry("default").current()
    assert current is not None
    files = house.registry("default").load(current)
    index = house.indexes.load(files)
    assert index.dial.lists > 12
    assert index.dial.codec == "fp16"
    assert 0.9 <= (index.dial.recall or 0) <= 1
    own = index.vectors(index.ids())
    assert index.recall(own[:50], 20) > 0.5
    served = FaissIndexes(house.settings.index.policy).shared().load(files)
    assert served.stats()["copies"] == 2
    assert np.array_equal(served.vectors(index.ids()), own)
    with server(0, {**os.environ, config.CONFIG: str(file), "OMP_NUM_THREADS": "1"}) as (api, _), asking(api, "user-0"):
        api.await_release("default", current.sequence)
        assert api.failed == 0


def test_killed_and_run_again_with_lists(few: Callable[[str], Path]) -> None:
    """A refresh that lays its index out is killed after it has judged; run again it publishes the same bytes."""
    straight, disturbed = few("straight"), few("disturbed")
    again(straight)
    assert refresh_in_child(disturbed, "refresh.judged") == -signal.SIGKILL
    assert refresh_in_child(disturbed) == 0
    releases = [House(config.load(file, environment={})).registry("default").current() for file in (straight, disturbed)]
    assert releases[0] is not None
    assert releases[1] is not None
    assert releases[0].id == releases[1].id
    files = House(config.load(straight, environment={})).registry("default").load(releases[0])
    assert FaissIndexes().load(files).dial.lists > 1
