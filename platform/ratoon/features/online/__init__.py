"""The online store: packed rows in SQLite or Redis, Feast's classes over them, and what a server reads without Feast."""

from ratoon.features.online.users import OnlineUsers

__all__ = ["OnlineUsers"]
