"""How much of the system a refresh has to move: the only place that decides."""

from dataclasses import dataclass
from typing import Literal

from ratoon.domain.delta import FeatureDelta
from ratoon.domain.drift import Drift
from ratoon.domain.quality import Record, fallen

Scope = Literal["skip", "rows", "dense", "full"]
Full = Literal["scratch", "window", "warm"]


@dataclass(frozen=True, slots=True)
class RefreshPlan:
    """A decision and its reason.

    Attributes:
        scope: `skip` nothing moves; `rows` id rows and the user tower move, the item tower's shared layers are frozen and
            only `writable` items are embedded again; `dense` the shared layers move as well, so that the whole catalogue is
            embedded again; `full` starts again from all history.
        writable: the items whose rows may move under `rows`; sorted, empty otherwise.
        instead: what to do where this is refused; None for nothing.
        must_win: whether the candidate stands beside a release that could go on as it is, and so has to be better than it.
    """

    scope: Scope
    reason: str
    writable: tuple[str, ...] = ()
    must_win: bool = False
    instead: "RefreshPlan | None" = None


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """When rows alone no longer do.

    Attributes:
        ageing: the share by which the log has grown since the shared layers last learnt, at which they learn again. Measured on
            MovieTweetings-100k: rows alone are ahead of a scratch retrain up to about a fifth and behind it from a third.
        settled: the growth before which a fall in recall is not yet taken for ageing.
        fallen: the share of recall on new interactions that must have been lost for certain to be taken for it.
        full: what `full` learns from: all of history from nothing (`scratch`), its newer half from nothing (`window`), or all of
            it once more on top of the release before (`warm`), where the feature services are the same.
    """

    ageing: float = 0.25
    settled: float = 0.05
    fallen: float = 0.2
    full: Full = "scratch"

    def aged(self, taught: int, end: int, record: Record) -> str:
        """Why the shared layers should learn again; empty if they should not.

        Args:
            taught: the log's offset when they last did; 0 if that is not known.
            end: the offset up to which a refresh would learn now.
        """
        growth = (end - taught) / taught if taught else 0.0
        if growth >= self.ageing:
            return f"the log has grown by {growth:.0%} since the shared layers last learnt"
        if growth >= self.settled and record.fresh and record.newest:
            return fallen(record.fresh, record.newest, self.fallen)
        return ""


def decide(
    delta: FeatureDelta,
    *,
    has_parent: bool,
    schema_changed: bool,
    recent_items: tuple[str, ...] = (),
    forced: Scope | None = None,
    drift: Drift | None = None,
    reshown: tuple[str, ...] = (),
    gained: bool = False,
    aged: str = "",
) -> RefreshPlan:
    """The cheapest plan that keeps quality, and why.

    Args:
        recent_items: the items that the parent's own refresh wrote. They stay writable for one more window: at small
            deltas that keeps the recall that masking would cost.
        gained: the schema changed by inputs that were added, and by nothing else.
        reshown: the live items, if other columns go with them than in the parent's index; all are then written again.
        drift: an input that has moved so far from what the shared layers learnt that rows alone cannot follow it.
        aged: why the shared layers should learn again; empty if they should not, see `PlanPolicy.aged`.
        forced: the caller's wish. `skip` with a release to keep is always granted; `rows` and `dense` without a usable
            parent still give `full`, and `rows` without the inputs that were gained gives `dense`.
    """
    if not has_parent:
        return RefreshPlan("full", "no release yet: learn from all history")
    if forced == "skip":
        return RefreshPlan("skip", "asked for")
    if schema_changed and not gained:
        return RefreshPlan("full", "the feature services changed since the current release")
    if forced in ("full", "dense"):
        return RefreshPlan(forced, "asked for", must_win=forced == "full")
    if schema_changed and drift is not None and forced is None:
        return RefreshPlan("full", str(drift))
    if schema_changed:
        return RefreshPlan("dense", "the feature services gained inputs since the current release")
    if delta.is_empty and not reshown and forced is None:
        return RefreshPlan("skip", "nothing changed since the current release")
    if drift is not None and forced is None:
        return RefreshPlan("full", str(drift))
    removed = set(delta.removed_items)
    writable = tuple(sorted({*delta.changed_items, *recent_items, *reshown} - removed))
    reason = f"{delta.interactions.num_rows} interactions, {len(writable)} writable items, {len(removed)} removed"
    rows = RefreshPlan("rows", reason, writable)
    return RefreshPlan("dense", aged, instead=rows) if aged and forced is None else rows
