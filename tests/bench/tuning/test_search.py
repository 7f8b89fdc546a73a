"""The search, over a past that answers by arithmetic: what it asks, what it finds, and what a later session adds."""

import tomllib
from collections import Counter
from pathlib import Path

import pytest

from ratoon.bench.tuning import alone
from ratoon.bench.tuning.ground import Ground
from ratoon.bench.tuning.kept import opened
from ratoon.bench.tuning.search import END, Search
from ratoon.config import Paths, Settings, Training
from ratoon.domain.errors import Conflict, DataError, StoreError, UsageError
from ratoon.wiring import House
from tests.bench.tuning.grounds import Given, searched

NEWEST = 900
PRESENT = Training().temperature


def test_better_settings_are_found_and_told(tmp_path: Path) -> None:
    """The present 0.1 is 0.05 from the best: what is found is nearer, better on every slice for certain, and is to be applied."""
    ground, said = Given(tmp_path), list[str]()
    found = searched(ground, 60.0, said)
    assert found.outcome == "certainly better"
    (was, is_now) = found.changed["temperature"]
    assert was == PRESENT
    assert abs(is_now - 0.05) < 0.03
    assert found.present == (0.45,) * 4
    assert all(best > 0.47 for best in found.best)
    assert found.median_best - found.median_present == pytest.approx(found.judged.mean)
    assert found.judged.low > 0
    applied = tomllib.loads(found.apply)["training"]
    assert applied == {name: value for name, (_, value) in found.changed.items()}
    assert all(value != getattr(Training(), name) for name, value in applied.items())
    assert Training.model_validate(applied).temperature == is_now
    assert any("settings 5, slice 1 of 3; best so far +0.0" in each for each in said)


def test_the_newest_slice_chooses_nothing(tmp_path: Path) -> None:
    """It is asked of the present settings and of the best alone, which on it are worse here: then nothing is to be applied."""
    ground = Given(tmp_path, lambda temperature, cut: -0.2 if cut == NEWEST and temperature != PRESENT else 0.0)
    found = searched(ground, 60.0)
    assert [cut for _, cut in ground.asked].count(NEWEST) == 2
    assert (found.outcome, found.apply) == ("not held", "")
    assert found.searched.mean > 0 > found.judged.high


def test_most_settings_are_given_up_early(tmp_path: Path) -> None:
    """After the oldest slice only the best go on, so that it is asked most; nothing is asked twice."""
    ground = Given(tmp_path)
    found = searched(ground, 60.0)
    asked = Counter(cut for _, cut in ground.asked)
    assert asked[600] > 1.4 * asked[700]
    assert asked[700] == asked[800] > asked[NEWEST] == 2
    assert asked[600] - asked[700] - found.dropped in (0, 1)  # one may have been under way at the end


def test_where_nothing_is_better_the_settings_stay(tmp_path: Path) -> None:
    """Whatever is tried loses: the newest slice is asked of the present settings alone."""
    ground = Given(tmp_path, lambda temperature, _cut: 0.0 if temperature == PRESENT else -0.3)
    found = searched(ground, 40.0)
    assert (found.outcome, found.apply, found.best, found.judged) == ("nothing better", "", (), None)
    assert [cut for _, cut in ground.asked].count(NEWEST) == 1


def test_a_later_session_goes_on(tmp_path: Path) -> None:
    """It asks nothing that is known, draws other settings, stays at the log's end of the first one, and adds up the time."""
    first, second = Given(tmp_path), Given(tmp_path)
    before = searched(first, 30.0)
    second.end = 5_000
    after = searched(second, 30.0)
    assert not set(first.settings) & set(second.settings)
    assert len(set(first.settings)) == len(first.settings)
    assert after.tried + after.dropped > before.tried + before.dropped
    assert after.searched.mean >= before.searched.mean
    assert (after.end, after.seconds) == (1_000, pytest.approx(first.now + second.now))


def test_a_budget_too_small_is_told_and_not_lost(tmp_path: Path) -> None:
    """With time for two slices of the present settings nothing is compared; the next session has the other two to ask."""
    first, second = Given(tmp_path), Given(tmp_path)
    found = searched(first, 2.2)
    assert (found.outcome, found.present, found.tried, found.dropped) == ("unfinished", (0.45, 0.45), 0, 0)
    assert searched(second, 30.0).outcome == "certainly better"
    assert [cut for temperature, cut in second.asked if temperature == PRESENT][:2] == [800, NEWEST]


def test_a_session_that_was_killed_is_gone_on_with(tmp_path: Path) -> None:
    """The settings it was at come first; a line that it had only begun is left out."""
    searched(Given(tmp_path), 20.0)
    broken = Given(tmp_path)
    broken.fails_at = 6.0
    with pytest.raises(KeyboardInterrupt):
        searched(broken, 20.0)
    file = tmp_path / "study.journal"
    study = opened(file)
    (running,) = [trial for trial in study.trials if trial.state.name == "RUNNING"]
    with file.open("ab") as lines:
        lines.write(b'{"op_code":8,"worker_id":"half a')
    after = Given(tmp_path)
    found = searched(after, 20.0)
    assert found.outcome == "certainly better"
    assert 20.0 + 20.0 < found.seconds <= 20.5 + 6.0 + 20.5 + 2.0
    assert after.asked[0][0] == pytest.approx(running.params["temperature"], rel=0.06)


def test_answers_to_other_questions_are_refused(tmp_path: Path) -> None:
    """Where somebody was forgotten since, what was answered does not compare, and a study that is damaged says so."""
    searched(Given(tmp_path), 5.0)
    other = Given(tmp_path)
    other.known = "2"
    with pytest.raises(UsageError, match=r"events there were forgotten, or features changed\. Begin anew with --anew"):
        searched(other, 5.0)
    (tmp_path / "study.journal").write_bytes(b"{}\n{}\n")
    with pytest.raises(StoreError, match="expected a study of `ratoon upkeep tune`"):
        searched(Given(tmp_path), 5.0)


def test_one_search_at_a_time(tmp_path: Path) -> None:
    """A second process that searches in the same study is told that there is one."""
    with (
        alone(tmp_path / "a.journal"),
        pytest.raises(Conflict, match="no other search in a.journal"),
        alone(tmp_path / "a.journal"),
    ):
        pass


def test_too_little_past_begins_no_study(tmp_path: Path) -> None:
    """A search of a log that is too short leaves no study that would stay at that log's end when more has come."""
    ground = Ground(House(Settings(paths=Paths(home=tmp_path))), "default", 20, 4)
    file = tmp_path / "a.journal"
    with pytest.raises(
        DataError, match="^tune: expected 1,000 events before the first of 4 slices, and 50 in each, found 12 and 2"
    ):
        Search(ground, file, lambda: 0.0, lambda _what, _share: None)
    assert END not in opened(file).user_attrs
