"""User features for answers, also while the online store does not answer: then as they were read last."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ratoon.domain.errors import StoreError
from ratoon.domain.event import Event
from ratoon.domain.schema import TowerSchema
from ratoon.ports import Values

REMEMBERED = 20_000
"""Users whose features are kept as they were read last: a few tens of megabytes."""

PAUSE = 1.0
"""Seconds for which a store that has just failed is not asked again: every answer would wait for it to fail once more."""

logger = logging.getLogger("ratoon.serving")


class Stored(Protocol):
    """The online store, as a server uses it."""

    def user(self, user_id: str, schema: TowerSchema, session: Sequence[Event] = ()) -> Values | None:
        """See `ratoon.ports.OnlineFeatures`."""

    def stored(self, user_id: str) -> Mapping[str, tuple[datetime | None, Values]]:
        """View -> when the newest event that it knows of a user happened, and its features."""

    def refresh(self, user_ids: Sequence[str]) -> object:
        """Value users' features anew."""

    def catch_up(self) -> object:
        """Apply what the log has beyond what is stored."""


class ServedFeatures:
    """Online features, opened when first needed: before the first bootstrap a server runs and there are none."""

    def __init__(self, opening: Callable[[], Stored], monotonic: Callable[[], float]) -> None:
        self._opening, self._monotonic = opening, monotonic
        self._lock = threading.Lock()
        self._store: Stored | None = None
        self._last: OrderedDict[str, tuple[TowerSchema, Values]] = OrderedDict()
        self._closed_until = 0.0

    @property
    def _opened(self) -> Stored:
        with self._lock:
            if self._store is None:
                self._store = self._opening()
            return self._store

    def user(self, user_id: str, schema: TowerSchema, session: Sequence[Event] = ()) -> Values | None:
        """As the store says; StoreError at once for PAUSE seconds after it failed."""
        if self._closed_until and self._monotonic() < self._closed_until:
            raise StoreError(
                "online store", expected="an answer", found="a failure a moment ago", fix="Look at the online store."
            )
        try:
            values = (self._store or self._opened).user(user_id, schema, session)
        except StoreError as error:
            self._closed_until = self._monotonic() + PAUSE
            logger.error("the online store does not answer, users get what is remembered or popular: %s", error)
            raise
        if values is not None and not session:
            self._last[user_id] = (schema, values)
            if len(self._last) > REMEMBERED:
                self._last.popitem(last=False)
        return values

    def remembered(self, user_id: str, schema: TowerSchema) -> Values | None:
        """What was read last of a user for towers that are fed the same."""
        known = self._last.get(user_id)
        return known[1] if known is not None and known[0].hash == schema.hash else None

    def stored(self, user_id: str) -> Mapping[str, tuple[datetime | None, Values]]:
        """As the store says."""
        return self._opened.stored(user_id)

    def refresh(self, user_ids: Sequence[str]) -> None:
        """Value users' features anew, and store them."""
        self._opened.refresh(user_ids)

    def catch_up(self) -> None:
        """Apply what the log has beyond what is stored."""
        self._opened.catch_up()
