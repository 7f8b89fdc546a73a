"""What every index answers over many queries and many exclusions: as if each were asked alone, and nothing else were there."""

import numpy as np
import pyarrow as pa
import pytest

from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.exclusions import Exclusions
from ratoon.domain.shift import Shift
from ratoon.ports import Indexes
from tests.contracts.test_index import filled, indexes, queries

__all__ = ["indexes"]


def test_exclusions_of_any_length(indexes: Indexes) -> None:
    """However many items are excluded, few or nearly all, the others are ranked as if those were not there at all."""
    index, asked = filled(indexes, 3_000), queries(11)
    lengths = [0, 0, 1, 15, 16, 17, 1_024, 1_025, 2_500, 2_999, 3_000]
    exclude = [[f"i{number}" for number in range(3_000 - length, 3_000)] for length in lengths]
    places = index.ranks(asked, [f"i{row}" for row in range(11)], 40, exclude).tolist()
    for row, found in enumerate(index.search(asked, 40, exclude)):
        rest = filled(indexes, 3_000)
        rest.remove(exclude[row])
        (alone,) = rest.search(asked[row : row + 1], 40)
        names = [item for item, _ in found]
        assert names == [item for item, _ in alone]
        assert names == list(index.best(asked, 40, exclude)[row])
        assert places[row] == (names.index(f"i{row}") if f"i{row}" in names else 40)


def test_ranks_are_those_of_the_search(indexes: Indexes) -> None:
    """Over more items and queries than are counted at once, and among many equal ones, a place is the one in the search."""
    index, asked = indexes.empty(8, "dot"), queries(2_100)
    ids = [f"i{number}" for number in np.random.default_rng(4).permutation(1_300)]
    vectors = np.random.default_rng(2).standard_normal((1_300, 8)).astype(np.float16).astype(np.float32)
    vectors[1::2] = vectors[:-1:2]  # every vector twice: ties all along
    index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids})))
    exclude = [ids[row % 50 : row % 50 + row % 30] for row in range(2_100)]
    found = index.search(asked, 60, exclude)
    wanted = [own[row % 60][0] if row % 3 else ids[row % 1_300] for row, own in enumerate(found)]
    places = [{item: place for place, (item, _) in enumerate(own)} for own in found]
    expected = np.array([own.get(item, 60) for own, item in zip(places, wanted, strict=True)])
    ranks = index.ranks(asked, wanted, 60, exclude)
    # Scores that differ by rounding alone may change places in one of the two.
    assert np.count_nonzero(ranks != expected) <= 2
    assert np.abs(ranks - expected).max() <= 1


@pytest.mark.parametrize("alike", [True, False])
def test_what_moved_counts_where_it_is_now(indexes: Indexes, alike: bool) -> None:
    """With amounts added to some items' scores, of all queries alike or each, both answers are those of vectors that say so."""
    rng, count = np.random.default_rng(3), 1_400
    index, then = (indexes.empty(9, "dot") for _ in range(2))
    vectors = np.concatenate([rng.integers(-2, 3, (count, 8)), np.zeros((count, 1))], axis=1).astype(np.float32)
    ids = [f"i{number}" for number in range(count)]
    asked = np.concatenate([rng.integers(-2, 3, (7, 8)), np.ones((7, 1))], axis=1).astype(np.float32)
    items = tuple(ids[place] for place in rng.permutation(count)[:300])
    amounts = rng.integers(-6, 7, (1 if alike else 7, 300)).astype(np.float32)
    exclude = Exclusions.of([ids[row : row + 20 * row] for row in range(7)]).hiding(["i1000", items[0], "unknown"])
    index.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids})))
    shift = Shift(items, index.vectors(items), amounts)
    found = index.best(asked, 30, exclude, shift)
    for row in range(7):
        moved = dict(zip(items, amounts[0 if alike else row].tolist(), strict=True))
        vectors[:, 8] = [moved.get(item, 0) for item in ids]
        then.upsert(EmbeddingBatch(tuple(ids), vectors, pa.table({"item_id": ids})))
        (wanted,) = then.search(asked[row : row + 1], 30, [exclude[row]])
        assert [item for item, _ in wanted] == list(found[row])
        assert index.ranks(asked, [wanted[9][0]] * 7, 30, exclude, shift)[row] == 9
        assert index.ranks(asked, [items[0]] * 7, 30, exclude, shift).tolist() == [30] * 7
