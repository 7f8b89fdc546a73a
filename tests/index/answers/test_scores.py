"""Scores, and how recall counts."""

import numpy as np
import pyarrow as pa

from ratoon.index.answers.held import Held
from ratoon.index.answers.scores import CHUNK, exact_scores, recall_of
from ratoon.index.items.slots import Slots


def slots(*ids: str) -> Slots:
    """Slots that hold these ids, without columns."""
    made = Slots()
    made.put(ids, pa.table({"item_id": list(ids)}))
    return made


def test_scores_do_not_cancel() -> None:
    """Sums are taken in float64: a large part and its opposite leave the small part between them."""
    query = np.array([[1, 1, 1]], np.float32)
    assert exact_scores(query, np.array([[1e8, 1, -1e8]], np.float32)).tolist() == [[1.0]]


def test_recall_counts_ties_and_only_once() -> None:
    """Any of several tied items is right; a worse item is not, and one item twice is one hit."""
    vectors = np.array([[3.0], [2.0], [2.0], [1.0]], np.float32)
    query, named = np.ones((1, 1), np.float32), slots("a", "b", "c", "d")
    held = Held(vectors, np.arange(4))
    assert recall_of([[("a", 3.0), ("c", 2.0)]], query, held, named, 2) == 1.0
    assert recall_of([[("a", 3.0), ("d", 1.0)]], query, held, named, 2) == 0.5
    assert recall_of([[("a", 3.0), ("a", 3.0)]], query, held, named, 2) == 0.5
    assert recall_of([[]], query, held, named, 2) == 0.0


def test_recall_over_many_queries() -> None:
    """Recall does not depend on how queries fall into chunks."""
    vectors, named = np.array([[1.0], [0.0]], np.float32), slots("a", "b")
    found = [[("a", 1.0)] if row % 4 else [("b", 0.0)] for row in range(2 * CHUNK + 8)]
    assert recall_of(found, np.ones((len(found), 1), np.float32), Held(vectors, np.arange(2)), named, 1) == 0.75
