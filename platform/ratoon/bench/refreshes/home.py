"""One home for all chains of one set: the same log and the same features, a surface for each chain of each seed."""

import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from ratoon import config
from ratoon.bench.refreshes.asking import Opened, embedded
from ratoon.bench.refreshes.worlds import World, timeline_of
from ratoon.domain.delta import part
from ratoon.domain.embedding import Vectors
from ratoon.domain.plan import RefreshPlan, Scope
from ratoon.domain.popularity import FILE
from ratoon.domain.release import Release
from ratoon.domain.report import RefreshReport
from ratoon.domain.window import Window
from ratoon.ports import Files, Index, Lesson
from ratoon.refresh import refresh
from ratoon.wiring import House
from ratoon.workshop import Workshop

Tell = Callable[[str, float], None]
"""Hears what is being done, and the share of it that is done."""

CHAINS: dict[str, Scope | None] = {"rows": "rows", "auto": None}
"""Chains of real refreshes: under `rows` each is forced to move rows alone, under `auto` the plan decides."""


class Home:
    """The rooms of one set and one seed; homes of one folder share its log and its features.

    Args:
        folder: where state lives.
        seeds: of how many seeds the home keeps chains.
        seed: this one's.
    """

    def __init__(self, folder: Path, feature_repo: Path, world: World, seeds: int, seed: int, tell: Tell) -> None:
        self.world, self.seed, self._tell = world, seed, tell
        self.timeline = timeline_of(world)
        self._shops: dict[str, Workshop] = {}
        self._opened: dict[str, tuple[str, Opened]] = {}
        policy = config.Surface(repeat="mask" if world.kind.mask_seen else "allow")
        self.house = House(
            config.Settings(
                paths=config.Paths(home=folder, feature_repo=feature_repo),
                clock=config.Clock(mode="log"),
                training=config.Training(seed=seed),
                surfaces={f"{chain}-{number}": policy for number in range(seeds) for chain in CHAINS},
            )
        )

    @property
    def shop(self) -> Workshop:
        """What every question about features, and every retrain, goes through."""
        return self._shop("rows")

    def _shop(self, chain: str) -> Workshop:
        if chain not in self._shops:
            surface = f"{chain}-{self.seed}"
            self._shops[chain] = self.house.workshop(surface, lambda what, share: self._tell(f"{chain}: {what}", share))
        return self._shops[chain]

    def bootstrap(self) -> RefreshReport:
        """The first release, from the history that the log holds; every chain starts from it."""
        report = self.refresh("rows", None)
        self.follow("rows", "auto")
        return report

    def follow(self, leader: str, follower: str) -> None:
        """Publish in one chain what another has just published: both were the same, and would do the same again."""
        registry, other = f"{leader}-{self.seed}", f"{follower}-{self.seed}"
        release, pair = self.current(leader)
        self.house.registry(other).publish(replace(release, surface=other, sequence=0), pair.files)
        self._opened[other] = self._opened[registry]

    def refresh(self, chain: str, scope: Scope | None) -> RefreshReport:
        """One refresh of a chain, in this process."""
        watch = self.house.stopwatch(lambda stage: self._tell(f"{chain}: {stage}", 0.0))
        return refresh(self._shop(chain), watch, scope)

    def current(self, chain: str) -> tuple[Release, Opened]:
        """What a chain serves, opened once however often it is asked for."""
        surface = f"{chain}-{self.seed}"
        registry = self.house.registry(surface)
        release = registry.current()
        assert release is not None
        known, pair = self._opened.get(surface, ("", None))
        if pair is None or known != release.id:
            pair = self.opened(registry.load(release), release.window.end)
            self._opened[surface] = release.id, pair
        return release, pair

    def opened(self, files: Files, upto: int) -> Opened:
        """The files of a release that knows the log up to an offset, as a pair."""
        return Opened(files, self.shop.open_towers(files), self.shop.indexes.load(files), upto)

    def append(self, start: int, stop: int) -> float:
        """Events arrive when they happen, and become features; the CPU seconds that took."""
        begun = time.process_time()
        arriving = self.world.events.slice(start, stop - start)
        if start:
            self.house.log.append(arriving, backfill=True)
        else:
            self.house.log.load([arriving])  # the same, and much faster into an empty log
        self.shop.features.ingest()
        return time.process_time() - begun

    def joined(self, start: int, stop: int) -> tuple[Window, pa.Table]:
        """The interactions at these positions with the features of just before each, and the window that holds them."""
        window = replace(self.shop.features.window(None), start=start, end=stop)
        return window, self.shop.features.delta(window, window, ()).interactions

    def retrained(
        self, scope: Scope, parent: Files | None, rows: pa.Table, window: Window, prior: Files | None = None
    ) -> tuple[Opened, float]:
        """A model taught `rows`, with the whole catalogue embedded; and the CPU seconds of that.

        From nothing, the fit rows say when to stop: passes over all rows to the end lose recall. No row is held for a gate.

        Args:
            prior: the files of a release; what popularity is worth to its users is taken over from it.
        """
        begun = time.process_time()
        shop, none = self.shop, rows.slice(0, 0)
        ids = shop.log.catalogue(window.end)
        items = shop.features.items(ids, window.as_of)
        taught, fit = (part(rows, "train", "gate", "reserve"), part(rows, "fit")) if scope == "full" else (rows, none)
        lesson = Lesson(taught, none, fit, items)
        model = shop.trainer.train(RefreshPlan(scope, "retrained beside"), shop.features.schema(), parent, lesson)
        if prior and FILE in prior:
            model = {**model, FILE: prior[FILE]}
        towers = shop.open_towers(model)
        index = shop.indexes.empty(towers.dim, towers.metric)
        index.upsert(embedded(towers, items, shop.features.schema(), self.timeline, window.end))
        return Opened(model, towers, index, window.end), time.process_time() - begun

    def embedded_anew(self, release: Release, pair: Opened) -> Index:
        """Every item of `pair` embedded again by its own tower, with the features of its release's watermark."""
        ids = pair.index.ids()
        items = self.shop.features.items(ids, release.window.as_of)
        index = self.shop.indexes.empty(pair.towers.dim, pair.towers.metric)
        index.upsert(embedded(pair.towers, items, self.shop.features.schema(), self.timeline, pair.upto))
        return index


def newcomers(shop: Workshop, rows: pa.Table, window: Window, known: set[str]) -> pa.Table:
    """The items in the catalogue at the window's end that are not `known`, with features of their first moment.

    An item that is met in `rows` has the features of just before that; another has no interactions to tell of.
    """
    ids = [item for item in shop.log.catalogue(window.end) if item not in known]
    now = shop.features.items(ids, window.as_of)
    first: dict[str, int] = {}
    for place, item in enumerate(rows.column("item_id").to_pylist()):
        first.setdefault(item, place)
    met = pa.array([first.get(item) for item in ids], pa.int64())
    for feature in shop.features.schema().item:
        if feature.name in now.column_names and feature.name != "item_id":
            then = rows.column(feature.name).combine_chunks().take(met)
            column = pa.chunked_array([_either(met, then, now.column(feature.name).combine_chunks())])
            now = now.set_column(now.column_names.index(feature.name), feature.name, column)
    return now


def _either(met: pa.Array, then: pa.Array, now: pa.Array) -> pa.Array:
    places = np.arange(len(met))
    chosen = np.where(met.is_valid().to_numpy(zero_copy_only=False), places, places + len(met))
    return pa.concat_arrays([then, now.cast(then.type)]).take(pa.array(chosen))


def changed(old: Opened, new: Opened, writable: Collection[str]) -> tuple[int, int]:
    """Of the items in both, those outside `writable` whose learned vectors differ in a bit, and how many were looked at.

    What stands at the end of a vector to say how popular its item is was not learnt, and follows the log.
    """
    still = sorted(set(old.index.ids()).intersection(new.index.ids()).difference(writable))
    before, after = (pair.index.vectors(still)[:, : pair.towers.dim - len(pair.towers.popularity)] for pair in (old, new))
    differs = np.ascontiguousarray(before).view(np.uint32) != np.ascontiguousarray(after).view(np.uint32)
    return int(differs.any(axis=1).sum()), len(still)


def overlap(queries: Vectors, one: Index, other: Index, k: int) -> float:
    """The share of the top k of `one` that is in the top k of `other`, over all queries."""
    found = zip(one.search(queries, k), other.search(queries, k), strict=True)
    shares = [len({item for item, _ in a} & {item for item, _ in b}) / max(1, len(a)) for a, b in found]
    return float(np.mean(shares)) if shares else 1.0
