"""The prequential walk: before a slice is learnt, every policy is asked for it; then each refreshes.

Features are those of just before each interaction, for every policy alike, and an item that a release has never seen is
embedded from its features at its first moment, for every policy alike. It does not know what the figures have to hold.
"""

import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ratoon.bench.refreshes.asking import Asked, Opened, ranks
from ratoon.bench.refreshes.home import CHAINS, Home, Tell, changed, newcomers, overlap
from ratoon.bench.refreshes.retraining import Retrains, retrained_at
from ratoon.bench.refreshes.worlds import Past, World, past_of
from ratoon.domain.report import RefreshReport

K = 50
NEVER = "never refreshed"


@dataclass
class Played:
    """What a walk gave. Questions are the same for every policy and seed.

    Attributes:
        offsets, users, slices, new: of each question: its interaction's offset, its user, its slice, and whether its item
            had no interaction before that slice.
        ranks: policy -> per seed the rank of each question's item, by the question's offset: K if not found; a policy that
            was not asked has none.
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
    ranks: dict[str, list[dict[int, int]]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    scopes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    overlap: list[float] = field(default_factory=list)
    moved: int = 0
    compared: int = 0
    written: list[float] = field(default_factory=list)

    def hits(self, policy: str, k: int) -> npt.NDArray[np.float64]:
        """Per question the share of seeds whose top k held the item; shape (n,). NaN where the policy was not asked."""
        found = np.array([[seed.get(offset, -1) for offset in self.offsets] for seed in self.ranks[policy]])
        return np.where((found < 0).any(axis=0), np.nan, (found < k).mean(axis=0))


def play(
    folder: Path,
    feature_repo: Path,
    world: World,
    seeds: int,
    questions: int,
    tell: Tell,
    late: Callable[[], bool] = lambda: False,
) -> Played:
    """Walk one world with all seeds at once, so that its features are made and joined once.

    Args:
        folder: an empty folder for all state; `base` beside it becomes a copy of the homes with their first releases.
        questions: how many interactions of each slice are asked about, evenly spread.
        late: asked after each slice that retrains were asked about; once it says so, the walk ends there.
    """
    walk = _Walk(folder, feature_repo, world, seeds, questions, tell)
    for number, start, stop in world.slices:
        walk.slice(number, start, stop)
        if number in walk.retrains and late():
            break
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
        self.retraining = Retrains(self.homes, [pair.files for pair in self.never], tell)
        self.alike = [True] * seeds  # until a plan chooses more than rows, both chains are the same
        self.asked: Asked | None = None

    def slice(self, number: int, start: int, stop: int) -> None:
        """Let one slice arrive, ask everyone about it, and let everyone learn it."""
        share = (number - 1) / len(self.world.bounds)
        self.tell(f"slice {number}: features", share)
        begun = time.process_time()
        self.homes[0].append(start, stop)
        window, rows = self.homes[0].joined(start, stop)
        shared = time.process_time() - begun
        late = newcomers(self.homes[0].shop, rows, window, set(self.never[0].index.ids()))
        self.asked = self._questions(number, start, rows, late)
        for seed, home in enumerate(self.homes):
            said = f"slice {number}, seed {seed}"
            self.tell(f"{said}: asking", share)
            self._ask(seed, {NEVER: self.never[seed], **{chain: home.current(chain)[1] for chain in CHAINS}})
            if number in self.retrains:
                for policy, pair, cpu in self.retraining.made(seed, start, said):
                    self.played.cpu[policy].append(cpu)
                    self._ask(seed, {policy: pair})
            self.tell(f"{said}: refreshing", share)
            self._refreshed(seed, number, shared)

    def _questions(self, number: int, start: int, rows: pa.Table, late: pa.Table) -> Asked:
        places, items = _spread(rows.num_rows, self.questions), rows.column("item_id").to_pylist()
        offsets = rows.column("offset").to_pylist()
        hidden = [self.past.seen(offsets[place]) if self.world.kind.mask_seen else set() for place in places]
        # What is never offered again cannot be a right answer.
        chosen = [(place, had) for place, had in zip(places, hidden, strict=True) if items[place] not in had]
        users = rows.take(pa.array([place for place, _ in chosen], pa.int64()))
        asked = Asked(users, [had for _, had in chosen], users.column("offset").to_pylist(), late, self.homes[0].timeline)
        self.played.offsets += asked.offsets
        self.played.users += users.column("user_id").to_pylist()
        self.played.slices += [number] * len(chosen)
        self.played.new += [self.past.is_new(offset, start) for offset in asked.offsets]
        return asked

    def _ask(self, seed: int, pairs: dict[str, Opened]) -> None:
        """Ask the slice's questions; policies that serve the same pair give the same answers, found once."""
        assert self.asked is not None
        schema, known = self.homes[seed].shop.features.schema(), dict[int, list[int]]()
        for policy, pair in pairs.items():
            if id(pair) not in known:
                known[id(pair)] = ranks(pair, self.asked, schema, K)
            self.played.ranks.setdefault(policy, [{} for _ in self.homes])[seed] |= dict(
                zip(self.asked.offsets, known[id(pair)], strict=True)
            )

    def _refreshed(self, seed: int, number: int, shared: float) -> None:
        """Refresh both chains; while the plan chooses rows, `auto` has done what `rows` would do."""
        home = self.homes[seed]
        before = home.current("rows")[1]
        auto = home.refresh("auto", CHAINS["auto"])
        self.played.scopes.append(auto.plan.scope)
        self.alike[seed] = self.alike[seed] and auto.plan.scope == "rows"
        if not self.alike[seed]:
            rows = home.refresh("rows", CHAINS["rows"])
        else:
            rows = auto
            if auto.outcome == "published":
                home.follow("auto", "rows")
        # The slice's features are made and joined once for all, and charged to each chain.
        for chain, report in (("rows", rows), ("auto", auto)):
            self.played.cpu[chain].append(report.cpu_seconds + shared)
            if report.outcome == "refused" and report.verdict is not None:
                self.played.refused.append(f"slice {number}, {chain}: {report.verdict.reasons[0]}")
        self._held_still(before, home.current("rows")[1], rows)

    def _held_still(self, before: Opened, after: Opened, report: RefreshReport) -> None:
        moved, compared = changed(before, after, report.plan.writable)
        self.played.moved += moved
        self.played.compared += compared
        if report.outcome == "published":
            self.played.written.append(len(report.plan.writable) / max(1, len(after.index)))

    def ended(self) -> Played:
        """The figures, with what can only be said at the end."""
        assert self.asked is not None
        for home in self.homes:
            self.tell("everything embedded anew", 1.0)
            release, pair = home.current("rows")
            queries = pair.towers.users(self.asked.users)
            self.played.overlap.append(overlap(queries, pair.index, home.embedded_anew(release, pair), K))
        return self.played


def _spread(rows: int, most: int) -> list[int]:
    """Up to `most` of so many places, evenly spread."""
    return np.unique(np.linspace(0, rows - 1, min(most, rows)).astype(int)).tolist() if rows else []
