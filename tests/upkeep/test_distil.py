"""A student of wider teachers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ratoon import config
from ratoon.domain.errors import UsageError
from ratoon.refresh import refresh
from ratoon.towers import open_own
from ratoon.upkeep.distil import Distil
from ratoon.wiring import House
from tests.upkeep.remade import remade

SMALL = Distil(hidden=8, teachers=2, teacher_hidden=32, teacher_dim=24)


def test_a_killed_distillation_ends_as_an_undisturbed_one(copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow student is published, told of beside itself alone; died in its own training, a rerun ends in the same release.

    A rows refresh goes on from it at its width.
    """
    files = [copied(name) for name in ("whole", "broken")]
    for file in files:  # of a student of 8 units the gate would say what it thinks
        file.write_text(f"{file.read_text()}\n[gate]\ntolerance = 0.5\ntaste = 0.5\n")
    whole, broken = (House(config.load(file, environment={})) for file in files)
    report = remade(whole, SMALL)
    assert report.outcome == "published"
    assert report.upkeep is not None
    assert report.upkeep.choice == "a student of width 8 of 2 teachers of width 32 and length 24"
    assert [point.name for point in report.upkeep.curve] == ["alone", "taught"]
    registry = whole.registry("default")
    published = registry.load(registry.get(None))
    assert open_own(published).weights.layers["user.b1"].shape == (8,)
    assert json.loads(published["upkeep.json"])[0]["settings"]["teachers"] == 2

    folder = broken.home / "releases" / "default" / "training"
    monkeypatch.setattr("ratoon.durable.passed", [])
    monkeypatch.setenv("RATOON_FAULT", "training.pass:7:eio")  # two passes of each of two teachers and the student alone
    before = broken.registry("default").current()
    with pytest.raises(OSError, match="training.pass"):
        remade(broken, SMALL)
    monkeypatch.delenv("RATOON_FAULT")
    assert broken.registry("default").current() == before
    kept = {path.name for path in folder.iterdir()}
    assert kept == {"alone.checkpoint", "passes.checkpoint", "teacher-1.checkpoint", "teacher-2.checkpoint"}
    assert remade(broken, SMALL).release == report.release
    assert list(folder.iterdir()) == []

    assert refresh(whole.workshop("default"), whole.stopwatch(), "rows").outcome == "published"
    assert open_own(registry.load(registry.get(None))).weights.layers["user.b1"].shape == (8,)


def test_another_release_teaches(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release of the same features is taken as a teacher by its id; one that is not there, or reads others, is refused."""
    registry = house.registry("default")
    current = registry.get(None)
    report = remade(house, Distil(teacher=current.id[:12]))
    assert report.upkeep is not None
    assert report.upkeep.choice == f"a student of release {current.id[:12]}"
    with pytest.raises(UsageError, match="the id of one published release"):
        remade(house, Distil(teacher="f00d"))
    monkeypatch.setattr("ratoon.domain.schema.TowerSchema.hash", property(lambda schema: str(id(schema))))
    with pytest.raises(UsageError, match=f"--teacher: expected a release that reads the features .* found {current.id[:12]}"):
        remade(house, Distil(teacher=current.id[:12]))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hidden": 0}, "--hidden: expected at least 1, found 0"),
        ({"teachers": 0}, "--teachers: expected at least 1, found 0"),
        ({"teachers": 17}, "--teachers: expected at most 16, found 17"),
        ({"teacher_dim": 0}, "--teacher-dim: expected at least 1, found 0"),
        ({"share": 0.0}, "--share: expected above 0 and at most 1, found 0.0"),
    ],
)
def test_settings_that_teach_nothing_are_refused(settings: dict[str, Any], said: str) -> None:
    """By the option's name, with what was expected and found."""
    with pytest.raises(UsageError, match=said):
        Distil(**settings)
