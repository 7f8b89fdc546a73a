"""The measurement on a GPU, small and on the processor: it runs, and what it compares finds the same."""

import json

import pytest
import torch

from ratoon.bench.indexes.mixture import Mixture
from ratoon.bench.indexes.rows import gpu_rows
from ratoon.bench.peers import own_gpu


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("BATCH", 8), ("BATCHES", 2), ("ASKED", 5)):
        monkeypatch.setattr(own_gpu, name, value)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param("cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]),
    ],
)
def test_a_small_measurement_runs(device: str) -> None:
    """Every figure is there and makes rows; torch finds what the index finds; who is not installed says so."""
    said = json.loads(json.dumps(own_gpu.measured(["--items", "400", "--device", device])))
    assert said["items"] == said["updated"] == 400
    assert said["ways"]["ours"]["same"] == 1.0
    assert said["ways"]["torch"]["same"] >= 0.9
    assert said["ways"]["cuvs"].keys() in ({"missing"}, {"qps", "batch_ms", "same"})
    assert len(list(gpu_rows(said, ""))) == 4


@pytest.mark.usefixtures("quick")
def test_an_index_that_cannot_search_is_not_told_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others lack is told; if the index itself fails, the measurement does."""

    def broken(_index: object) -> object:
        raise RuntimeError("broken")

    monkeypatch.setitem(own_gpu.WAYS, "torch", broken)
    index, queries = own_gpu.filled(200, "cpu"), Mixture(own_gpu.DIM).queries(8)
    assert dict(own_gpu.compared(index, [queries]))["torch"] == {"missing": "RuntimeError: broken"}
    monkeypatch.setitem(own_gpu.WAYS, "ours", broken)
    with pytest.raises(RuntimeError, match="broken"):
        dict(own_gpu.compared(index, [queries]))
