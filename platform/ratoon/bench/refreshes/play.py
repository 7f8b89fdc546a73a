"""The prequential walk: before a slice is learnt, every policy is asked for it; then each refreshes.

Features are those of just before each interaction, for every policy alike, and an item that a release has never seen is
embedded from its features at its first moment, for every policy alike. It does not know what the figures have to hold.
"""

import shutil
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.bench.refreshes.home import CHAINS, Home, Opened, Tell, overlap, ranks, vectors_of, with_newcomers
from ratoon.bench.refreshes.worlds import Past, World, past_of
from ratoon.domain.report import RefreshReport
from ratoon.domain.window import Window
from ratoon.ports import Files

K = 50
NEVER = "never refreshed"
RETRAINS = ("scratch", "window", "warm epoch")
"""From nothing on all rows; from nothing on the latest half; one more pass over all rows from the retrain before."""


@dataclass
class Played:
    """What a walk gave. Questions are the same for every policy and seed.

    Attributes:
        offsets, users, slices, new: of each question: its interaction's offset, its user, its slice, and whether its item
            had no interaction before that slice.
        ranks: policy -> one list per seed: the rank of each question's item, K if not found, -1 where it was not asked.
        cpu: policy -> CPU seconds of each of its refreshes or retrains, over all seeds, features included for chains.
        scopes: what the plan chose in the chain `auto`.
        refused: what the gate said of each refresh that it refused, of both chains.
        overlap: per seed, top-K overlap of the index that was written row by row and one embedded anew, at the end.
        moved: vectors of items outside the plan's writable ones that differ in a bit, summed over all `rows` refreshes.
        compared: how many vectors that was looked at for.
        written: share of the catalogue's vectors that each published `rows` refresh wrote.
    """

    offsets: list[int] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    slices: list[int] = field(default_factory=list)
    new: list[bool] = field(default_factory=list)
    ranks: dict[str, list[list[int]]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    scopes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    overlap: list[float] = field(default_factory=list)
    moved: int = 0
    compared: int = 0
    written: list[float] = field(default_factory=list)

    def hits(self, policy: str, k: int) -> npt.NDArray[np.float64]:
        """Per question the share of seeds whose top k held the item; shape (n,). NaN where the policy was not asked."""
        found = np.array(self.ranks[policy])
        return np.where((found < 0).any(axis=0), np.nan, (found < k).mean(axis=0))


def retrained_at(refreshes: int) -> list[int]:
    """The slices before which everything is retrained: every fifth, or oftener where there would be fewer than three."""
    step = max(1, min(5, refreshes // 3))
    return [number for number in range(2, refreshes + 1) if number % step == 0]


def play(folder: Path, feature_repo: Path, world: World, seeds: int, questions: int, tell: Tell) -> Played:
    """Walk one world with all seeds at once, so that its features are made and joined once.

    Args:
        folder: an empty folder for all state; `base` beside it becomes a copy of the homes with their first releases.
        questions: how many interactions of each slice are asked about, evenly spread.
    """
    walk = _Walk(folder, feature_repo, world, seeds, questions, tell)
    for number, start, stop in world.slices:
        walk.slice(number, start, stop)
    return walk.ended()


class _Walk:
    def __init__(self, folder: Path, feature_repo: Path, world: World, seeds: int, questions: int, tell: Tell) -> None:
        self.world, self.questions, self.tell, self.played = world, questions, tell, Played()
        self.past: Past = past_of(world)
        self.homes = [Home(folder, feature_repo, world, seeds, seed, tell) for seed in range(seeds)]
        self.retrains = retrained_at(len(world.bounds) - 1)
        tell("history: log and features", 0.0)
        self.homes[0].append(0, world.bounds[0])
        for seed, home in enumerate(self.homes):
            tell(f"seed {seed}: first release", 0.0)
            home.bootstrap()
        shutil.copytree(folder, folder.with_name("base"))
        self.never = [home.current("rows")[1] for home in self.homes]
        self.warm: list[Files] = [pair.files for pair in self.never]
        self.asked: tuple[pa.Table, list[set[str]]] | None = None

    def slice(self, number: int, start: int, stop: int) -> None:
        """Let one slice arrive, ask everyone about it, and let everyone learn it."""
        share = (number - 1) / len(self.world.bounds)
        self.tell(f"slice {number}: features", share)
        shared = self.homes[0].append(start, stop)
        begun = time.process_time()
        window, rows = self.homes[0].joined(start, stop)
        shared += time.process_time() - begun
        users, hidden = self._questions(number, start, rows)
        late = self.homes[0].newcomers(rows, window, set(self.never[0].index.ids()))
        for seed, home in enumerate(self.homes):
            said = f"slice {number}, seed {seed}"
            self.tell(f"{said}: asking", share)
            pairs = {NEVER: self.never[seed], **{chain: home.current(chain)[1] for chain in CHAINS}}
            pairs |= self._retrained(seed, number, start, said)
            self._ask(seed, pairs, users, hidden, late)
            for chain in CHAINS:
                self.tell(f"{said}: refreshing {chain}", share)
                self._refreshed(seed, number, chain, shared)

    def _questions(self, number: int, start: int, rows: pa.Table) -> tuple[pa.Table, list[set[str]]]:
        chosen, items = _spread(rows.num_rows, self.questions), rows.column("item_id").to_pylist()
        asked = [(place, set[str]()) for place in chosen]
        if self.world.kind.mask_seen:  # what is never offered again cannot be a right answer
            offsets = rows.column("offset").to_pylist()
            hidden = ((place, self.past.seen(offsets[place])) for place in chosen)
            asked = [(place, had) for place, had in hidden if items[place] not in had]
        users = rows.take(pa.array([place for place, _ in asked], pa.int64()))
        offsets = users.column("offset").to_pylist()
        self.played.offsets += offsets
        self.played.users += users.column("user_id").to_pylist()
        self.played.slices += [number] * len(asked)
        self.played.new += [self.past.is_new(offset, start) for offset in offsets]
        self.asked = users, [had for _, had in asked]
        return self.asked

    def _ask(self, seed: int, pairs: dict[str, Opened], users: pa.Table, hidden: list[set[str]], late: pa.Table) -> None:
        shop = self.homes[seed].shop
        ids = late.column("item_id").to_pylist()
        for policy in (NEVER, *CHAINS, *RETRAINS):
            lists = self.played.ranks.setdefault(policy, [[] for _ in self.homes])
            if policy not in pairs:
                lists[seed] += [-1] * users.num_rows
                continue
            pair = pairs[policy]
            known = set(pair.index.ids())
            new = late.take(pa.array([row for row, item in enumerate(ids) if item not in known], pa.int64()))
            index = with_newcomers(pair, shop.indexes.load, new, shop.features.schema())
            lists[seed] += ranks(pair, index, users, users.column("item_id").to_pylist(), hidden, K)

    def _retrained(self, seed: int, number: int, start: int, said: str) -> dict[str, Opened]:
        if number not in self.retrains:
            return {}
        home, found = self.homes[seed], dict[str, Opened]()
        window, rows = home.joined(0, start)
        window = _as_of(window, rows)
        half = rows.slice(rows.num_rows // 2)
        for policy, taught, scope, parent in (
            ("scratch", rows, "full", None),
            ("window", half, "full", None),
            ("warm epoch", rows, "dense", self.warm[seed]),
        ):
            self.tell(f"{said}: {policy} retrain", 0.0)
            found[policy], cpu = home.retrained("dense" if scope == "dense" else "full", parent, taught, window)
            self.played.cpu[policy].append(cpu)
        self.warm[seed] = found["warm epoch"].files
        return found

    def _refreshed(self, seed: int, number: int, chain: str, shared: float) -> None:
        home = self.homes[seed]
        before = home.current(chain)[1]
        report = home.refresh(chain, CHAINS[chain])
        after = home.current(chain)[1]
        if report.outcome == "refused" and report.verdict is not None:
            self.played.refused.append(f"slice {number}, {chain}: {report.verdict.reasons[0]}")
        # The slice's features are made and joined once for all, and charged to each chain.
        self.played.cpu[chain].append(report.cpu_seconds + shared)
        if chain == "auto":
            self.played.scopes.append(report.plan.scope)
        else:
            self._held_still(before, after, report)

    def _held_still(self, before: Opened, after: Opened, report: RefreshReport) -> None:
        old, new = vectors_of(before.index), vectors_of(after.index)
        still = old.keys() & new.keys() - set(report.plan.writable)
        self.played.moved += sum(old[item] != new[item] for item in still)
        self.played.compared += len(still)
        if report.outcome == "published":
            self.played.written.append(len(report.plan.writable) / max(1, len(new)))

    def ended(self) -> Played:
        """The figures, with what can only be said at the end."""
        assert self.asked is not None
        for home in self.homes:
            self.tell("everything embedded anew", 1.0)
            release, pair = home.current("rows")
            queries = pair.towers.users(self.asked[0])
            self.played.overlap.append(overlap(queries, pair.index, home.embedded_anew(release, pair), K))
        return self.played


def _as_of(window: Window, rows: pa.Table) -> Window:
    """The window as it was when the newest of `rows` arrived: nothing of the slice that comes may be known."""
    return Window(window.start, window.end, rows.column("event_timestamp")[-1].as_py(), window.cursors)


def _spread(rows: int, most: int) -> list[int]:
    """Up to `most` of so many places, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(most, rows)).astype(int)).tolist() if rows else []
