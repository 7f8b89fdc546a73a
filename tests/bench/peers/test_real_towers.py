"""Two releases of a few visits, as vectors: what a world is written from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ratoon.bench.indexes import towers
from ratoon.bench.peers import real_towers
from ratoon.domain.embedding import Vectors
from ratoon.judging import Pair
from ratoon.workshop import Workshop

ROOT = Path(__file__).parents[3]
WEEKS, VISITS, ITEMS = 5, 60, 40


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    """A set in the layout of diginetica: each visit stays among neighbouring items."""
    random, folder = np.random.default_rng(0), tmp_path / "set"
    folder.mkdir()
    for week in range(WEEKS):
        begin = random.integers(0, ITEMS, VISITS)
        lines = [f"{week * VISITS + visit} {(begin[visit] + step) % ITEMS}\n" for visit in range(VISITS) for step in range(5)]
        (folder / f"period_{week}.txt").write_text("".join(lines))
    return folder


def test_two_releases_become_a_world(tmp_path: Path, visits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All items of the first release have vectors in both, those of the second differ, and users of before and after it ask."""
    monkeypatch.chdir(ROOT)
    plain, held = real_towers._unrounded, list[tuple[Vectors, Vectors]]()

    def unrounded(shop: Workshop, pair: Pair, ids: Sequence[str]) -> Vectors:
        found = plain(shop, pair, ids)
        held.append((found, pair.index.vectors(ids)))
        return found

    monkeypatch.setattr(real_towers, "_unrounded", unrounded)
    said = real_towers.made([str(visits), str(tmp_path / "cache")])
    world = towers.opened(tmp_path / "cache")
    assert towers.there(tmp_path / "cache", visits)
    assert (world.items, world.metric) == (ITEMS, "dot")
    assert 0 < said["moved"] <= ITEMS
    assert said["story"] == f"{3 * VISITS * 5} clicks learnt, {VISITS * 5} more by the next release"
    items = np.concatenate(list(world.chunks()))
    assert items.shape == (ITEMS, world.dim)
    assert not (items == world.array("moved")).all(axis=1).any()
    assert np.allclose(*held[0], atol=1e-6)  # so few items are kept as they are
    assert len(world.array("judged")) > len(world.array("tuning")) > 0
