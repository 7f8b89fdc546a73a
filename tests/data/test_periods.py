"""Period files: the number of the file and the place of the line are the time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ratoon.data import read
from ratoon.domain.errors import DataError

MONDAY = datetime(2000, 1, 3, tzinfo=UTC)


def test_file_number_and_line_are_the_time(tmp_path: Path) -> None:
    """Period 10 comes after period 9; its lines keep their order inside the week; sessions are users, types are clicks."""
    (tmp_path / "period_10.txt").write_text("7 70\n8 80\n7 70\n")
    (tmp_path / "period_9.txt").write_text("7 1\n")
    (tmp_path / "README.md").write_text("not a period")
    rows = read(tmp_path, tmp_path / "aside" / "q.csv").events.to_pylist()
    assert [(row["user_id"], row["item_id"], row["type"], row["value"]) for row in rows] == [
        ("7", "1", "click", None),
        ("7", "70", "click", None),
        ("8", "80", "click", None),
        ("7", "70", "click", None),
    ]
    weeks = [(row["event_timestamp"] - MONDAY) / timedelta(weeks=1) for row in rows]
    assert 9 < weeks[0] < 10 < weeks[1] < weeks[2] < weeks[3] < 11


def test_lines_that_do_not_fit_are_put_aside(tmp_path: Path) -> None:
    """A line with one or three fields goes to quarantine and leaves the times of the others where they are; tabs will do."""
    (tmp_path / "period_0.txt").write_text("1\t5\n2\n3\t5\t9\n4\t5\n")
    found = read(tmp_path, tmp_path / "aside" / "q.csv")
    assert dict(found.reasons) == {"wrong number of fields": 2}
    assert [row["user_id"] for row in found.events.to_pylist()] == ["1", "4"]


@pytest.mark.parametrize("second", ["period_2.txt", "period_00.txt"])
def test_a_gap_in_time_is_an_error(tmp_path: Path, second: str) -> None:
    """A missing period, or one that stands twice, is not guessed around."""
    (tmp_path / "period_0.txt").write_text("1 5\n")
    (tmp_path / second).write_text("1 5\n")
    with pytest.raises(DataError, match=r"expected each of period_0\.txt to period_\d\.txt once, found .*" + second):
        read(tmp_path, tmp_path / "aside" / "q.csv")
