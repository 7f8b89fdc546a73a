"""The table of the GPU: measured small on the processor, and left out without a GPU at full size."""

import json

import pytest
import torch

from ratoon.bench import gpu, run
from ratoon.domain.errors import UsageError
from ratoon.training import measuring
from ratoon.training.measuring import Pace


def test_a_small_table_runs_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """At a small scale every way to compute is measured: a pace, its share of the memory's limit, and a refresh, all above 0."""
    run("gpu", True, scale=0.0002)
    rows = json.loads(capsys.readouterr().out)["groups"]["gpu"]["rows"]
    ways = ("float32", "bfloat16", "bfloat16, tables on the host")
    expected = [
        f"{quantity}, {way}"
        for way in ways
        for quantity in ("examples a second, 200 items x 64", "examples a second / the memory's limit")
    ]
    assert [row["quantity"] for row in rows] == expected + [f"a `rows` refresh of 2,000 items x 64, {way}" for way in ways]
    assert all(row["value"] > 0 for row in rows)


def test_without_a_gpu_nothing_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """At full size on a machine without CUDA the rows say so, have no value, and nothing is kept."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = gpu.kept()
    rows = gpu.measure(1.0, {"hardware": "none"}, print)["gpu"]["rows"]
    assert {(row["unit"], row["value"], row["against"]) for row in rows} == {
        ("not run", None, "no CUDA device; a --scale below 1 runs on the processor")
    }
    assert gpu.kept() == before


def test_a_scale_that_is_none_is_refused() -> None:
    """Nothing and more than everything cannot be measured."""
    with pytest.raises(UsageError, match=r"--scale: expected 0\.0001 to 1, found 2\. The figures asked for are of 1"):
        gpu.measure(2, {}, print)


def test_the_limit_is_what_the_memory_moves() -> None:
    """At 1,000 bytes an example and a million bytes a second no more than 1,000 examples can be learnt in one."""
    assert Pace(rate=10.0, bandwidth=1e6, touched=1e3).limit == 1_000


def test_bytes_are_counted_once_per_row() -> None:
    """A batch's bytes are six floats for each value of the rows it names, once, and of the layers, and its inputs."""
    settings = gpu._settings(0.0001)
    model = measuring._model(3, settings)
    drawn, live = measuring._drawn(3, 1, torch.device("cpu"))
    rows = len({*drawn.users["recent_items"][0].tolist(), *drawn.items.codes.tolist(), 1, 2, 3}) + 1
    layers = sum(tensor.numel() for name, tensor in model.tensors.items() if not name.startswith("table."))
    inputs = 22 * 8 + 2 * 4 * (1 + settings.negatives)
    assert measuring._touched(model, drawn, live, settings) == 24 * (rows * 64 + layers) + inputs
