"""How much of the system a refresh has to move: the only place that decides.

Whatever is looked at gives a `Finding`: what was found, from where on it matters, and what it asks for. The plan is the
strongest of what is asked for that the budget allows, so that the explanation of a choice is what it was made from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal, get_args

from ratoon.domain.delta import FeatureDelta
from ratoon.domain.drift import DriftPolicy
from ratoon.domain.duration import duration
from ratoon.domain.quality import fall, fallen, lost
from ratoon.domain.signals import Signals

Scope = Literal["skip", "index", "upkeep", "rows", "dense", "full"]
Full = Literal["scratch", "window", "warm"]

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""From the one that moves least on."""

REMADE: tuple[Scope, ...] = ("index", "upkeep")
"""Those under which a release is made otherwise, and nothing is learnt."""


@dataclass(frozen=True, slots=True)
class RefreshPlan:
    """A decision and its reason.

    Attributes:
        scope: `skip` nothing moves; `index` the vectors stay and are laid out anew, nothing is learnt and what waits goes on
            waiting; `upkeep` the same after an operation, which may change all there is; `rows` id rows and the user tower move,
            the item tower's shared layers are frozen and only `writable` items are embedded again; `dense` the shared layers
            move as well, so that the whole catalogue is embedded again; `full` starts again from all history.
        writable: the items whose rows may move under `rows`; sorted, empty otherwise.
        instead: what to do where this is refused; None for nothing.
        must_win: whether the candidate stands beside a release that could go on as it is, and so has to be better than it.
        waits: whether there is something to do that time alone will bring about.
    """

    scope: Scope
    reason: str
    writable: tuple[str, ...] = ()
    must_win: bool = False
    instead: "RefreshPlan | None" = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        found: None if it is not known.
        limit: from where on it asks for `scope`; None if it never does.
        scope: what it asks for at the limit, whether it is reached or not.
        reason: why it asks for that now; empty if it does not.
    """

    name: str
    found: float | None
    limit: float | None
    scope: Scope
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """What is worth how much work.

    Attributes:
        scope: the scope of every refresh that finds something new, whatever the rest says; `auto` decides by the rest.
        least, patience: fewer waiting events than `least` are not worth a refresh, until one of them has waited for
            `patience` seconds.
        ageing: the share by which the log has grown since the shared layers last learnt, at which they learn again. Measured on
            MovieTweetings-100k: rows alone are ahead of a scratch retrain up to about a fifth and behind it from a third.
        settled: the growth since they learnt, or were refused, before which nothing is yet taken for a reason to learn again.
            With it no figure that swings about its limit makes the plan swing.
        fallen: the share of recall or of the ranking on new interactions that must have been lost for certain.
        churn: the share of the items that came or went since they learnt, at which they learn again.
        bulk: what waits as a multiple of what was learnt, from which on it is learnt together with it, from nothing.
        index_recall: the share of the exact answers below which the index is laid out anew where nothing more can be done: `rows`
            mend it anyway, and what is written into it is all that wears it.
        budget: CPU seconds of a day. What would exceed them gives way to what does not, and is made good when there is room.
        full: what `full` learns from: all of history from nothing (`scratch`), its newer half from nothing (`window`), or all of
            it once more on top of the release before (`warm`), where the feature services are the same.
        drift: from where on drift matters.
    """

    scope: Literal["auto", "rows", "dense", "full"] = "auto"
    least: int = 1
    patience: float = 3_600.0
    ageing: float = 0.25
    settled: float = 0.05
    fallen: float = 0.2
    churn: float = 0.25
    bulk: float = 1.0
    index_recall: float = 0.9
    budget: float = inf
    full: Full = "scratch"
    drift: DriftPolicy = field(default_factory=DriftPolicy)

    def waits(self, seen: Signals) -> str:
        """Why what waits is not worth a refresh yet; empty if it is. The same words for as long as that is so."""
        enough = seen.waiting >= self.least or seen.waited >= self.patience
        if self.scope != "auto" or not seen.waiting or enough:
            return ""
        return f"fewer than {self.least:,} events wait, none for {duration(self.patience)}"


DEFAULT, NOTHING = PlanPolicy(), Signals()
GAINED = "the feature services gained inputs since the current release"


def weighed(seen: Signals, policy: PlanPolicy) -> tuple[Finding, ...]:
    """All that is looked at, and what it asks for; of those that ask for the same the first one says why."""
    rested = not seen.taught or seen.growth >= policy.settled
    asked = (*_drift(seen, policy), *_age(seen, policy))
    return (*_size(seen, policy), *(one if rested else replace(one, reason="") for one in asked), _index(seen, policy))


def _size(seen: Signals, policy: PlanPolicy) -> tuple[Finding, ...]:
    enough = f"{seen.waiting:,} events wait" if seen.waiting >= policy.least else ""
    late = f"an event has waited for {duration(seen.waited)}" if seen.waiting and seen.waited >= policy.patience else ""
    much = f"{seen.waiting:,} events wait, {seen.bulk:.1f} times what was learnt" if seen.bulk >= policy.bulk else ""
    return (
        Finding("events that wait", seen.waiting, policy.least, "rows", enough),
        Finding("seconds that the oldest has waited", seen.waited, policy.patience, "rows", late),
        Finding("what waits, as a multiple of what was learnt", seen.bulk, policy.bulk, "full", much),
    )


def _drift(seen: Signals, policy: PlanPolicy) -> tuple[Finding, ...]:
    known = [one for one in seen.drifts if one.entities >= policy.drift.least]
    worst = max((one.excess for one in known), default=None)
    beyond = next(iter(policy.drift.beyond(policy.drift.full, known)), "")
    return (Finding("drift of an input, PSI beyond chance", worst, policy.drift.full, "full", str(beyond)),)


def _age(seen: Signals, policy: PlanPolicy) -> tuple[Finding, ...]:
    then, now, growth, churn = seen.record.fresh, seen.record.newest, seen.growth, seen.churn
    truths = (then, now) if then and now and seen.taught else None
    fell, rose = (test(*truths, policy.fallen) if truths else "" for test in (fallen, lost))
    gone = [fall(*truths, figure) if truths else None for figure in ("recall", "ndcg")]
    grown = f"the log has grown by {growth:.0%} since the shared layers last learnt" if growth >= policy.ageing else ""
    turned = f"{churn:.0%} of the items came or went since the shared layers last learnt" if churn >= policy.churn else ""
    return (
        Finding(
            "growth of the log since the shared layers learnt", growth if seen.taught else None, policy.ageing, "dense", grown
        ),
        Finding("recall on new interactions lost since then", gone[0], policy.fallen, "dense", fell),
        Finding("ranking of new interactions lost since then", gone[1], policy.fallen, "dense", rose),
        Finding("items that came or went since then", churn, policy.churn, "dense", turned),
    )


def _index(seen: Signals, policy: PlanPolicy) -> Finding:
    found, limit = seen.index_recall, policy.index_recall
    low = f"the index returns {found:.3f} of the exact answers" if found is not None and found < limit else ""
    return Finding("exact answers that the index returns", found, limit, "index", low)


def decide(
    delta: FeatureDelta,
    *,
    has_parent: bool,
    schema_changed: bool,
    recent_items: tuple[str, ...] = (),
    forced: Scope | None = None,
    reshown: tuple[str, ...] = (),
    gained: bool = False,
    seen: Signals = NOTHING,
    policy: PlanPolicy = DEFAULT,
) -> RefreshPlan:
    """The cheapest plan that keeps quality, and why.

    Args:
        recent_items: the items that the parent's own refresh wrote. They stay writable for one more window: at small
            deltas that keeps the recall that masking would cost.
        gained: the schema changed by inputs that were added, and by nothing else.
        reshown: the live items, if other columns go with them than in the parent's index; all are then written again.
        forced: the caller's wish. `skip`, `index` and `upkeep` with a release to keep are always granted; `rows` and `dense`
            without a usable parent still give `full`, and `rows` without the inputs that were gained gives `dense`.
    """
    if not has_parent:
        return RefreshPlan("full", "no release yet: learn from all history")
    if forced in ("skip", *REMADE):
        return RefreshPlan(forced, "asked for")
    if schema_changed and not gained:
        return RefreshPlan("full", "the feature services changed since the current release")
    if forced in ("full", "dense"):
        return RefreshPlan(forced, "asked for", must_win=forced == "full")
    found = weighed(seen, policy) if forced is None and policy.scope == "auto" else ()
    if schema_changed:
        drifted = _asking(_drift(seen, policy), "full") if forced is None else ""
        return RefreshPlan("full", drifted) if drifted else RefreshPlan("dense", GAINED)
    if delta.is_empty and not reshown and forced is None:
        return RefreshPlan("skip", "nothing changed since the current release")
    rows = _rows(delta, recent_items, reshown)
    if forced is not None or policy.scope == "rows":
        return rows
    if policy.scope != "auto":
        return RefreshPlan(policy.scope, f"the policy's scope is {policy.scope}", instead=rows)
    if reason := policy.waits(seen):
        return RefreshPlan("skip", reason, waits=True)
    hopeless = policy.drift.beyond(policy.drift.refuse, seen.drifts)  # rows would be refused for the same drift
    return _afforded(_strongest(found, rows, None if hopeless else rows), rows, found, seen, policy)


def _rows(delta: FeatureDelta, recent_items: tuple[str, ...], reshown: tuple[str, ...]) -> RefreshPlan:
    removed = set(delta.removed_items)
    writable = tuple(sorted({*delta.changed_items, *recent_items, *reshown} - removed))
    reason = f"{delta.interactions.num_rows} interactions, {len(writable)} writable items, {len(removed)} removed"
    return RefreshPlan("rows", reason, writable)


def _asking(found: Sequence[Finding], scope: Scope) -> str:
    return next((one.reason for one in found if one.scope == scope and one.reason), "")


def _strongest(found: Sequence[Finding], rows: RefreshPlan, instead: RefreshPlan | None) -> RefreshPlan:
    for scope in ("full", "dense"):
        if reason := _asking(found, scope):
            return RefreshPlan(scope, reason, instead=instead)
    return rows


def _afforded(wanted: RefreshPlan, rows: RefreshPlan, found: Sequence[Finding], seen: Signals, policy: PlanPolicy) -> RefreshPlan:
    """What the budget leaves room for: what is wanted, else rows alone, else the index, else nothing until tomorrow."""
    if _fits(wanted.scope, seen, policy):
        return wanted
    spent = f"{seen.costs.spent:,.0f} of {policy.budget:,.0f} CPU seconds of a day are spent"
    if wanted is not rows and _fits("rows", seen, policy):
        return replace(rows, reason=f"{rows.reason}; {wanted.scope} has to wait ({wanted.reason}): {spent}")
    low = _asking(found, "index")
    if low and _fits("index", seen, policy):
        return RefreshPlan("index", f"{low}; {wanted.scope} has to wait: {spent}", waits=True)
    return RefreshPlan("skip", f"{wanted.scope} has to wait ({wanted.reason}): {spent}", waits=True)


def _fits(scope: Scope, seen: Signals, policy: PlanPolicy) -> bool:
    """Whether it is within the budget, by what it cost before; what has never run is taken to cost nothing."""
    return seen.costs.spent + (seen.costs.estimate(scope, seen.waiting) or 0.0) <= policy.budget
