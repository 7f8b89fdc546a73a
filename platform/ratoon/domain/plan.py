"""How much of the system a refresh has to move: the only place that decides."""

from dataclasses import dataclass
from typing import Literal

from ratoon.domain.delta import FeatureDelta

Scope = Literal["skip", "rows", "full"]


@dataclass(frozen=True, slots=True)
class RefreshPlan:
    """A decision and its reason.

    Attributes:
        scope: `skip` nothing moves; `rows` id rows and the user tower move, the item tower's shared layers are frozen and
            only `writable` items are embedded again; `full` starts again from all history.
        writable: the items whose rows may move under `rows`; sorted, empty otherwise.
    """

    scope: Scope
    reason: str
    writable: tuple[str, ...] = ()


def decide(
    delta: FeatureDelta,
    *,
    has_parent: bool,
    schema_changed: bool,
    recent_items: tuple[str, ...] = (),
    forced: Scope | None = None,
) -> RefreshPlan:
    """The cheapest plan that keeps quality, and why.

    Args:
        recent_items: the items that the parent's own refresh wrote. They stay writable for one more window: at small
            deltas that keeps the recall that masking would cost.
        forced: the caller's wish. `rows` without a usable parent still gives `full`: there are no rows to move.
    """
    if not has_parent:
        return RefreshPlan("full", "no release yet: learn from all history")
    if schema_changed:
        return RefreshPlan("full", "the feature services changed since the current release")
    if forced == "full":
        return RefreshPlan("full", "asked for")
    if forced == "skip" or (delta.is_empty and forced is None):
        return RefreshPlan("skip", "asked for" if forced else "nothing changed since the current release")
    removed = set(delta.removed_items)
    writable = tuple(sorted((set(delta.changed_items) | set(recent_items)) - removed))
    rows = delta.interactions.num_rows
    return RefreshPlan("rows", f"{rows} interactions, {len(writable)} writable items, {len(removed)} removed", writable)
