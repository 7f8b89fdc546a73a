"""A replay's figures: per policy over all questions, beside the first policy's."""

from dataclasses import replace
from pathlib import Path

import pytest

from ratoon.bench.backtests import told
from ratoon.bench.jobs.policies import rows, rows_of
from tests.bench.backtests.days import DAYS, day, refreshed


def test_quality_and_cost_of_each_policy() -> None:
    """Recall is over all questions, cost over all refreshes; both are told beside the first policy's, and day by day."""
    dense, adaptive = told(DAYS)
    assert (dense.policy, dense.questions, dense.difference) == ("dense", 6, None)
    assert dense.recall.mean == pytest.approx(2 / 6)
    assert adaptive.recall.mean == pytest.approx(4 / 6)
    assert adaptive.difference is not None
    assert adaptive.difference.mean == pytest.approx(2 / 6)
    assert adaptive.difference.low <= 2 / 6 <= adaptive.difference.high
    assert (dense.cpu_seconds, dense.share, dense.scopes) == (40.0, 1.0, {"dense": 3})
    assert (adaptive.cpu_seconds, adaptive.share, adaptive.scopes) == (4.0, 0.1, {"rows": 1, "skipped": 1, "refused": 1})
    assert (adaptive.days, adaptive.spent) == ((0.75, None, 0.5), (1.5, 1.5, 4.0))


def test_questions_count_what_they_weigh() -> None:
    """A question of three times the weight counts three times."""
    one = day(0, {"p": (True, False)}, {"p": refreshed(1.0)})
    (found,) = told([replace(one, weights=(3.0, 1.0))])
    assert (found.recall.mean, found.days) == (0.75, (0.75,))


def test_of_no_questions_nothing_is_told() -> None:
    """Days on which nothing counted have no figures."""
    assert told([DAYS[1]]) == []


def test_the_bars_of_the_table() -> None:
    """Equal or better recall at a quarter of the cost holds; a little less recall, or a little more cost, does not."""
    dense, adaptive = told(DAYS)
    assert [row.holds for row in rows_of(dense, adaptive, 3)] == [True, True]
    assert "0.3333 against 0.6667" in rows_of(dense, adaptive, 3)[0].against
    worse, dearer = replace(adaptive, recall=replace(adaptive.recall, mean=0.33)), replace(adaptive, share=0.2501)
    assert [row.holds for row in rows_of(dense, worse, 3)] == [False, True]
    assert [row.holds for row in rows_of(dense, dearer, 3)] == [True, False]


def test_without_the_set_nothing_is_measured(tmp_path: Path) -> None:
    """Where the set is not beside the scratch folder both rows say so, and neither bar holds."""
    found = rows(tmp_path / "scratch", 1.0)
    assert [(row.value, row.unit, row.holds) for row in found] == [(None, "not run", False)] * 2
    assert str(tmp_path) in found[0].against
