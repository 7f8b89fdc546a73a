"""The keys as a server holds them: looked at again within a second of a change, and never lost to a damaged file."""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path

from ratoon.domain.errors import StoreError
from ratoon.serving.keys import secret
from ratoon.serving.keys.rates import Limit
from ratoon.serving.keys.roles import Caller
from ratoon.serving.keys.store import NAME, Key, Stamp, read, stamp

LOOK_SECONDS = 1.0

logger = logging.getLogger("ratoon.serving")


@dataclass(frozen=True, slots=True)
class Known:
    """A key, ready to be compared with what a request shows."""

    caller: Caller
    digest: bytes = field(repr=False)
    limit: Limit | None
    expires: datetime | None
    revoked: bool


_NOBODY = Known(Caller("", "", "read"), bytes(32), None, None, True)
"""Stands for every unknown id, so that it costs what a wrong secret costs."""


class KeyRing:
    """The keys of a home. A file that is damaged or gone leaves the last good keys in force, and is logged.

    Where there were none before, a damaged file lets nobody in: whoever put it there wanted callers to be asked.

    Args:
        monotonic: seconds from any beginning; never goes back. Says when to look at the file again.
        now: the present, UTC; keys expire by it.

    Raises:
        StoreError: there is a file and it cannot be read or trusted.
    """

    def __init__(self, home: Path, monotonic: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._path, self._monotonic, self._now = home / NAME, monotonic, now
        self._known: dict[str, Known] = {}
        self._stamp: Stamp | None = None
        self._wrong, self._asks = "", False
        self._look_at = monotonic() + LOOK_SECONDS
        with suppress(FileNotFoundError):  # no keys yet
            self._take(*read(self._path))

    def asks(self) -> bool:
        """Whether callers must show a key: since the first one was made, also when none of them is good any more."""
        if self._monotonic() >= self._look_at:
            self._look()
        return self._asks

    def find(self, shown: bytes | None) -> Known | None:
        """The key that a request shows, if it is good; takes as long for an unknown id as for a wrong secret."""
        if shown is None or (id := secret.id_of(shown)) is None:
            return None
        known = self._known.get(id, _NOBODY)
        if not compare_digest(known.digest, secret.digest(shown)) or known.revoked:
            return None
        return None if known.expires is not None and known.expires <= self._now() else known

    def _look(self) -> None:
        self._look_at = self._monotonic() + LOOK_SECONDS
        try:
            if stamp(self._path.lstat()) == self._stamp:
                self._asks, self._wrong = bool(self._known), ""
                return
            keys, of = read(self._path)
        except FileNotFoundError:
            self._asks = bool(self._known)
            if self._known:
                self._say(f"{self._path} is gone")
        except (StoreError, OSError) as error:
            self._asks = True
            self._say(str(error))
        else:
            if self._known and not keys:
                self._say(f"{self._path} has no keys any more")
            else:
                self._take(keys, of)

    def _take(self, keys: tuple[Key, ...], of: Stamp) -> None:
        self._known = {key.id: _known(key) for key in keys}
        self._asks, self._stamp, self._wrong = bool(keys), of, ""

    def _say(self, wrong: str) -> None:
        if wrong != self._wrong:  # once, not every second
            logger.error("the keys that were read last stay in force: %s", wrong)
        self._wrong = wrong


def _known(key: Key) -> Known:
    limit = Limit.parse(key.rate) if key.rate is not None else None
    caller = Caller(key.id, key.name, key.role)
    # In UTC itself, as `now` is: comparing times of two zones asks both for their offsets, each time.
    expires = key.expires.astimezone(UTC) if key.expires is not None else None
    return Known(caller, bytes.fromhex(key.digest), limit, expires, key.revoked is not None)
