"""Answers to log."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from ratoon.domain.event import LOG_SCHEMA
from ratoon.domain.exploration import Exploration, explored, rng_of
from ratoon.serving.exposures import Exposure

START = datetime(2024, 5, 1, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def answer(request: str = "r1", seconds: float = 0, user: str | None = "u1", surface: str = "default") -> Exposure:
    """Two items, for certain."""
    return Exposure(request, after(seconds), surface, user, "release", "tower", (("a", 2.0), ("b", 1.5)))


def drawn(request: str, seconds: float, user: str, exploration: Exploration, ranked: tuple[str, ...], k: int) -> Exposure:
    """The first k of some items, as exploration shows them, scored n, n - 1, ..., 1."""
    slate = explored(len(ranked), k, exploration, rng_of(request, "salt"))
    found = [(item, float(len(ranked) - place)) for place, item in enumerate(ranked)]
    return Exposure(
        request,
        after(seconds),
        "default",
        user,
        "release",
        "tower",
        [found[place] for place in slate.places],
        slate.propensities,
        [found[place] for place in slate.choices],
        slate.slots,
        exploration.epsilon if slate.slots else 0.0,
        {"user_id": user},
    )


def happened(*events: tuple[float, str | None, str, str], surface: str | None = None) -> pa.Table:
    """Interactions as the log has them: seconds after START, request, item and type."""
    return pa.Table.from_pylist(
        [
            {
                "event_id": f"e{offset}",
                "kind": "interaction",
                "surface": surface,
                "user_id": "u1",
                "item_id": item,
                "type": kind,
                "value": 1.0,
                "event_timestamp": after(seconds),
                "request_id": request,
                "created_timestamp": after(seconds),
                "offset": offset,
            }
            for offset, (seconds, request, item, kind) in enumerate(events, 1)
        ],
        LOG_SCHEMA,
    )
