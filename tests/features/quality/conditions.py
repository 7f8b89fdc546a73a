"""Logs and rules as the tests of this folder build them; no Feast."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from ratoon.events import SqliteEventLog
from ratoon.features.quality.declared import declared
from ratoon.features.quality.rules import Rule
from ratoon.features.views import Origin, View, ViewField
from tests.fakes.events import START, at, batch, event

PROFILE = (ViewField("age", "INT64"), ViewField("gender", "STRING"), ViewField("score", "DOUBLE"))


def open_log(folder: Path) -> SqliteEventLog:
    return SqliteEventLog(folder / "events.sqlite", "log", lambda: START)


def view(name: str, origin: Origin, path: str = "", *fields: ViewField) -> View:
    return View("p", name, "user", origin, path, "event_timestamp", fields, created_timestamp_field="created_timestamp")


def profile_rules(tag: str = "", **fields: str) -> tuple[Rule, ...]:
    return declared(view("profile", "user", "", *PROFILE), tag, fields)


def activity_rules(tag: str) -> tuple[Rule, ...]:
    return declared(view("activity", "interaction"), tag, {})


def person(event_id: str, user: str, second: float = 0.0, **features: Any) -> dict[str, Any]:
    return event(event_id, kind="user", user_id=user, item_id=None, features=json.dumps(features), event_timestamp=at(second))


def clicks(user: str, count: int, apart: float, start: float = 0.0, **changes: Any) -> list[dict[str, Any]]:
    """So many interactions of one user, `apart` seconds from each other."""
    return [
        event(f"{user}-{start}-{turn}", user_id=user, event_timestamp=at(start + turn * apart), **changes)
        for turn in range(count)
    ]


def ids(events: pa.Table) -> list[str]:
    found: list[str] = events.column("event_id").to_pylist()
    return found


__all__ = ["activity_rules", "at", "batch", "clicks", "event", "ids", "open_log", "person", "profile_rules", "view"]
