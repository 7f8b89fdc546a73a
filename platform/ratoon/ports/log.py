"""The log of events, as flows read it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal, Protocol

import pyarrow as pa

from ratoon.domain.labels import Types
from ratoon.domain.schema import Entity


class EventLog(Protocol):
    """The one place where an event is acknowledged. A surface's own sees and ranks by interactions that count there alone."""

    def append(self, events: pa.Table) -> pa.Table:
        """Make `events` (EVENT_SCHEMA) durable; return those that were new, as the log has them (LOG_SCHEMA)."""

    def read(self, after: int, upto: int | None = None) -> pa.Table:
        """Acknowledged events with after < offset <= upto, by offset (LOG_SCHEMA)."""

    def known(self, event_ids: Sequence[str]) -> pa.Table:
        """The events with these ids that it has (LOG_SCHEMA), in no order."""

    def end(self) -> int:
        """The newest acknowledged offset; 0 when there is none."""

    def now(self) -> datetime:
        """The present by the configured clock: the wall's, or the newest acknowledged event time."""

    def edition(self) -> object:
        """Equal to an earlier one as long as what is shown of the offsets up to `end` then is what it was."""

    def history(self, entity: Entity, ids: Sequence[str], upto: int | None = None, after: int = 0) -> pa.Table:
        """All events of these users or items at after < offset <= upto, by (entity id, event_timestamp, event_id); LOG_SCHEMA."""

    def seen(self, user_id: str, before: int | None = None) -> list[str]:
        """The items a user interacted with at offsets below `before`, or ever; without duplicates."""

    def seen_by(self, users: Sequence[str], before: Sequence[int]) -> list[list[str]]:
        """What `seen` says of each user and the offset beside it, in order; each user's events are read once."""

    def catalogue(self, upto: int) -> list[str]:
        """The items alive at offset `upto`, sorted: seen in any event and not removed since."""

    def removed(self, after: int) -> list[str]:
        """The items removed at offsets above `after` and not posted again since."""

    def posted(self, after: int) -> list[tuple[str, bool]]:
        """The items posted at offsets above `after` and not removed since, and whether they had been removed above it too."""

    def recent(self, upto: int, count: int) -> list[tuple[int, str, str]]:
        """Offset, user and item of the newest `count` interactions at offsets <= `upto`, by offset."""

    def popular(self, count: int) -> list[tuple[str, int]]:
        """The items of the newest interactions with how often each occurs, most frequent first; at most `count`."""


class WholeLog(EventLog, Protocol):
    """The log itself, which also answers as if some of its events were not there, or only some types of interactions were."""

    @property
    def clock(self) -> Literal["wall", "log"]:
        """Whose present `now` is."""

    def now(self, accepted: Callable[[pa.Table], pa.Table] | None = None) -> datetime:
        """As `EventLog`; by the log's clock the newest event time among those events (LOG_SCHEMA) that `accepted` lets pass."""

    def seen(self, user_id: str, before: int | None = None, types: Types = None) -> list[str]:
        """As `EventLog`, by interactions of these types."""

    def seen_by(self, users: Sequence[str], before: Sequence[int], types: Types = None) -> list[list[str]]:
        """As `EventLog`, by interactions of these types."""

    def catalogue(self, upto: int, without: Sequence[int] = ()) -> list[str]:
        """As `EventLog`, as if there were no events at the offsets `without`."""

    def removed(self, after: int, without: Sequence[int] = ()) -> list[str]:
        """As `EventLog`, as if there were no events at the offsets `without`."""

    def posted(self, after: int, without: Sequence[int] = ()) -> list[tuple[str, bool]]:
        """As `EventLog`, as if there were no events at the offsets `without`."""

    def recent(self, upto: int, count: int, without: Sequence[int] = (), types: Types = None) -> list[tuple[int, str, str]]:
        """As `EventLog`, by interactions of these types, as if there were no events at the offsets `without`."""

    def popular(self, count: int, without: Sequence[int] = (), types: Types = None) -> list[tuple[str, int]]:
        """As `EventLog`, by interactions of these types, as if there were no events at the offsets `without`."""
