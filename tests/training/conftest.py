"""What the tests of learning start from."""

import pytest

from ratoon.ports import Files
from ratoon.training import TwoTowerTrainer
from tests.training.worlds import FULL, SCHEMA, SMALL, catalogue, interactions, lesson


@pytest.fixture(scope="session")
def parent() -> Files:
    """A model that has learnt 20 users and 20 items of a checkerboard."""
    taught = lesson(interactions(range(20), range(20), 2000), catalogue(range(20)))
    return TwoTowerTrainer(SMALL, seed=7).train(FULL, SCHEMA, None, taught)
