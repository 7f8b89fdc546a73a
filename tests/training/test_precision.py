"""Tests of products of fewer bits."""

import json
from dataclasses import replace

import pytest
import torch

from ratoon.domain.encoding import Encoding
from ratoon.training import TwoTowerTrainer
from ratoon.training.devices import CPU
from ratoon.training.hosting import InPlace
from ratoon.training.model import fresh
from ratoon.training.precision import lowered
from tests.training.worlds import FULL, SCHEMA, SMALL, catalogue, interactions, lesson

LOW = replace(SMALL, precision="bfloat16")


def test_products_have_eight_bits_and_only_where_asked() -> None:
    """Inside, a matrix product is a bfloat16; under float32 and outside it is not."""
    square = torch.ones(2, 2)
    with lowered(LOW, CPU):
        assert (square @ square).dtype == torch.bfloat16
    with lowered(SMALL, CPU):
        assert (square @ square).dtype == torch.float32
    assert (square @ square).dtype == torch.float32


def test_vectors_are_float32_of_length_1() -> None:
    """What comes of bfloat16 layers is near the float32 vectors, is not them, and has its length in float32."""
    table, live = interactions(range(8), range(8), 200), catalogue(range(8))
    encoding = Encoding.of(SCHEMA, table, live)
    inputs = [
        {name: torch.from_numpy(column) for name, column in encoding.encode(features, table).items()}
        for features in (SCHEMA.user, SCHEMA.item)
    ]
    found = []
    for settings in (LOW, SMALL):
        compute = InPlace(fresh(SCHEMA, encoding, 3, settings, CPU), [], settings, CPU)
        found.append(torch.cat(compute.vectors(compute.prepare(*inputs))))
    low, high = found
    assert low.dtype == torch.float32
    torch.testing.assert_close(low.norm(dim=1), torch.ones(len(low)), rtol=0, atol=1e-6)
    assert 0 < (low - high).abs().max() < 0.02


def test_losses_are_nearly_those_of_float32() -> None:
    """Pass by pass, on the lesson and on the fit rows, the loss is within 2 % of float32's, and is not the same."""
    table = interactions(range(20), range(20), 800)
    taught = lesson(table, catalogue(range(20)), fit=interactions(range(20), range(20), 200, seed=1))
    low, high = (
        json.loads(TwoTowerTrainer(settings, 7).train(FULL, SCHEMA, None, taught)["model.json"])["losses"]
        for settings in (LOW, SMALL)
    )
    assert low != high
    for name in ("train", "fit"):
        both = min(len(low[name]), len(high[name]))  # when to stop may differ by a pass
        assert low[name][:both] == pytest.approx(high[name][:both], rel=0.02)
