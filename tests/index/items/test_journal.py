"""What is remembered of edits, and what is not."""

import numpy as np

from ratoon.index.items.journal import FEW, Edit, Journal


def edit(rows: int) -> Edit:
    """An edit of the first `rows` slots."""
    return Edit(np.arange(rows), {"n": [0] * rows})


def test_edits_come_back_in_order() -> None:
    """From any number on, all edits since; one of no rows is none."""
    journal, edits = Journal(), [edit(1), edit(2), edit(3)]
    for one in (*edits, edit(0)):
        journal.note(one, 10)
    assert journal.end == 3
    assert [journal.since(number) for number in range(4)] == [edits, edits[1:], edits[2:], []]


def test_the_older_half_is_forgotten() -> None:
    """Beyond as many rows as an eighth of the items, who is too far behind learns that, and who is not, what is new."""
    journal = Journal()
    for _ in range(FEW):
        journal.note(edit(1), 8 * FEW)
    assert len(journal.since(0) or ()) == FEW
    journal.note(edit(1), 8 * FEW)
    assert journal.since(0) is None
    assert journal.end == FEW + 1
    assert len(journal.since(FEW) or ()) == 1
    journal.note(edit(3 * FEW), 8 * FEW)
    assert journal.since(journal.end - 1) is None
    assert journal.since(journal.end) == []


def test_all_can_be_forgotten() -> None:
    """Then whoever was up to date is not any more."""
    journal = Journal()
    journal.note(edit(1), 10)
    before = journal.end
    journal.forget()
    assert journal.since(before) is None
    assert journal.since(journal.end) == []
