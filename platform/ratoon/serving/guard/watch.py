"""A release that has just become everybody's, beside those before it; for the thread that answers."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ratoon.adopt import Slot
from ratoon.domain.errors import RatoonError
from ratoon.domain.guard import Limits, broken
from ratoon.domain.release import Release
from ratoon.serving.guard.tally import Tally
from ratoon.serving.trials.slots import Answering, Given

WAITING = 200_000
"""Answers that an interaction may yet name; while there are so many no other is taken."""

MANY = 20
"""After so many times `least` answers a release is measure enough for the next one, whether or not their users are known."""


@dataclass(slots=True)
class _Shown:
    """An answer that an interaction may yet name, until `due`."""

    tally: Tally
    user_id: str
    due: float
    followed: bool = False


class Guard:
    """What one surface has answered since it adopted its release, and before.

    The release that a process finds when it starts is not judged: there is nothing to compare it with. One that is replaced
    before it was asked for much is counted with those before it.

    Args:
        monotonic: seconds that only grow.
        judges: processes that judge by figures of their own.

    Attributes:
        before, now: what was seen of the releases before, and of the one that is served.
    """

    def __init__(self, limits: Limits, monotonic: Callable[[], float], judges: int = 1) -> None:
        self._limits, self._monotonic, self._judges = limits, monotonic, judges
        self.before, self.now = Tally(), Tally()
        self._release: Release | None = None
        self._until = 0.0
        self._shown: OrderedDict[str, _Shown] = OrderedDict()  # the oldest of many is found at once, which no dict does

    def answered(self, answer: Answering, user_id: str | None, request_id: str, slot: Slot, unseen: bool = False) -> Given:
        """What `answer` gives, counted; what is shown to nobody, or by a release on trial, is not.

        Raises:
            RatoonError: from `answer`; the question was wrong, or nobody waits any more.
        """
        if unseen or not slot.release.sequence:
            return answer(slot, unseen)
        tally = self._tally(slot.release)
        try:
            given = answer(slot)
        except RatoonError:
            raise
        except Exception:
            tally.failed()
            raise
        _, found, _, took = given
        tally.answered(found.source, took)
        if user_id is not None and len(self._shown) < WAITING:
            self._shown.setdefault(request_id, _Shown(tally, user_id, self._monotonic() + self._limits.wait))
        return given

    def followed(self, request_ids: Iterable[str]) -> None:
        """What interactions named, and whose time to be named is over."""
        for request_id in request_ids:
            if (shown := self._shown.get(request_id)) is not None:
                shown.followed = True
        now = self._monotonic()
        while self._shown:
            request_id, oldest = self._shown.popitem(last=False)
            if oldest.due > now:
                self._shown[request_id] = oldest
                self._shown.move_to_end(request_id, last=False)
                break
            oldest.tally.matured(oldest.user_id, oldest.followed)

    def judged(self) -> tuple[Release, str] | None:
        """The release that has to go, and why; None while there is no reason."""
        if self._release is None or self._monotonic() > self._until:
            return None
        reasons = broken(self._limits, self.before.seen(), self.now.seen(), self._judges)
        return (self._release, "; ".join(reasons)) if reasons else None

    def dismiss(self) -> None:
        """Judge the release that is served no more."""
        self._until = 0.0

    def _tally(self, release: Release) -> Tally:
        """Where an answer of a release counts: requests that began before another was adopted still have the old one."""
        known = self._release
        if known is None or release.sequence > known.sequence:
            self._turn(release)
        return self.before if self._release is not None and release.sequence < self._release.sequence else self.now

    def _turn(self, release: Release) -> None:
        # What was rolled back was bad: what follows is not to be measured by it, and what is back has been judged before.
        back, first = release.scope == "rollback", self._release is None
        if not back and not first and self.now is not self.before:
            seen, least = self.now.seen(), self._limits.least
            if seen.answers >= MANY * least or min(seen.answers, seen.followed.users) >= least:
                self.before = self.now
            else:
                self.before.take_over(self.now)
        self._release, self.now = release, self.before if back else Tally()
        self._until = 0.0 if back or first else self._monotonic() + self._limits.span
