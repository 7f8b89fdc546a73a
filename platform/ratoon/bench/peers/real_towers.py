"""The world of the real towers for `ratoon bench index`: a release from some weeks of diginetica, and the one after it.

    python real_towers.py SET CACHE

SET: the folder of the set. CACHE: where worlds are kept. The last line says what was made, as JSON.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ratoon import config
from ratoon.bench.indexes.towers import DELTA, EPOCHS, WEEKS, Drawn, keep, made_of, story
from ratoon.bench.indexes.worlds import QUERIES
from ratoon.bench.refreshes.worlds import open_world
from ratoon.domain.delta import part
from ratoon.domain.embedding import Vectors
from ratoon.judging import Pair, questions, user_vectors
from ratoon.refresh import refresh
from ratoon.wiring import House
from ratoon.workshop import Workshop, opened

SURFACE = "towers"


def drawn(events: pa.Table, history: int, feature_repo: Path, home: Path) -> Drawn:
    """Learn the history, publish, learn the rest, publish; both releases' vectors of the items of the first.

    Args:
        events: EVENT_SCHEMA, in time order; the first `history` of them are known to the first release.
        home: an empty folder, where state lives.
    """
    house = House(
        config.Settings(
            paths=config.Paths(home=home, feature_repo=feature_repo),
            clock=config.Clock(mode="log"),
            training=config.Training(epochs=EPOCHS),
            gate=config.Gate(index_recall=0.0),  # how much the index returns is for the bench to tell
            surfaces={SURFACE: config.Surface(repeat="allow")},
        )
    )
    shop = house.workshop(SURFACE, lambda *_: None)
    house.log.load([events.slice(0, history)])
    shop.features.ingest()
    first, ids = _released(house, shop), shop.log.catalogue(history)
    items = _unrounded(shop, first, ids)
    house.log.append(events.slice(history), backfill=True)
    shop.features.ingest()
    tuning = _asked(shop, first, max(0, history - DELTA), history, QUERIES // 2, fit=True)
    judged = _asked(shop, first, history, events.num_rows, QUERIES, fit=False)
    after = _released(house, shop).index.vectors(ids)
    told = f"{history:,} clicks learnt, {events.num_rows - history:,} more by the next release"
    return Drawn(items, after, tuning, judged, first.towers.metric, told)


def _released(house: House, shop: Workshop) -> Pair:
    report = refresh(shop, house.stopwatch(lambda _: None), None)
    release = shop.registry.current()
    assert report.outcome == "published", report.verdict
    assert release is not None
    return opened(shop, release)


def _unrounded(shop: Workshop, pair: Pair, ids: Sequence[str]) -> Vectors:
    """The items of a release that has just embedded all of them, as its tower says them: its index may hold them in float16."""
    vectors, width = pair.towers.items(shop.features.items(ids, shop.features.window(None).as_of)), len(pair.towers.popularity)
    vectors[:, vectors.shape[1] - width :] = pair.index.vectors(ids)[:, vectors.shape[1] - width :]
    return vectors


def _asked(shop: Workshop, pair: Pair, start: int, end: int, count: int, *, fit: bool) -> Vectors:
    """The vectors of the users of so many of the interactions at these positions, evenly spread over them."""
    window = replace(shop.features.window(None), start=start, end=end)
    rows = shop.features.delta(window, window, ()).interactions
    asked = questions(shop.log, part(rows, "fit") if fit else rows, shop.labels)
    places = np.unique(np.linspace(0, len(asked) - 1, min(count, len(asked))).astype(np.int64))
    return user_vectors(pair, asked.where(np.isin(np.arange(len(asked)), places)))


def made(arguments: Sequence[str]) -> dict[str, Any]:
    """Make the world that the arguments say."""
    folder, cache = map(Path, arguments)
    with tempfile.TemporaryDirectory(prefix="ratoon-bench-") as scratch:
        whole = open_world("diginetica", folder, Path(scratch), 1.0, WEEKS + 1)
        begin, last = whole.bounds[0], whole.bounds[WEEKS]
        events = whole.events.slice(begin, last + DELTA - begin)
        feature_repo = config.load().paths.feature_repo
        found = drawn(events, last - begin, feature_repo, Path(scratch) / "home")
    keep(cache, found, made_of(folder))
    return story(cache)


if __name__ == "__main__":
    sys.stdout.write("\n" + json.dumps(made(sys.argv[1:])) + "\n")
