"""What operations choose by."""

import numpy as np
import pytest

from ratoon.upkeep import operation
from ratoon.upkeep.operation import Choosing, fit_rows, lately_of
from ratoon.wiring import House
from tests.upkeep.remade import wanted


def test_rows_since_the_source_are_asked_alone_if_they_are_enough(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has been taught again is not judged by what it was taught, unless too little has come since."""
    shop = house.workshop("default")
    task = wanted(shop, house)
    asked = fit_rows(shop, task)
    every = Choosing(task, asked, lately_of(shop, task, asked), asked.answered(50, np.zeros(len(asked), np.int64)))
    come = {offset for offset in asked.offsets if offset > task.upto.end}
    assert 0 < len(come) < len(asked)
    monkeypatch.setattr(operation, "LEAST", len(come))
    alone = every.fresh()
    assert set(alone.asked.offsets) == come
    assert len(alone.source) == len(come)
    monkeypatch.setattr(operation, "LEAST", len(come) + 1)
    assert every.fresh() is every
