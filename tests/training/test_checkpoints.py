"""Tests of trainings that die between passes and go on."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from ratoon.domain.plan import RefreshPlan
from ratoon.ports import Files, Lesson
from ratoon.training import TwoTowerTrainer
from ratoon.training.checkpoints import FILE, Checkpoint, Checkpoints, key_of
from tests.training.worlds import FULL, SCHEMA, SMALL, catalogue, interactions, lesson

SETTINGS = replace(SMALL, epochs=4, passes=3, dropout=0.1, row_bound=0.5, warm_optimiser=True)
DENSE = RefreshPlan("dense", "a test")


def _lesson(seed: int = 0) -> Lesson:
    fit = interactions(range(10), range(10), 60, seed=0)
    return lesson(interactions(range(12), range(12), 300, seed=seed), catalogue(range(12)), fit=fit)


def _die(folder: Path, plan: RefreshPlan, parent: Files | None, taught: Lesson, fault: str) -> None:
    os.environ["RATOON_FAULT"] = fault
    TwoTowerTrainer(SETTINGS, seed=3, folder=folder).train(plan, SCHEMA, parent, taught)


def _killed(folder: Path, plan: RefreshPlan, parent: Files | None, fault: str, seed: int = 0) -> None:
    """Train in a process that is killed at a fault point."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ratoon.training"])
    process = context.Process(target=_die, args=(folder, plan, parent, _lesson(seed), fault))
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed() -> Files:
    return TwoTowerTrainer(SETTINGS, seed=3).train(FULL, SCHEMA, None, _lesson())


@pytest.mark.parametrize("fault", ["training.pass:1", "training.pass:3", "training.step:13", "training.trained"])
def test_a_killed_training_ends_as_an_undisturbed_one(tmp_path: Path, undisturbed: Files, fault: str) -> None:
    """Killed after a pass, in the midst of one, or at the end: the rerun goes on, gives the same bytes, and leaves nothing."""
    _killed(tmp_path, FULL, None, fault)
    heard: list[str] = []
    again = TwoTowerTrainer(SETTINGS, 3, lambda what, _: heard.append(what), folder=tmp_path)
    assert again.train(FULL, SCHEMA, None, _lesson()) == undisturbed
    done = {"training.pass:1": 1, "training.pass:3": 3, "training.step:13": 2, "training.trained": 4}[fault]
    assert heard == [f"full goes on after pass {done} of 4", *(f"full pass {number} of 4" for number in range(done + 1, 5))]
    assert list(tmp_path.iterdir()) == []


def test_a_dense_training_goes_on_too(tmp_path: Path, undisturbed: Files) -> None:
    """From a parent, with bounded movement and optimisers that remember: killed after the first of three passes, same bytes."""
    whole = TwoTowerTrainer(SETTINGS, seed=3).train(DENSE, SCHEMA, undisturbed, _lesson(1))
    _killed(tmp_path, DENSE, undisturbed, "training.pass:1", seed=1)
    assert (tmp_path / FILE).exists()
    assert TwoTowerTrainer(SETTINGS, seed=3, folder=tmp_path).train(DENSE, SCHEMA, undisturbed, _lesson(1)) == whole


@pytest.mark.parametrize("harm", ["cut", "turned"])
def test_a_damaged_checkpoint_is_said_and_not_trusted(tmp_path: Path, undisturbed: Files, harm: str) -> None:
    """With its end cut off, or one byte turned, training starts at the first pass, says why, and gives the same bytes."""
    _killed(tmp_path, FULL, None, "training.pass:2")
    data = bytearray((tmp_path / FILE).read_bytes())
    data[-5] ^= 1
    (tmp_path / FILE).write_bytes(bytes(data) if harm == "turned" else bytes(data[:-5]))
    heard: list[str] = []
    again = TwoTowerTrainer(SETTINGS, 3, lambda what, _: heard.append(what), folder=tmp_path)
    assert again.train(FULL, SCHEMA, None, _lesson()) == undisturbed
    assert heard[:2] == ["full from the beginning: the checkpoint is damaged", "full pass 1 of 4"]


def test_another_trainings_checkpoint_is_said_and_not_used(tmp_path: Path, undisturbed: Files) -> None:
    """One of another lesson is left alone until the first pass replaces it."""
    _killed(tmp_path, FULL, None, "training.pass:2", seed=5)
    heard: list[str] = []
    again = TwoTowerTrainer(SETTINGS, 3, lambda what, _: heard.append(what), folder=tmp_path)
    assert again.train(FULL, SCHEMA, None, _lesson()) == undisturbed
    assert heard[0] == "full from the beginning: the checkpoint is of another training"


def test_everything_that_decides_the_end_is_in_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other rules, another plan, seed, setting, schema, parent or row has another key; the same rows in parts have not."""
    taught, parent = _lesson(), {"model.json": b"{}"}
    key = key_of(FULL, 1, SMALL, SCHEMA, parent, taught)
    halves = pa.concat_tables([taught.new.slice(0, 100), taught.new.slice(100)])
    assert key_of(FULL, 1, SMALL, SCHEMA, parent, replace(taught, new=halves)) == key
    others = [
        key_of(DENSE, 1, SMALL, SCHEMA, parent, taught),
        key_of(FULL, 2, SMALL, SCHEMA, parent, taught),
        key_of(FULL, 1, replace(SMALL, dropout=0.2), SCHEMA, parent, taught),
        key_of(FULL, 1, SMALL, replace(SCHEMA, project="another"), parent, taught),
        key_of(FULL, 1, SMALL, SCHEMA, {"model.json": b"[]"}, taught),
        key_of(FULL, 1, SMALL, SCHEMA, None, taught),
        *(
            key_of(FULL, 1, SMALL, SCHEMA, parent, replace(taught, **{part: getattr(taught, part).slice(1)}))
            for part in ("new", "fit", "catalogue")
        ),
    ]
    monkeypatch.setattr("ratoon.training.checkpoints.RULES", 0)
    others.append(key_of(FULL, 1, SMALL, SCHEMA, parent, taught))
    assert len({key, *others}) == len(others) + 1


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    """Losses to the last bit, whole tensors and rows of tables, with and without a best pass; nothing where nothing is."""
    kept = Checkpoints(tmp_path, "a key")
    assert kept.read() == (None, "")
    now = {"user.b1": (None, torch.tensor([0.1])), "table.t": (torch.tensor([3, 1]), torch.ones(2, 2))}
    for best in (None, {"user.b1": (None, torch.tensor([0.2]))}):
        kept.write(Checkpoint({"train": [0.1 + 0.2], "fit": []}, now, best, {"table.t/steps": torch.tensor([2.0])}))
        found, reason = kept.read()
        assert found is not None
        assert reason == ""
        assert found.losses == {"train": [0.1 + 0.2], "fit": []}
        assert {name: (rows is None, values.tolist()) for name, (rows, values) in found.now.items()} == {
            "user.b1": (True, now["user.b1"][1].tolist()),
            "table.t": (False, [[1.0, 1.0], [1.0, 1.0]]),
        }
        assert (found.best is None) == (best is None)
        assert list(found.state) == ["table.t/steps"]


def test_one_pass_is_not_worth_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training of a single pass writes none, and neither does a rows plan."""
    written: list[Checkpoint] = []
    monkeypatch.setattr(Checkpoints, "write", lambda _, checkpoint: written.append(checkpoint))
    once = TwoTowerTrainer(replace(SMALL, epochs=1, passes=2), seed=3, folder=tmp_path)
    parent = once.train(FULL, SCHEMA, None, _lesson())
    once.train(RefreshPlan("rows", "a test"), SCHEMA, parent, _lesson())
    assert written == []
    once.train(DENSE, SCHEMA, parent, _lesson())
    assert len(written) == 2
