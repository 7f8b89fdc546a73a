"""What a search is told to have found, and its picture."""

from xml.etree import ElementTree

import pytest

from ratoon.bench.tuning.picture import page
from ratoon.bench.tuning.told import Sheet, Tuned, told
from tests.pictures.pages import rows, section, text

NOW = {"temperature": 0.1, "epochs": 3}
ABOUT = ("default", 50, 1_000, "study.journal")
USERS = [f"u{place}" for place in range(100)]


def sheet(present: int, best: int | None = None) -> Sheet:
    """A slice of 100 questions of a user each, of which so many are answered."""
    now, then = ([place < count for place in range(100)] for count in (present, best or 0))
    return Sheet(USERS, [1.0] * 100, now, () if best is None else then)


def found(*pairs: tuple[int, int]) -> Tuned:
    sheets = [sheet(present, best) for present, best in pairs]
    return told(ABOUT, sheets, NOW, {"temperature": 0.07, "epochs": 3}, 60.0, (4, 9))


def test_the_best_is_told_beside_what_is_set() -> None:
    """Recall by slice, medians, the difference on the searched slices and on the newest, and the line that changes."""
    one = found((20, 30), (30, 50), (40, 60))
    assert (one.present, one.best) == ((0.2, 0.3, 0.4), (0.3, 0.5, 0.6))
    assert (one.median_present, one.median_best, one.questions) == (0.3, 0.5, (100, 100, 100))
    assert one.searched is not None
    assert one.judged is not None
    assert [one.searched.mean, one.judged.mean] == pytest.approx([0.15, 0.2])
    assert (one.outcome, one.changed) == ("certainly better", {"temperature": (0.1, 0.07)})
    assert one.apply == "[training]\ntemperature = 0.07  # instead of 0.1"


def test_a_gain_that_is_not_certain_is_called_so() -> None:
    """One question more on the newest slice is better, not certainly; none more is not, and nothing is to be applied."""
    assert (found((20, 30), (40, 41)).outcome, bool(found((20, 30), (40, 41)).apply)) == ("better", True)
    assert (found((20, 30), (40, 40)).outcome, found((20, 30), (40, 40)).apply) == ("not held", "")


def test_questions_count_what_they_weigh() -> None:
    """A question of three times the weight counts three times, in recall and in the difference."""
    heavy = Sheet(("a", "b"), (3.0, 1.0), (False, True), (True, True))
    one = told(ABOUT, [heavy, heavy], NOW, {**NOW, "epochs": 1}, 1.0, (1, 0))
    assert (one.present, one.best) == ((0.25, 0.25), (1.0, 1.0))
    assert one.judged is not None
    assert one.judged.mean == 0.75


def test_before_anything_is_better() -> None:
    """Where others were tried nothing was better; where none were the search is unfinished, with or without a slice."""
    assert told(ABOUT, [sheet(20), sheet(30)], NOW, None, 9.0, (3, 1)).outcome == "nothing better"
    assert told(ABOUT, [sheet(20)], NOW, None, 9.0, (0, 0)).outcome == "unfinished"
    empty = told(ABOUT, [], NOW, None, 9.0, (0, 0))
    assert (empty.median_present, empty.present) == (None, ())
    assert list(ElementTree.fromstring(page(empty)).iter("section")) == []


def test_it_is_drawn() -> None:
    """Both lines over all slices, both differences, and each setting that differs with what it replaces."""
    drawn = ElementTree.fromstring(page(found((20, 30), (30, 50), (40, 60))))
    lines = section(drawn, "recall@50, learnt up to a cut").iter("polyline")
    assert [len(one.attrib["points"].split()) for one in lines] == [3, 3]
    assert [row[:2] for row in rows(section(drawn, "The difference"))] == [
        ["slices that it was chosen by", "+0.1500"],
        ["newest slice", "+0.2000"],
    ]
    assert rows(section(drawn, "What differs")) == [["temperature", "0.1", "0.07"]]
    assert "certainly better" in text(drawn)
    assert "Not to be applied" in text(ElementTree.fromstring(page(found((20, 30), (40, 30)))))
