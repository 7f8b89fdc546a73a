"""Whether a candidate may follow its parent, on rows that neither has learnt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc

from ratoon.domain import quality
from ratoon.domain.drift import Drift
from ratoon.domain.embedding import Vectors
from ratoon.domain.gate import GatePolicy, Pace, Verdict, judge
from ratoon.domain.plan import RefreshPlan
from ratoon.domain.popularity import Timeline
from ratoon.domain.quality import Answers, Breadth, Record, Truths, breadth, truth
from ratoon.domain.schema import SCHEMA, TowerSchema
from ratoon.judging.asking import answers, index_recall, placed, remembered, skewed
from ratoon.judging.pacing import paced
from ratoon.judging.pair import Pair
from ratoon.judging.questions import Questions
from ratoon.ports import EventLog

SEGMENTS, LEAST = 8, 50
"""How many segments of users are measured, at most, and the questions that each has at least."""

SKEWS = (0.5, 1.0)
"""The shares of moved vectors that are left behind to see what a mixture is worth."""

Slices = Mapping[str, Answers]


@dataclass(frozen=True, slots=True, eq=False)
class Jury:
    """The rows that a candidate is judged by, and what its parent answers to them.

    Attributes:
        new: held-out rows of the window, answered with what was popular at their moment, as they were served.
        past: held-out rows from before it, which a window of poison cannot change; see `remembered`. A candidate is asked for
            them as it would be served, by its towers alone (`taste`), and beside a parent with other weights (`weights`).
        old: held-out rows from all over what lies before `past`, to see what has been forgotten; asked as `past` is.
        live: what was popular at every moment of `new`, and when the window began.
        since: the offset after which it did.
        said: the parent's answers to `new`; None without a parent.
        cpu: this process's CPU seconds so far.
    """

    policy: GatePolicy
    new: Questions
    past: Questions
    old: Questions
    live: Timeline
    since: int
    parent: Pair | None
    said: Answers | None
    cpu: Callable[[], float]

    def hears(self, pair: Pair, new: Answers | None = None) -> Slices:
        """What a candidate answers; `new`, if it is known already, to the window's rows."""
        new = answers(pair, self.new, self.policy.k, self.live) if new is None else new
        worth = pair.towers.popularity
        past, old = self._remembered(pair, worth), self._remembered(pair, worth, self.old)
        return {"new": new, "past": past, "old": old, "taste": self._remembered(pair, np.zeros_like(worth)), "weights": past}

    def _remembered(self, pair: Pair, worth: Vectors, rows: Questions | None = None) -> Answers:
        return remembered(pair, self.past if rows is None else rows, self.policy.k, self.live, self.since, worth)

    def verdict(
        self,
        pair: Pair,
        said: Slices,
        plan: RefreshPlan,
        drifts: Sequence[Drift],
        rng: np.random.Generator,
        rivals: Mapping[str, Pair] | None = None,
    ) -> Verdict:
        """Whether `pair`, which answered `said`, may follow the parent; what `plan` wrote of its items can be mixed with it.

        Args:
            rivals: what it has to beat beyond chance, on all rows that neither has learnt.
        """
        recall = index_recall(pair, [self.new, self.past], self.policy.k)
        before = self._before(pair.towers.popularity)
        pairs = {name: (before.get(name, after), after) for name, after in said.items()}
        skew = self._skew(pair, plan.writable)
        must_win = plan.must_win and self.parent is not None
        return judge(
            pairs,
            index_recall=recall,
            policy=self.policy,
            rng=rng,
            drifts=drifts,
            skew=skew,
            must_win=must_win,
            breadth=self._breadth(pair, said["new"]),
            pace=self._pace(pair),
            rivals={name: (self._all(rival), said["new"].followed(said["past"])) for name, rival in (rivals or {}).items()},
        )

    def _all(self, rival: Pair) -> Answers:
        return placed(rival, self.new, self.policy.k, self.live).followed(self._remembered(rival, rival.towers.popularity))

    def again(self, before: Slices, pair: Pair, rng: np.random.Generator) -> Verdict:
        """Whether what `pair` has become still answers as well as it did, on rows that are never learnt."""
        after, kept = self.hears(pair), self.new.of("reserve")
        pairs = {name: (before[name], after[name]) for name in before if name != "weights"}  # its weights are what they were
        pairs["new"] = before["new"].where(kept), after["new"].where(kept)
        return judge(pairs, index_recall=1.0, policy=self.policy, rng=rng)

    def _before(self, worth: Vectors) -> Slices:
        """What the parent answers, to the past with the candidate's weights of popularity, and with its own as `weights`.

        Weights are about the present: whether they are right the window's rows say, and past rows would hold on to old ones.
        They may cost the past more than learning may, and not anything.
        """
        if self.parent is None or self.said is None:
            return {}
        own = self.parent.towers.popularity
        served, alone = (self._remembered(self.parent, weights) for weights in (own, np.zeros_like(own)))
        differs = len(worth) == len(own) and not np.array_equal(worth, own)
        shared = self._remembered(self.parent, worth) if differs else served
        old = self._remembered(self.parent, worth if differs else own, self.old)
        return {"new": self.said, "past": shared, "old": old, "taste": alone, "weights": served}

    def _breadth(self, pair: Pair, new: Answers) -> tuple[Breadth, Breadth] | None:
        if self.parent is None or self.said is None or not len(new):
            return None
        return breadth(self.said.offers, len(self.parent.index)), breadth(new.offers, len(pair.index))

    def _pace(self, pair: Pair) -> Pace | None:
        asked = next((rows for rows in (self.new, self.past) if len(rows)), None)
        return paced(self.parent, pair, asked.rows, self.cpu) if self.parent and asked else None

    def _skew(self, pair: Pair, written: Sequence[str]) -> dict[str, tuple[Answers, Answers]]:
        if self.parent is None or self.said is None or not written or not len(self.new):
            return {}
        return {
            f"{share:.0%}": (
                self.said,
                skewed(pair, self.parent, written, share, self.new, self.policy.k, self.live),
            )
            for share in SKEWS
        }


def recorded(log: EventLog, parent: Pair, asked: Questions, said: Answers, since: int, rng: np.random.Generator) -> Record:
    """What `parent` was worth on a window that nothing has learnt yet, also for each of its users' largest segments.

    Args:
        since: the offset after which the window begins: a user without interactions up to it is new.
    """
    users = sorted(set(asked.column("user_id")))
    old = {user for user, seen in zip(users, log.seen_by(users, [since + 1] * len(users)), strict=True) if seen}
    known = np.array([user in old for user in asked.column("user_id")], np.bool_)
    held = np.array([item in parent.index for item in asked.column("item_id")], np.bool_)
    slices = {"all": known | True, "warm": known & held, "new users": ~known, "new items": ~held}
    found = truth(said, {**slices, **segments(parent, asked)}, len(parent.index), rng)
    before = Record.from_json(parent.model[quality.FILE].decode()) if quality.FILE in parent.model else Record()
    return replace(before, newest=found, fresh=before.fresh or (found if len(asked) else None))


def segments(pair: Pair, asked: Questions) -> dict[str, Truths]:
    """The largest segments of users, by name: those who share a value of a category that the user tower reads."""
    found: list[tuple[int, str, Truths]] = []
    for feature in TowerSchema.from_json(pair.model[SCHEMA].decode()).user:
        if feature.kind == "category" and feature.name in asked.rows.column_names:
            column = asked.rows.column(feature.name)
            counts = [(one["counts"].as_py(), one["values"].as_py()) for one in column.drop_null().value_counts()]
            for count, value in sorted(counts, key=lambda one: (-one[0], str(one[1])))[:SEGMENTS]:
                chosen = pc.fill_null(pc.equal(column, value), False).to_numpy()
                found.append((count, f"{feature.name} = {value}", chosen))
    largest = sorted(found, key=lambda one: (-one[0], one[1]))[:SEGMENTS]
    return {name: chosen for count, name, chosen in largest if count >= LEAST}
