"""Posted items, embedded by a release's item tower."""

import numpy as np
import pyarrow as pa
import pytest

from ratoon.arrivals import Joined, embedded, put
from ratoon.domain.embedding import EmbeddingBatch
from ratoon.domain.encoding import Encoding, Vocabulary
from ratoon.domain.popularity import WIDTH
from ratoon.domain.release import Metric
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.index import ExactIndexes
from ratoon.towers import NumpyTowers
from ratoon.towers.forward import Weights

SCHEMA = TowerSchema(
    project="test",
    user=(),
    item=(
        Feature("item_id", "", "item", "id", "item_id"),
        Feature("genre", "v", "item", "category", "genre"),
        Feature("look", "v", "item", "vector", dim=1),
    ),
    display=("title", "genre"),
    filters=("price",),
)
ENCODING = Encoding({"item_id": Vocabulary(("known",)), "genre": Vocabulary(("drama",))})
WEIGHTS = Weights({"item_id": np.array([[0], [7]], np.float32), "genre": np.array([[0.25], [0.5]], np.float32)}, {})


def towers(metric: Metric, worth: int = 0) -> NumpyTowers:
    """Their vectors are the id's row, the genre's row, and the look with its presence."""
    return NumpyTowers(4, metric, SCHEMA, ENCODING, WEIGHTS, np.ones(worth, np.float32))


def table(**columns: list[object]) -> pa.Table:
    return pa.table({"item_id": [f"i{number}" for number in range(len(next(iter(columns.values()))))], **columns})


def vectors(**items: list[float]) -> EmbeddingBatch:
    ids = tuple(items)
    return EmbeddingBatch(ids, np.array(list(items.values()), np.float32), pa.table({"item_id": list(ids)}))


def test_an_unseen_item_lives_on_its_features() -> None:
    """Its id is the unknown one, its features count, what is missing is missing, and its columns go with it."""
    batch = embedded(towers("dot"), SCHEMA, table(genre=["drama", "unheard of"], title=["A", None]))
    assert batch.ids == ("i0", "i1")
    assert batch.vectors.tolist() == [[0, 0.5, 0, 0], [0, 0.25, 0, 0]]
    assert batch.columns.to_pylist()[0] == {"item_id": "i0", "title": "A", "genre": "drama", "price": None}


def test_nobody_has_had_it_yet() -> None:
    """Where vectors carry traits of popularity, it has those of an item without a single interaction."""
    batch = embedded(towers("dot", WIDTH), SCHEMA, table(genre=["drama"]))
    assert batch.vectors.tolist() == [[0, 0.5, 0, 0, *[0] * (WIDTH - 1), 1]]


def test_lengths_are_those_of_the_metric(caplog: pytest.LogCaptureFixture) -> None:
    """Under cosine every vector has length 1, and an item that cannot have one waits; others of its batch do not."""
    batch = embedded(towers("cosine"), SCHEMA, table(genre=["drama", "drama"], look=[[3.0], [1e30]]))
    assert batch.ids == ("i0",)
    assert np.linalg.norm(batch.vectors, axis=1) == pytest.approx([1.0])
    assert "item 'i1' waits for the next refresh: its features give no vector" in caplog.text


def test_only_what_is_alive_is_put() -> None:
    """Of a batch only the items that are alive at that moment enter the index; nothing of none does."""
    index = ExactIndexes().empty(4, "dot")
    batch = embedded(towers("dot"), SCHEMA, table(genre=["drama", "drama", None]))
    assert put(index, batch, {"i1", "i2", "elsewhere"}) == ("i1", "i2")
    assert index.ids() == ["i1", "i2"]
    assert put(index, batch, set()) == put(index, None, {"i1"}) == ()


def test_an_index_with_what_comes() -> None:
    """Before they are put, items that come are found beside those of the index, and stand for what it has of the same id."""
    index = ExactIndexes().empty(2, "dot")
    index.upsert(vectors(a=[1, 0], b=[2, 0]))
    joined = Joined(index, vectors(c=[3, 1], b=[4, 1]))
    assert [item in joined for item in ("a", "b", "c", "d")] == [True, True, True, False]
    assert joined.vectors(["c", "a", "b"]).tolist() == [[3, 1], [1, 0], [4, 1]]
    with pytest.raises(KeyError):
        joined.vectors(["d"])
