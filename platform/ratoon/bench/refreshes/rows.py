"""What was measured -> the rows of the table. Pure: no clock, no file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ratoon.bench.refreshes.costs import Costs, Fresh
from ratoon.bench.refreshes.home import CHAINS
from ratoon.bench.refreshes.play import NEVER, K, Played
from ratoon.bench.refreshes.retraining import RETRAINS
from ratoon.bench.row import Row, at_least, at_most, not_run, told
from ratoon.domain.intervals import Interval, clustered

DRIFTING = "movietweetings-100k"
"""The set whose catalogue and fashions move: some bars are for it alone."""

LIVE = "live popularity, last 2,000"
DRAWS = 2_000
UNFINISHED = "the measurement has not come so far"
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Baselines:
    """What the methods without towers answered.

    Attributes:
        ranks: method -> the rank of each question's item, -1 throughout for a method that did not run.
        missing: method -> why it did not run.
        seconds: method -> CPU seconds of all slices.
    """

    ranks: Mapping[str, npt.NDArray[np.int64]]
    missing: Mapping[str, str]
    seconds: Mapping[str, float]

    @property
    def run(self) -> list[str]:
        """The methods that ran."""
        return [method for method in self.ranks if method not in self.missing]

    def hits(self, method: str, k: int) -> npt.NDArray[np.float64]:
        """Per question whether the item is among the top k; shape (n,)."""
        return ((self.ranks[method] >= 0) & (self.ranks[method] < k)).astype(np.float64)

    def best(self, k: int, rows: Truths) -> str:
        """The method with the highest recall@k over some questions."""
        return max(self.run, key=lambda method: float(self.hits(method, k)[rows].mean()))


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of one set; it is told before all of it is.

    Attributes:
        refreshes: how many were to be walked.
    """

    name: str
    played: Played
    refreshes: int
    baselines: Baselines | None = None
    costs: Costs | None = None


def best_retrain(played: Played) -> str:
    """The retrain with the highest recall@K over the slices it was asked about."""
    asked = compared(played)
    return max(RETRAINS, key=lambda policy: float(played.hits(policy, K)[asked].mean()))


def compared(played: Played) -> Truths:
    """The questions that retrains were asked."""
    return np.isfinite(played.hits(RETRAINS[0], K))


def rows_of(one: Measured) -> list[Row]:
    """The rows of one set."""
    found = [*_against_retrains(one), *_costs(one), *_stillness(one), *_against_never(one), *_against_others(one), *_recalls(one)]
    return [Row(f"{one.name}: {row.quantity}", row.value, row.unit, row.bar, row.holds, row.against) for row in found]


def _interval(one: Measured, policy: str, theirs: npt.NDArray[np.float64], rows: Truths, k: int = K) -> Interval:
    users = [user for user, chosen in zip(one.played.users, rows, strict=True) if chosen]
    ours = one.played.hits(policy, k)
    return clustered(users, ours[rows], theirs[rows], draws=DRAWS, rng=np.random.default_rng(0))


def _said(found: Interval, ours: float, theirs: float, name: str, rows: Truths) -> str:
    bounds = f"difference {found.mean:+.4f} [{found.low:+.4f}, {found.high:+.4f}]"
    return f"{name}: {theirs:.4f} against {ours:.4f}, {bounds}, {int(rows.sum())} questions"


def _against_retrains(one: Measured) -> list[Row]:
    played, best = one.played, best_retrain(one.played)
    theirs, asked, slices = played.hits(best, K), compared(played), np.array(played.slices)
    last = asked & (slices > max(played.slices) * 2 / 3)
    found = []
    for what, chain, rows in (("", "rows", asked), (", last third", "rows", last), (", last third", "auto", last)):
        if not rows.any():
            found.append(not_run(f"recall@{K}, {chain} - best retrain{what}", ">= -0.01", "no retrain among these slices"))
            continue
        interval = _interval(one, chain, theirs, rows)
        ours = played.hits(chain, K)[rows].mean()
        said = _said(interval, float(ours), float(theirs[rows].mean()), f"{best} retrain", rows)
        if chain == "auto":
            said += f"; the plan chose {_counted(played.scopes)}, {np.mean(played.cpu['auto']):.1f} CPU s each"
        name = f"recall@{K}, {chain} - best retrain{what}"
        found.append(at_least(f"{name}, lower 95 % bound", interval.relative_low, -0.01, said, "relative"))
        if not what:
            found.append(at_least(f"{name}, mean", interval.relative, 0.0, said, "relative"))
    return found


def _counted(scopes: Sequence[str]) -> str:
    return ", ".join(f"{count} x {scope}" for scope, count in Counter(scopes).items())


def _costs(one: Measured) -> list[Row]:
    costs, best = one.costs, best_retrain(one.played)
    if costs is None:
        return [not_run("CPU seconds, delta of 1 % / that retrain", "<= 0.015", UNFINISHED)]
    slope, fixed, explained = costs.line
    against = f"{best} retrain: {costs.retrain:.2f} CPU s, its features not counted, against {costs.one_percent:.2f}"
    over = ", ".join(f"{size:,}: {cpu:.2f}" for size, cpu in zip(costs.events, costs.refresh, strict=True))
    line = f"{fixed:.2f} CPU s and {slope * 1000:.3f} per 1,000 events; {over}"
    return [
        at_most("CPU seconds, delta of 1 % / that retrain", costs.one_percent / costs.retrain, 0.015, against),
        at_least("CPU seconds over deltas of 0.25 to 4 %, explained by a line", explained, 0.98, line, "R2"),
    ]


def _stillness(one: Measured) -> list[Row]:
    played = one.played
    refreshes = max(played.slices)
    share = float(np.mean(played.written)) if played.written else 0.0
    tries = sum(len(played.cpu.get(chain, [])) for chain in CHAINS)
    refused = "; ".join([f"of {tries}, both chains", *played.refused[:2]])
    return [
        at_least(
            f"top-{K} overlap, moved items written / all embedded anew",
            min(played.overlap),
            0.999,
            f"after {refreshes} refreshes, the worst of {len(played.overlap)} seeds; {share:.1%} of the catalogue written each",
            "share",
        ),
        at_most(
            "unwritable item vectors that changed",
            played.moved,
            0,
            f"of {played.compared:,} learned vectors compared bit by bit",
            "vectors",
        ),
        told("refreshes walked", refreshes, "refreshes", f"of {one.refreshes}; {len(played.overlap)} seeds"),
        told("refreshes that the gate refused", len(played.refused), "refreshes", refused),
    ]


def _later(played: Played) -> Truths:
    """The questions of all slices but the first, before which nothing was refreshed."""
    return np.array(played.slices) > 1


def _against_never(one: Measured) -> list[Row]:
    played, later, drifts = one.played, _later(one.played), one.name == DRIFTING
    gain = _interval(one, "auto", played.hits(NEVER, K), later)
    ours, theirs = (float(played.hits(policy, K)[later].mean()) for policy in ("auto", NEVER))
    name, said = f"recall@{K}, auto over never refreshing", _said(gain, ours, theirs, NEVER, later)
    first = at_least(name, gain.relative, 0.5, said, "relative") if drifts else told(name, gain.relative, "relative", said)
    new = later & np.array(played.new)
    name, said = f"recall@{K}, auto, items never trained on", f"{int(new.sum())} questions"
    if not new.any():
        return [first, not_run(name, ">= 0.3" if drifts else "", "no such question")]
    value = float(played.hits("auto", K)[new].mean())
    return [first, at_least(name, value, 0.3, said, "share") if drifts else told(name, value, "share", said)]


def _against_others(one: Measured) -> list[Row]:
    if one.baselines is None:
        return [not_run(f"recall@{K}, auto / best baseline", ">= 1", UNFINISHED)]
    later, found = _later(one.played), []
    for k in (10, K):
        best = one.baselines.best(k, later)
        found.append(_beside(one, best, k, f"recall@{k}, auto / best baseline", 1.0))
        if one.name == DRIFTING:
            found.append(_beside(one, LIVE, k, f"recall@{k}, auto / {LIVE}", 1.1))
    return [*found, *(not_run(f"recall@{K}, auto / {method}", ">= 1", why) for method, why in one.baselines.missing.items())]


def _beside(one: Measured, method: str, k: int, name: str, bar: float) -> Row:
    assert one.baselines is not None
    later, theirs = _later(one.played), one.baselines.hits(method, k)
    ours, score = (float(hits[later].mean()) for hits in (one.played.hits("auto", k), theirs))
    said = _said(_interval(one, "auto", theirs, later, k), ours, score, method, later)
    return at_least(name, _ratio(ours, score), bar, said)


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else float(ours > 0)


def _recalls(one: Measured) -> list[Row]:
    played, asked, found = one.played, compared(one.played), []
    later = _later(played)
    for policy in (NEVER, "rows", "auto", *RETRAINS):
        rows = asked if policy in RETRAINS else later
        tens, cpu = played.hits(policy, 10)[rows].mean(), played.cpu.get(policy, [])
        cost = f"; {np.mean(cpu):.2f} CPU s each" if cpu else ""
        where = "slices before which retrains were made" if policy in RETRAINS else "all slices but the first"
        found.append(
            told(f"recall@{K}, {policy}", float(played.hits(policy, K)[rows].mean()), "share", f"@10 {tens:.4f}; {where}{cost}")
        )
    return [*found, *(_recall_of(one.baselines, method, later) for method in one.baselines.run)] if one.baselines else found


def _recall_of(baselines: Baselines, method: str, later: Truths) -> Row:
    value, tens = (float(baselines.hits(method, k)[later].mean()) for k in (K, 10))
    said = f"@10 {tens:.4f}; all slices but the first; {baselines.seconds[method]:.1f} CPU s in all"
    return told(f"recall@{K}, {method}", value, "share", said)


def freshness_rows(fresh: Fresh) -> list[Row]:
    """The rows that are no set's."""
    name = f"{fresh.events:,} events to a servable release, catalogue {fresh.items:,}"
    found = at_most(name, fresh.cpu_seconds, 1.0, f"{fresh.seconds:.2f} s by the wall; process start not counted", "CPU s")
    return [
        found,
        not_run("cost of a `rows` refresh on a data-centre GPU", "", "this table is measured on the processor; see LOG.md"),
    ]
