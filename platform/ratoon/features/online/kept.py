"""Users' features as they were read last, for as long as nobody has written them since: most who ask have asked before."""

from collections import OrderedDict
from collections.abc import Iterable
from threading import Lock
from typing import NamedTuple

from ratoon.domain.inputs import Inputs

USERS = 20_000
"""Whose are kept: a few tens of megabytes."""


class Reading(NamedTuple):
    """What was read of a user.

    Attributes:
        plan: how; for another one it has to be read again.
        inputs: what was found.
        good: the moments, in microseconds since 1970, at which the same rows would say the same.
    """

    plan: object
    inputs: Inputs
    good: range


class Kept:
    """User -> what was read of them last. Any number of threads may share it.

    Whoever reads rows takes the turn first and hands it in with what was found: if anything was written meanwhile, what was
    found may be of before, and is not kept.
    """

    def __init__(self) -> None:
        self._users: OrderedDict[str, Reading] = OrderedDict()
        self._lock, self._turn = Lock(), 0
        self._written: object = None

    def turn(self, written: object) -> int:
        """The number of what is kept now; nothing is kept any more if others have written.

        Args:
            written: what the store says of itself, see `RowStore.written`.
        """
        with self._lock:
            if written != self._written:
                self._users.clear()
                self._turn += 1
                self._written = written
            return self._turn

    def of(self, user_id: str, plan: object, now: int) -> Inputs | None:
        """What is known of a user, as it would be read `now`."""
        with self._lock:
            known = self._users.get(user_id)
            if known is None or known.plan is not plan or now not in known.good:
                return None
            self._users.move_to_end(user_id)
            return known.inputs

    def keep(self, turn: int, user_id: str, known: Reading) -> None:
        """Remember what was read in a turn, if it is not over."""
        with self._lock:
            if turn == self._turn:
                self._users[user_id] = known
                if len(self._users) > USERS:
                    self._users.popitem(last=False)

    def forget(self, user_ids: Iterable[str] | None = None) -> None:
        """Their rows, or everybody's, have been written."""
        with self._lock:
            self._turn += 1
            if user_ids is None:
                self._users.clear()
            else:
                for user in user_ids:
                    self._users.pop(user, None)
