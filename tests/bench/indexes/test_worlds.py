"""Worlds are kept in files that anybody can read, and made again if they are not what is asked for."""

from pathlib import Path

import numpy as np

from ratoon.bench.indexes.mixture import Mixture
from ratoon.bench.indexes.worlds import open_world


def silent(_what: str, _share: float) -> None:
    return None


def test_a_world_is_what_the_mixture_draws(tmp_path: Path) -> None:
    """Its items, in chunks or batches, are the mixture's, and its exact answers are those of brute force."""
    world = open_world(tmp_path, 1_500, silent, dim=16, k=10, queries=40)
    vectors = np.concatenate(list(Mixture(16).vectors(1_500)))
    assert np.array_equal(np.concatenate(list(world.chunks())), vectors)
    assert np.array_equal(np.load(world.folder / "items.npy").astype(np.float32), vectors)
    batches = list(world.batches())
    assert [item for batch in batches for item in batch.ids] == [f"i{row}" for row in range(1_500)]
    scores = world.array("judged") @ vectors.T
    assert np.allclose(world.truth().scores, -np.sort(-scores, axis=1)[:, :10], atol=1e-6)
    assert (world.array("tuning").shape, world.array("judged").shape) == ((20, 16), (40, 16))
    assert not np.array_equal(world.array("moved"), vectors.astype(np.float16))


def test_a_world_is_made_once(tmp_path: Path) -> None:
    """The second time it is only opened; with other arguments, or if the first attempt died, it is made again."""
    told: list[str] = []
    for queries in (40, 40, 30):
        told.clear()
        world = open_world(tmp_path, 1_500, lambda what, _: told.append(what), dim=16, k=10, queries=queries)
        made = len(told)
        assert len(world.array("judged")) == queries
    assert made == 4
    assert open_world(tmp_path, 1_500, lambda what, _: told.append(what), dim=16, k=10, queries=30) == world
    assert len(told) == 4
    (world.folder / "world.json").unlink()
    open_world(tmp_path, 1_500, lambda what, _: told.append(what), dim=16, k=10, queries=30)
    assert len(told) == 8
