"""A surface's trial: beginning, promoting, ending, and dying at any moment of these."""

from pathlib import Path

import pytest

from ratoon.domain.errors import Conflict, StoreError, UsageError
from ratoon.domain.release import Release
from ratoon.domain.trial import Terms, Trial
from ratoon.ports import TrialRegistry
from ratoon.registry import FileRegistry
from tests.fakes import processes
from tests.registry.releases import content, published, release

SHADOW = Terms("shadow")


def begun(registry: FileRegistry, number: int = 7, terms: Terms = SHADOW) -> tuple[Release, Trial]:
    """A release on trial on top of what is current."""
    made = release(registry.current(), content(number), seed=number)
    return made, registry.trials.begin(made, content(number), terms)


def test_what_is_tried_is_not_published(registry: FileRegistry) -> None:
    """A release on trial can be read back byte for byte, has no number, and changes nothing of what is published."""
    port: TrialRegistry = registry.trials
    (current,) = published(registry, 1)
    made, trial = begun(registry, terms=Terms("canary", 5))
    assert port.running() == port.settled() == trial
    assert (trial.release, trial.parent, trial.terms) == (made.id, current.id, Terms("canary", 5))
    assert port.release(trial) == made
    assert port.load(made) == content(7)
    assert (registry.current(), registry.releases()) == (current, [current])


def test_promotion_publishes_and_numbers_it(registry: FileRegistry) -> None:
    """What is promoted is the next release with the tried content; nothing is on trial then, and the record says so."""
    (current,) = published(registry, 1)
    made, trial = begun(registry)
    new = registry.trials.promote()
    assert (new.id, new.sequence, new.parent) == (made.id, 2, current.id)
    assert (registry.current(), registry.load(new)) == (new, content(7))
    assert registry.trials.running() is registry.trials.begun() is None
    ((ended, how, reason),) = [(one.trial, one.how, one.reason) for one in registry.trials.ended()]
    assert (ended, how, reason) == (trial, "promoted", "number 2")


def test_ending_forgets_its_files(registry: FileRegistry, tmp_path: Path) -> None:
    """Nothing of an ended trial is left but why; the current release stays, and another trial may begin."""
    published(registry, 1)
    _, trial = begun(registry)
    assert registry.trials.end("too slow", how="fell back") == trial
    assert not (tmp_path / "releases" / "home" / "trial").exists()
    assert [(one.how, one.reason) for one in registry.trials.ended()] == [("fell back", "too slow")]
    _, second = begun(registry)
    assert second.id != trial.id
    registry.trials.end("late", of=trial)  # whoever means the first one does not end the second
    assert registry.trials.running() == second
    assert len(registry.trials.ended()) == 1


def test_what_cannot_be_begun(registry: FileRegistry) -> None:
    """A first release, one beside another trial, and one made on top of an older release are refused."""
    with pytest.raises(UsageError, match="--trial: expected a release to compare with, found none published"):
        begun(registry)
    late = release(published(registry, 1)[0], content(9), seed=9)
    made, _ = begun(registry)
    with pytest.raises(Conflict, match=f"trial: expected none on trial, found release {made.id[:12]}. `ratoon trial promote`"):
        begun(registry, 8)
    published(registry, 1)
    with pytest.raises(Conflict, match=f"CURRENT: expected release {late.parent[:12]}, found release"):
        registry.trials.begin(late, content(9), SHADOW)


def test_without_a_trial_nothing_is_promoted_or_ended(registry: FileRegistry) -> None:
    """Both say that there is none."""
    published(registry, 1)
    with pytest.raises(UsageError, match="trial: expected a release on trial, found none. `ratoon refresh --trial sh"):
        registry.trials.promote()
    with pytest.raises(UsageError, match="trial: expected a release on trial, found none"):
        registry.trials.end("why not")
    assert registry.trials.settled() is None


def test_a_trial_is_over_when_its_parent_is_not_current(registry: FileRegistry) -> None:
    """Then nobody is answered by it, it cannot be promoted, and looking after it ends it; so does the next one."""
    published(registry, 1)
    _, trial = begun(registry)
    published(registry, 1)
    assert (registry.trials.running(), registry.trials.begun()) == (None, trial)
    with pytest.raises(Conflict, match="CURRENT: expected release"):
        registry.trials.promote()
    assert registry.trials.settled() is None
    assert [(one.how, one.reason) for one in registry.trials.ended()] == [("ended", "another release was published meanwhile")]
    begun(registry)
    published(registry, 1)
    _, third = begun(registry, 8)
    assert registry.trials.running() == third
    assert [one.how for one in registry.trials.ended()] == ["ended", "ended"]


def test_damage_is_said(registry: FileRegistry, tmp_path: Path) -> None:
    """Files that are not what was made are refused before anything is published, and so is a note that cannot be read."""
    (current,) = published(registry, 1)
    made, _ = begun(registry)
    home = tmp_path / "releases" / "home"
    (home / "trial" / f"000000-{made.id[:12]}" / "index.faiss").write_bytes(b"other")
    with pytest.raises(StoreError, match=r"index\.faiss"):
        registry.trials.promote()
    assert registry.current() == current
    (home / "trials.jsonl").write_text("?")
    with pytest.raises(StoreError, match=r"trials\.jsonl: expected the JSON that was written there"):
        registry.trials.ended()
    (home / "trial.json").write_text("{}")
    with pytest.raises(StoreError, match=r"trial\.json: .* Delete it: what was tried is forgotten"):
        registry.trials.running()


POINTS = (
    "registry.staging registry.staged registry.renamed durable.before_rename registry.published trials.promoted "
    "durable.before_rename:2 trials.recorded"
).split()


@pytest.mark.parametrize("point", POINTS)
def test_killed_while_promoting(registry: FileRegistry, point: str) -> None:
    """CURRENT is the old release or the new one, whole; run again it is the new one, and the record says so once."""
    (old,) = published(registry, 1)
    made, trial = begun(registry)
    assert processes.run(registry.trials.promote, point) == processes.KILLED
    current = registry.current()
    assert current is not None
    swapped = point in ("registry.published", "trials.promoted", "durable.before_rename:2", "trials.recorded")
    assert current.id == (made.id if swapped else old.id)
    assert registry.load(current) == content(7 if swapped else 0)
    assert registry.trials.running() == (None if swapped else trial)
    assert registry.trials.promote().id == made.id
    assert registry.current() == registry.get(made.id)
    assert registry.trials.begun() is None
    assert [one.how for one in registry.trials.ended()] == ["promoted"]


@pytest.mark.parametrize("point", ["registry.staging:2", "registry.staged", "trials.shelved", "durable.before_rename"])
def test_killed_while_beginning(registry: FileRegistry, point: str) -> None:
    """Nothing is tried then, what is current stays, and the same can be begun again."""
    (old,) = published(registry, 1)
    made = release(old, content(7))
    assert processes.run(lambda: registry.trials.begin(made, content(7), SHADOW), point) == processes.KILLED
    assert (registry.trials.settled(), registry.current()) == (None, old)
    trial = registry.trials.begin(made, content(7), SHADOW)
    assert registry.trials.load(registry.trials.release(trial)) == content(7)


def test_killed_while_ending(registry: FileRegistry) -> None:
    """The reason is kept once, whenever it dies."""
    published(registry, 1)
    begun(registry)
    assert processes.run(lambda: registry.trials.end("bad"), "trials.recorded") == processes.KILLED
    registry.trials.end("bad")
    assert [one.reason for one in registry.trials.ended()] == ["bad"]
    assert registry.trials.begun() is None


def test_older_releases_are_forgotten_without_it(registry: FileRegistry) -> None:
    """A trial is no release: deleting old ones leaves it whole."""
    first, _ = published(registry, 2)
    made, trial = begun(registry)
    registry.forget(first.id)
    assert registry.trials.load(registry.trials.release(trial)) == content(7)
    assert registry.trials.promote().id == made.id
