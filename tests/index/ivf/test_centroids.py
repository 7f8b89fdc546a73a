"""Where lists begin."""

import numpy as np

from ratoon.domain.dial import Dial
from ratoon.domain.embedding import Vectors
from ratoon.index.ivf.centroids import lengthened, shape_for
from ratoon.index.ivf.lists import Lists
from tests.index.mixtures import mixture


def test_what_queries_do_not_use_does_not_part_vectors() -> None:
    """With a dimension that is large in items and tiny in queries, knowing the queries finds more in as many lists."""
    made = mixture(1, 50)
    items = np.concatenate([made.items(4_000), made.rng.uniform(0, 10, (4_000, 1))], axis=1).astype(np.float32)
    queries = np.concatenate([made.queries(200), np.full((200, 1), 0.01)], axis=1).astype(np.float32)
    exact = np.argsort(-(queries @ items.T), axis=1)[:, :20]
    known, unknown = (_found(items, queries, told, exact) for told in (queries[:100], None))
    assert known > unknown + 0.2


def _found(items: Vectors, queries: Vectors, told: Vectors | None, exact: np.ndarray) -> float:
    lists = Lists(shape_for(Dial(100, "flat"), items, told))
    lists.put(np.arange(len(items)), lists.assigned(items), lists.encoded(items))
    found = lists.search(queries, 20, 8)[1]
    return float(np.mean([np.isin(own, best).mean() for own, best in zip(exact, found, strict=True)]))


def test_the_same_sample_gives_the_same_shape() -> None:
    """Centroids and what a codec learns are the same bytes for the same vectors."""
    made = [shape_for(Dial(30, "sq8"), mixture(2, 9).items(800), mixture(3, 9).queries(50)) for _ in range(2)]
    for name in ("centroids", "scale", "trained"):
        assert getattr(made[0], name).tobytes() == getattr(made[1], name).tobytes()


def test_a_mean_is_as_long_as_its_vectors() -> None:
    """The mean of two unit vectors at a right angle is made as long as they are; that of none, or of opposites, stays."""
    vectors = np.eye(2, dtype=np.float32)
    np.testing.assert_allclose(lengthened(vectors.mean(axis=0), vectors), [0.5**0.5, 0.5**0.5], rtol=1e-6)
    assert lengthened(vectors[0], vectors[:0]).tolist() == [1, 0]
    assert lengthened(np.zeros(2, np.float32), vectors).tolist() == [0, 0]
