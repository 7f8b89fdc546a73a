"""Tests of what torch can compute on."""

import pytest
import torch

from ratoon.domain.errors import UsageError
from ratoon.training import TrainingSettings, TwoTowerTrainer, devices
from ratoon.training.devices import chosen


def test_the_processor_is_always_there() -> None:
    """The description starts with the processor and names torch's version."""
    assert devices().startswith("cpu")
    assert torch.__version__ in devices()


def test_auto_takes_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` is CUDA on a machine that has it, and the processor elsewhere; a name is taken at its word."""
    for there, expected in [(True, "cuda"), (False, "cpu")]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert chosen("auto").type == expected
        assert chosen("cpu").type == "cpu"


def test_cuda_that_is_not_there_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for CUDA without a device fails before any data are read, and says what there is."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"training.device: expected a CUDA device, found cpu \(torch .*\)\. Set it to auto"):
        TwoTowerTrainer(TrainingSettings(device="cuda"), seed=0)
