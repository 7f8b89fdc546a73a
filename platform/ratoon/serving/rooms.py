"""What the server is given: every room already open."""

import os
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ratoon.adopt import Live
from ratoon.domain.report import Run
from ratoon.ports import EventLog, Files, Indexes, OnlineFeatures, PostedItems, Registry, ServedTowers
from ratoon.serving.board import Place
from ratoon.serving.exposures import Chance, ExposureLog
from ratoon.serving.guard import Guard
from ratoon.serving.keys import Audit, KeyRing, Limit, Rates
from ratoon.serving.logs import Access
from ratoon.serving.refreshing import Refreshes
from ratoon.serving.tracing import Tracing
from ratoon.serving.trials import TrialSlot


class Ids:
    """Random ids (UUID version 4) in any thread; the system is asked for randomness once for many.

    A system call lets go of the interpreter, and to get it back may take longer than everything else about an event.
    """

    MANY = 256

    def __init__(self, random: Callable[[int], bytes]) -> None:
        """Args: random: gives so many bytes."""
        self._random, self._left = random, list[bytes]()

    def __call__(self) -> str:
        """Another one."""
        try:
            drawn = self._left.pop()
        except IndexError:
            lot = self._random(16 * self.MANY)
            *self._left, drawn = (lot[first : first + 16] for first in range(0, len(lot), 16))
        return str(uuid.UUID(bytes=drawn, version=4))


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
        chance: what of its answers is left to chance; None for nothing.
        trial: what it tries beside what it serves.
        guard: what watches what it serves; None where nobody asks for that.
        runs: what its refreshes did, newest first; reads files.
        apart: `log` for what is read beside answers, and takes long; `log` itself if there is no other.
    """

    live: Live
    registry: Registry
    log: EventLog
    policy: Policy = Policy()
    chance: Chance | None = None
    trial: TrialSlot = field(default_factory=TrialSlot)
    guard: Guard | None = None
    runs: Callable[[], Sequence[Run]] = tuple
    apart: EventLog | None = None

    @property
    def behind(self) -> EventLog:
        """The log for looks that nobody waits for."""
        return self.apart or self.log

    @property
    def lives(self) -> Sequence[Live]:
        """Whatever answers here, and so has to know what is posted and removed."""
        return [self.live] if self.trial.live is None else [self.live, self.trial.live]


@dataclass(frozen=True)
class Keys:
    """Who may ask; see `ratoon.serving.around.access`.

    Attributes:
        now: the machine's clock, UTC: keys expire by it, whatever time the events say it is.
        default: the rate of keys that have none of their own.
    """

    ring: KeyRing
    audit: Audit
    rates: Rates
    now: Callable[[], datetime]
    default: Limit | None = None


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
        stored_features: view -> when a user's newest event in it happened, and the features; None: they have expired.
        refuse: keeps an event that broke a rule, by the columns of EVENT_SCHEMA, with the reason and when; raises nothing.
        refreshes: starts refreshes, and tells of runs.
        home: where all state is, whose space is watched.
        exposures: takes down what was shown; None where nobody asks for it.
        keys: who may ask; None where nobody is asked who they are.
        place: among several workers; None for a process that serves alone.
        access: whose answers leave a log line.
        tracing: where requests are told of as spans; None where nobody asks for them.
        poll_seconds: how often to look for a new release.
        probe_seconds: how often to look what share of the exact answers searches find: every item is scored for some of them.
        new_id: makes ids for events and requests that come without one.
    """

    log: EventLog
    surfaces: Mapping[str, Surface]
    online: OnlineFeatures
    open_towers: Callable[[Files], ServedTowers]
    indexes: Indexes
    posted_items: PostedItems
    clock: Callable[[], datetime]
    apply_user_events: Callable[[list[str]], object]
    refreshes: Refreshes
    stored_features: Callable[[str], Mapping[str, tuple[datetime | None, Mapping[str, object]]]] = lambda _: {}
    home: Path | None = None
    exposures: ExposureLog | None = None
    keys: Keys | None = None
    check_features: Callable[[Mapping[str, object]], object] = lambda _: None
    refuse: Callable[[Mapping[str, object], str, datetime], object] = lambda *_: None
    catch_up: Callable[[], object] = lambda: None
    feature_ages: Callable[[], Iterable[tuple[str, str, float]]] = tuple
    place: Place | None = None
    access: Access = "failed"
    tracing: Tracing | None = None
    poll_seconds: float = 0.5
    probe_seconds: float = 30.0
    new_id: Callable[[], str] = field(default_factory=lambda: Ids(os.urandom))
