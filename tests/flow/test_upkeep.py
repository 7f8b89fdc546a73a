"""Operations on a release, by the flow that judges and publishes what they make."""

import shutil
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pytest

from ratoon.cli.refreshing import raise_refused
from ratoon.domain.errors import GateRefused, UsageError
from ratoon.domain.popularity import WIDTH
from ratoon.judging import Pair
from ratoon.refresh import refresh
from ratoon.remaking import Remade, filled, reembedded, settled
from ratoon.upkeep import Operation
from ratoon.wiring import House
from ratoon.workshop import Task, Workshop
from tests.upkeep.remade import remade


@dataclass(frozen=True, slots=True)
class Spoilt(Operation):
    """A compression that went wrong."""

    name: ClassVar[str] = "spoilt"

    how: Literal["scale", "shuffle", "not"]

    def __call__(self, shop: Workshop, task: Task, source: Pair) -> Remade:
        """The source with its vectors scaled at random, shuffled, or made again as they are."""
        if self.how == "not":
            return Remade(reembedded(shop, task, source, source.model), self.said(task, "made again"))
        vectors, rng = source.index.vectors(source.index.ids()), np.random.default_rng(shop.seed)
        learnt = vectors[:, :-WIDTH]
        if self.how == "scale":
            learnt *= np.float32(2.0) ** rng.integers(-4, 5, (len(learnt), 1)).astype(np.float32)
        else:
            rng.shuffle(learnt)
        index = filled(shop, task, source, source.towers, vectors)
        return Remade(settled(shop, task, Pair(source.model, source.towers, index, source.upto)), self.said(task, "spoilt"))


@pytest.mark.parametrize("how", ["scale", "shuffle"])
def test_what_spoils_a_release_is_refused(house: House, how: Literal["scale", "shuffle"]) -> None:
    """A compression with wrong scales or shuffled rows is refused with reasons, and what is served stays."""
    before = house.registry("default").current()
    report = remade(house, Spoilt(how))
    assert report.outcome == "refused"
    assert report.verdict is not None
    assert "recall@50 on past held-out rows" in " ".join(report.verdict.reasons)
    assert house.registry("default").current() == before
    with pytest.raises(GateRefused, match="What is served stays") as refused:
        raise_refused(report)
    assert refused.value.exit_code == 3


def test_what_changes_nothing_is_published_and_told_of(house: House) -> None:
    """A candidate with the source's own vectors passes, keeps its window, and says what it was and what it took."""
    registry = house.registry("default")
    before = registry.get(None)
    report = remade(house, Spoilt("not"))
    assert report.outcome == "published"
    after = registry.get(None)
    assert (after.sequence, after.window, after.taught, after.scope) == (2, before.window, before.taught, "upkeep")
    assert report.plan.reason == "spoilt: made again"
    assert report.upkeep is not None
    assert (report.upkeep.source, report.upkeep.choice) == (before.id, "made again")
    assert report.upkeep.before is not None
    assert report.upkeep.after is not None
    assert report.upkeep.before.memory == report.upkeep.after.memory > 0
    told = report.upkeep.recall[50]
    assert {name for name, one in told.items() if one.rows} >= {"new", "past", "masked"}
    assert all(one.parent == one.candidate for one in told.values())
    assert told["masked"].parent != told["past"].parent
    assert registry.runs.all()[0].report.upkeep == report.upkeep
    learnt = refresh(house.workshop("default"), house.stopwatch())
    assert (learnt.outcome, learnt.window.start if learnt.window else None) == ("published", before.window.end)


def test_a_rehearsal_leaves_all_as_it_was(house: House) -> None:
    """What is only tried out is judged and told of; it publishes nothing, refuses nothing and pins nothing."""
    registry = house.registry("default")
    before = registry.releases()
    assert remade(house, Spoilt("shuffle"), rehearsed=True).outcome == "rehearsed"
    assert (registry.releases(), registry.refused(), registry.pinned()) == (before, [], None)


class Unwilling(Spoilt):
    """An operation that cannot do what it was asked."""

    def __call__(self, _shop: Workshop, _task: Task, _source: Pair) -> Remade:
        """Refuse it."""
        raise UsageError("--how", expected="something else", found=self.how, fix="Ask for something else.")


@pytest.mark.parametrize("rehearsed", [False, True])
def test_what_was_refused_unasked_pins_nothing(house: House, *, rehearsed: bool) -> None:
    """An operation that refuses its settings half-way leaves no window pinned, so that the next refresh sees what has come."""
    with pytest.raises(UsageError, match="--how"):
        remade(house, Unwilling("not"), rehearsed=rehearsed)
    assert house.registry("default").pinned() is None


@pytest.mark.parametrize("rehearsed", [False, True])
def test_before_the_first_release_there_is_nothing_to_make_one_of(house: House, *, rehearsed: bool) -> None:
    """Without a release nothing is made, learnt or published, whatever the operation."""
    shutil.rmtree(house.settings.paths.home / "releases")
    with pytest.raises(UsageError, match="--release: expected a release to compare with, found none"):
        remade(house, Spoilt("not"), rehearsed=rehearsed)
    assert house.registry("default").releases() == []


def test_a_release_that_is_not_there(house: House) -> None:
    """What is to be made of an unknown release is refused by name."""
    with pytest.raises(UsageError, match="the id of one published release"):
        remade(house, Spoilt("not"), "f00d")
