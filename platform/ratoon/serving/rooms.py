"""What the server is given: every room already open."""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from ratoon.adopt import Live
from ratoon.ports import EventLog, Files, Indexes, OnlineFeatures, PostedItems, Registry, Towers


@dataclass(frozen=True, slots=True)
class Policy:
    """What a surface answers when the request does not say.

    Attributes:
        k: how many candidates.
        exclude_seen: whether items the user has had are left out; false where repeat consumption is wanted.
    """

    k: int = 50
    exclude_seen: bool = True


@dataclass(frozen=True, slots=True)
class Surface:
    """One product surface: what it serves now, where its releases come from, its policy.

    Attributes:
        log: the log as it sees it: what its users have had, and what is popular there.
    """

    live: Live
    registry: Registry
    log: EventLog
    policy: Policy = Policy()


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms behind the API.

    Attributes:
        log: the log of all surfaces: what happens is written there.
        surfaces: name -> surface.
        clock: the present by the configured clock; dates events that come without a time.
        posted_items: what items' own events say of them.
        apply_user_events: values these users' online features anew; called after their events are durable.
        check_features: refuses features that no view has or whose values do not fit, with a DataError.
        catch_up: brings online features up to the log where others moved them; called at each poll, once there is a release.
        feature_ages: (view, `offline` or `online`, seconds since its newest event time) of every view that has rows.
        poll_seconds: how often to look for a new release.
        probe_seconds: how often to look what share of the exact answers searches find: every item is scored for some of them.
        new_id: makes ids for events and requests that come without one.
    """

    log: EventLog
    surfaces: Mapping[str, Surface]
    online: OnlineFeatures
    open_towers: Callable[[Files], Towers]
    indexes: Indexes
    posted_items: PostedItems
    clock: Callable[[], datetime]
    apply_user_events: Callable[[list[str]], object]
    check_features: Callable[[Mapping[str, object]], object] = lambda _: None
    catch_up: Callable[[], object] = lambda: None
    feature_ages: Callable[[], Iterable[tuple[str, str, float]]] = tuple
    poll_seconds: float = 0.5
    probe_seconds: float = 30.0
    new_id: Callable[[], str] = lambda: str(uuid.uuid4())
