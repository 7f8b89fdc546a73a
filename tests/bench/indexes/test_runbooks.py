"""Runbooks are read as they are written, scaled in proportion, and refused where they make no sense."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.bench.indexes.runbooks import Runbook, Step, read
from ratoon.domain.errors import DataError

GOOD = """
small:
  max_pts: 10
  1:
    operation: "insert"
    start: 0
    end: 10
large:
  max_pts: 100
  1: {operation: insert, start: 0, end: 100}
  2: {operation: search}
  3: {operation: replace, tags_start: 0, tags_end: 5, ids_start: 100, ids_end: 105}
  4: {operation: delete, start: 20, end: 40}
  gt_url: "somewhere"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "odd_runbook.yaml"
    path.write_text(text)
    return path


def test_the_largest_data_set_is_read(tmp_path: Path) -> None:
    """Its steps are in the order of their numbers; other keys are left alone."""
    steps = (
        Step("insert", range(100), range(100)),
        Step("search"),
        Step("replace", range(5), range(100, 105)),
        Step("delete", range(20, 40), range(20, 40)),
    )
    assert read(written(tmp_path, GOOD)) == Runbook("odd", "large", steps)
    assert read(written(tmp_path, GOOD)).span == 105


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", r"odd_runbook\.yaml: expected YAML, found"),
        ("- 1", r"odd_runbook\.yaml: expected data sets with numbered steps, found \[1\]"),
        ("{}", r"odd_runbook\.yaml: expected data sets with numbered steps, found \{\}"),
        ("set: 5", r"odd_runbook\.yaml, set: expected steps numbered from 1, found 0 numbered steps"),
        ("set: {2: {operation: search}}", r"set: expected steps numbered from 1, found 1 numbered steps"),
        ("set: {1: {operation: merge}}", r"set, step 1: expected operation: insert, delete, replace, search, found 'merge'"),
        ("set: {1: 7}", r"set, step 1: expected operation: .*, found None"),
        ("set: {1: {operation: insert, start: 5, end: 5}}", r"set, step 1: expected start and end: whole numbers .*\[5, 5\]"),
        ("set: {1: {operation: insert, start: -1, end: 5}}", r"set, step 1: expected start and end"),
        ("set: {1: {operation: delete, start: 0.5, end: 5}}", r"set, step 1: expected start and end"),
        ("set: {1: {operation: delete, end: 5}}", r"set, step 1: expected start and end: .*\[None, 5\]"),
        (
            "set: {1: {operation: replace, tags_start: 0, tags_end: 5, ids_start: 0, ids_end: 6}}",
            r"set, step 1: expected tags_start and tags_end and ids_start and ids_end: .*as many ids as vectors",
        ),
    ],
)
def test_a_malformed_runbook_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """What is wrong is said, with the file and the step."""
    with pytest.raises(DataError, match=message):
        read(written(tmp_path, text))


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 400)), min_size=1), st.integers(1, 300))
def test_scaling_keeps_order_and_gaps(spans: list[tuple[int, int]], most: int) -> None:
    """Ranges that touched touch, those that did not overlap do not, none passes the bound, and a small book stays as it is."""
    ranges = [range(start, start + length) for start, length in spans]
    book = Runbook("a", "b", tuple(Step("insert", one, one) for one in ranges))
    scaled = book.scaled(most)
    assert scaled.span <= max(most, 0)
    assert (scaled == book) == (book.span <= most) or scaled.span < book.span
    for old, new in zip(book.steps, scaled.steps, strict=True):
        for other, less in zip(book.steps, scaled.steps, strict=True):
            if old.ids.stop <= other.ids.start and new.ids and less.ids:
                assert new.ids.stop <= less.ids.start


def test_a_scaled_replacement_keeps_as_many_vectors_as_ids() -> None:
    """Rounding never leaves an id without a vector."""
    book = Runbook("a", "b", (Step("replace", range(3, 10), range(992, 999)), Step("insert", range(1_000), range(1_000))))
    for most in range(1, 400):
        step = book.scaled(most).steps[0]
        assert len(step.ids) == len(step.vectors)
