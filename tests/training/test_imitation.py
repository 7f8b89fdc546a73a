"""Teachers, and who imitates them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ratoon.domain.errors import DataError, UsageError
from ratoon.ports import Files, Lesson, Teaching
from ratoon.towers import open_towers
from ratoon.training import TwoTowerTrainer
from ratoon.training.checkpoints import FILE
from ratoon.training.imitation import Teachers
from tests.training.worlds import FULL, SCHEMA, SMALL, catalogue, interactions, lesson


@pytest.fixture(scope="module")
def taught() -> Lesson:
    return lesson(interactions(range(20), range(20), 300), catalogue(range(20)))


@pytest.fixture(scope="module")
def teachers(taught: Lesson) -> tuple[Files, ...]:
    """Two of other widths, lengths and temperatures, one of which reads histories by attention."""
    wide = TwoTowerTrainer(replace(SMALL, dim=12, hidden=32), seed=1).train(FULL, SCHEMA, None, taught)
    user = tuple(replace(one, kind="attention") if one.kind == "history" else one for one in SCHEMA.user)
    sharp = TwoTowerTrainer(replace(SMALL, temperature=0.2), seed=2).train(FULL, replace(SCHEMA, user=user), None, taught)
    return wide, sharp


def test_what_teachers_see_multiplies_to_the_mean_of_their_logits(taught: Lesson, teachers: tuple[Files, ...]) -> None:
    """The inner product of a user's and an item's columns is the mean over teachers of their score by temperature."""
    seen = Teachers(Teaching(teachers, 1.0)).seen
    found = seen("user", taught.new) @ seen("item", taught.catalogue).T
    towers, temperatures = [open_towers(files) for files in teachers], (0.1, 0.2)
    logits = [
        one.users(taught.new) @ one.items(taught.catalogue).T / unit for one, unit in zip(towers, temperatures, strict=True)
    ]
    np.testing.assert_allclose(found.numpy(), np.mean(logits, axis=0), atol=1e-4)


def test_a_student_of_teachers_alone_comes_to_say_what_they_say(taught: Lesson, teachers: tuple[Files, ...]) -> None:
    """Where all of the loss is imitation, the student's scores are closer to the teachers' than those of one without any."""
    settings = replace(SMALL, hidden=8, epochs=8)
    alone = TwoTowerTrainer(settings, seed=3).train(FULL, SCHEMA, None, taught)
    student = TwoTowerTrainer(settings, seed=3).train(FULL, SCHEMA, None, taught, Teaching(teachers[:1], 1.0))
    wanted = _shares(teachers[0], taught)
    assert _apart(_shares(student, taught), wanted) < 0.7 * _apart(_shares(alone, taught), wanted)


def _shares(files: Files, taught: Lesson) -> torch.Tensor:
    towers = open_towers(files)
    scores = towers.users(taught.new) @ towers.items(taught.catalogue).T / 0.1
    return torch.log_softmax(torch.from_numpy(scores), dim=1)


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((other.exp() * (other - one)).sum(1).mean())


def test_who_was_not_taught_to_rank_is_no_teacher(taught: Lesson) -> None:
    """A model of another objective is refused as a teacher, and may imitate nobody."""
    settings = replace(SMALL, objective="mse", metric="dot", epochs=1)
    rated = TwoTowerTrainer(settings, seed=1).train(FULL, SCHEMA, None, taught)
    with pytest.raises(DataError, match="teacher's objective: expected softmax"):
        TwoTowerTrainer(SMALL, seed=1).train(FULL, SCHEMA, None, taught, Teaching((rated,), 0.5))
    with pytest.raises(UsageError, match="expected softmax, to imitate others, found mse"):
        TwoTowerTrainer(settings, seed=1).train(FULL, SCHEMA, None, taught, Teaching((rated,), 0.5))


def test_a_teacher_that_has_learnt_is_found_again(tmp_path: Path, taught: Lesson, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training under a name leaves its end for a rerun, which makes no step; one without a name clears all that is kept."""
    trainer = TwoTowerTrainer(replace(SMALL, epochs=2), seed=1, folder=tmp_path)
    part = trainer.varied({"hidden": 32}, 5, "teacher-1")
    files = part.train(FULL, SCHEMA, None, taught)
    assert [path.name for path in tmp_path.iterdir()] == ["teacher-1.checkpoint"]
    monkeypatch.setattr("ratoon.durable.passed", [])
    monkeypatch.setenv("RATOON_FAULT", "training.step:1:eio")
    assert part.train(FULL, SCHEMA, None, taught) == files
    monkeypatch.setattr("ratoon.durable.passed", [])
    monkeypatch.setenv("RATOON_FAULT", "training.pass:1:eio")
    with pytest.raises(OSError, match="training.pass"):
        trainer.train(FULL, SCHEMA, None, taught, Teaching((files,), 0.5))
    assert {path.name for path in tmp_path.iterdir()} == {"teacher-1.checkpoint", FILE}
    monkeypatch.delenv("RATOON_FAULT")
    whole = TwoTowerTrainer(replace(SMALL, epochs=2), seed=1).train(FULL, SCHEMA, None, taught, Teaching((files,), 0.5))
    assert trainer.train(FULL, SCHEMA, None, taught, Teaching((files,), 0.5)) == whole
    assert list(tmp_path.iterdir()) == []


def test_another_teacher_is_another_training(tmp_path: Path, taught: Lesson, teachers: tuple[Files, ...]) -> None:
    """What was learnt from one teacher is not gone on from with another, or with another share."""
    settings, heard = replace(SMALL, epochs=2), list[str]()
    trainer = TwoTowerTrainer(settings, 1, lambda what, _: heard.append(what), folder=tmp_path, kept="student")
    for teaching in (Teaching(teachers[:1], 0.5), Teaching(teachers[1:], 0.5), Teaching(teachers[1:], 0.6)):
        trainer.train(FULL, SCHEMA, None, taught, teaching)
    assert heard.count("full from the beginning: the checkpoint is of another training") == 2
