"""Items and users are drawn as their sizes say, and each filter lets through what it is named by."""

import numpy as np

from ratoon.bench.serving.crowd import CATEGORIES, Crowd, item_ids, user_ids


def test_vectors_are_of_length_one_and_always_the_same() -> None:
    """Whoever asks for the same sizes gets the same vectors; all of length 1."""
    crowd, again = Crowd(3_000, 100), Crowd(3_000, 100)
    for name in ("vectors", "tastes"):
        made = getattr(crowd, name)()
        assert np.allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
        assert np.array_equal(made, getattr(again, name)())


def test_a_taste_is_near_some_clusters_and_far_from_most_items() -> None:
    """A user's best items score far above the rest: there is something to be found."""
    crowd = Crowd(3_000, 50)
    scores = np.sort(crowd.tastes() @ crowd.vectors().T, axis=1)
    assert (scores[:, -20:].mean(axis=1) > 0.4).all()
    assert np.abs(np.median(scores)) < 0.1


def test_items_that_move_go_elsewhere() -> None:
    """Moved vectors are others than before, and others again with another stream."""
    crowd, rows = Crowd(3_000, 10), np.arange(100)
    one, two = crowd.moved(rows, 100), crowd.moved(rows, 200)
    assert (np.einsum("ij,ij->i", one, crowd.vectors()[rows]) < 0.99).all()
    assert not np.array_equal(one, two)


def test_filter_columns_are_spread_evenly() -> None:
    """`price <= x` is true of x % of the items, and each category holds its share."""
    crowd = Crowd(20_000, 10)
    assert abs((crowd.prices() <= 50).mean() - 0.5) < 0.02
    assert abs((crowd.categories() == 7).mean() - 1 / CATEGORIES) < 0.01


def test_ids_are_rows() -> None:
    """An item's id is its row after an `i`, a user's after a `u`."""
    assert (item_ids(np.array([0, 12])), user_ids(np.array([3]))) == (["i0", "i12"], ["u3"])
