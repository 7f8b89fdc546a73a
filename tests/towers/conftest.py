"""A model with a feature of every kind."""

import pytest
import torch

from ratoon.domain.encoding import Encoding
from ratoon.ports import Files
from ratoon.training import TrainingSettings
from ratoon.training.files import dump
from ratoon.training.model import fresh
from ratoon.training.repeatable import generator
from tests.towers.worlds import KNOWN_USERS, SCHEMA, items


@pytest.fixture(scope="session", params=["cosine", "dot"])
def files(request: pytest.FixtureRequest) -> Files:
    """The files of a model that has learnt nothing: its tensors are random."""
    settings = TrainingSettings(dim=8, small=4, hidden=16, metric=request.param)
    encoding = Encoding.of(SCHEMA, KNOWN_USERS, items(5))
    model = fresh(SCHEMA, encoding, 3, settings, torch.device("cpu"))
    for name in ("user.path.position", "item.next_to.position"):  # they begin at zero
        model.tensors[name] = torch.randn(model.tensors[name].shape, generator=generator(3, name))
    return dump(model, settings)
