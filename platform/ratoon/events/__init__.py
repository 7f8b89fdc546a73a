"""The durable event log: nothing is acknowledged before it is on disk."""

from ratoon.events.sqlite import SqliteEventLog

__all__ = ["SqliteEventLog"]
