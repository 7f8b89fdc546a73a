"""The durable event log: nothing is acknowledged before it is on disk."""

from ratoon.events.opening import open_log
from ratoon.events.refused import RefusedEvents
from ratoon.events.sqlite import SqliteEventLog
from ratoon.events.turns import Limits

__all__ = ["Limits", "RefusedEvents", "SqliteEventLog", "open_log"]
