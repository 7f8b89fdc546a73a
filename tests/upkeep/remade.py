"""Operations as a command does them, and what a release then holds."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from ratoon import durable
from ratoon.domain.plan import Scope
from ratoon.domain.report import RefreshReport
from ratoon.judging import Pair
from ratoon.refresh import considered, refresh
from ratoon.remaking import Remaking
from ratoon.upkeep import Operation
from ratoon.wiring import House
from ratoon.workshop import Task, Workshop, opened


def remade(house: House, operation: Operation, source: str | None = None, *, rehearsed: bool = False) -> RefreshReport:
    """What comes of an operation on a release of the house."""
    remaking = Remaking(operation, source, rehearsed)
    return refresh(house.workshop("default"), house.stopwatch(), "upkeep", remaking=remaking)


def wanted(shop: Workshop, house: House) -> Task:
    """What an operation is given: the waiting window and all of the past."""
    task, _ = considered(shop, house.stopwatch(), "upkeep")
    return replace(task, past=shop.features.past(task.window))


def learnt(house: House, scope: Scope) -> Pair:
    """What a refresh of this scope publishes on top of what is served."""
    report = refresh(house.workshop("default"), house.stopwatch(), scope)
    assert report.outcome == "published", report.verdict
    return current(house)


def current(house: House) -> Pair:
    return opened(house.workshop("default"), house.registry("default").get(None))


def vectors(pair: Pair) -> Mapping[str, bytes]:
    """Item id -> what the item tower says of it, without its popularity."""
    ids = pair.index.ids()
    rows = pair.index.vectors(ids)[:, : pair.towers.dim - len(pair.towers.popularity)]
    return {item: np.ascontiguousarray(row).tobytes() for item, row in zip(ids, rows, strict=True)}


def interrupted(house: House, operation: Operation, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of what an operation publishes that failed once when its candidate was made."""
    registry = house.registry("default")
    before = registry.releases()
    with monkeypatch.context() as patch:
        patch.setattr(durable, "passed", [])
        patch.setenv(durable.FAULT, "refresh.embedded:1:eio")
        with pytest.raises(OSError, match="refresh.embedded"):
            remade(house, operation)
    assert registry.releases() == before
    assert remade(house, operation).outcome == "published"
    return registry.get(None).id
