"""The second slot of a surface: the release on trial, and which requests it answers.

Whatever goes wrong in it, the request is answered by the current release. Once too many have failed, or the figures say
so, nobody is asked to it any more from the next request on; ending the trial for good follows at the next look.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, Protocol

from ratoon.adopt import Live, Slot
from ratoon.domain.query import Answer
from ratoon.domain.trial import Figures, Judged, Trial, failing, judged
from ratoon.serving.exposures import Exposure
from ratoon.serving.problems import TooLate
from ratoon.serving.trials.counted import MADE, Counted, Side
from ratoon.serving.trials.likeness import likeness
from ratoon.serving.trials.shadows import EVERY, Shadows

logger = logging.getLogger("ratoon.serving")


Given = tuple[bytes, Answer, Exposure, Mapping[str, float]]
"""One answer: as it is sent, what it holds, what was shown, and milliseconds by stage. A plain tuple: each request makes one."""


class Answering(Protocol):
    """Answers a request."""

    def __call__(self, slot: Slot, unseen: bool = False, /) -> Given:
        """From a slot; `unseen`: later, and nobody waits for it."""


class Tried(NamedTuple):
    """A trial whose release is open here, and whom it answers."""

    trial: Trial
    chooses: Callable[[str], bool]
    live: Live
    counted: Counted
    shadows: Shadows


class TrialSlot:
    """What a surface has on trial; for the thread that answers.

    Args:
        judges: processes that judge by figures of their own.
        every: in shadow: one question in so many is compared.

    Attributes:
        tried: what answers some requests; None while nothing does, which is all that a request has to look at.
        fallen: the trial that has just fallen back, and why, until its end is written down.
    """

    def __init__(self, judges: int = 1, every: int = EVERY) -> None:
        self._judges, self._every = judges, every
        self.tried: Tried | None = None
        self.fallen: tuple[Trial, str] | None = None

    @property
    def live(self) -> Live | None:
        """What has to be kept up with the log."""
        return self.tried.live if self.tried is not None else None

    def begin(self, trial: Trial, live: Live) -> None:
        """Answer by `live` whoever the trial is for, from the next request on."""
        self.tried = Tried(trial, trial.chooser(), live, Counted(), Shadows(self._every))
        self.fallen = None

    def stop(self) -> None:
        """Answer everybody by the current release, from the next request on."""
        if self.tried is not None:
            self.tried.shadows.clear()
        self.tried = None

    def fall_back(self, trial: Trial, reason: str) -> None:
        """`stop`, and let it be known why."""
        if self.fallen != (trial, reason):
            logger.error("release %s on trial falls back: %s", trial.release, reason)
        self.stop()
        self.fallen = trial, reason

    def figures(self) -> Figures:
        """What was seen of the trial in this process."""
        return self.tried.counted.figures() if self.tried is not None else Figures()

    def told(self) -> Judged:
        """What the figures say now."""
        return judged(self.tried.trial.terms, self.figures(), self._judges) if self.tried is not None else Judged("go on")

    def judge(self) -> Judged:
        """The same; falls back if they say so."""
        found = self.told()
        if self.tried is not None and found.call == "fall back":
            self.fall_back(self.tried.trial, "; ".join(found.reasons))
        return found

    def answered(self, slot: Slot, user_id: str | None, request_id: str, answer: Answering) -> Given:
        """The answer to one request, by the current release's `slot` or by the one on trial.

        Raises:
            RatoonError: from `answer`, asked of `slot`; or TooLate.
        """
        tried = self.tried
        if tried is None or (other := tried.live.slot) is None:
            return answer(slot)
        if tried.trial.terms.mode == "shadow":
            given = answer(slot)
            tried.counted.dropped += not tried.shadows.offer(partial(self._compare, tried, given, answer))
            return given
        side: Side = "trial" if user_id is not None and tried.chooses(user_id) else "control"
        try:
            given = answer(slot if side == "control" else other)
        except TooLate:
            raise
        except Exception as error:
            if side == "control":
                raise
            given = answer(slot)  # what fails here too is not the trial's fault
            logger.exception("release %s on trial could not answer", tried.trial.release)
            self._failed(tried, error)
            return given
        tried.counted.answers += side == "trial"
        _, found, _, took = given
        tried.counted.timed(side, found.source, took)
        if user_id is not None:
            tried.counted.shown(side, user_id, request_id)
        return given

    def _compare(self, tried: Tried, given: Given, answer: Answering) -> None:
        other = tried.live.slot
        if self.tried is not tried or other is None:
            return
        try:
            _, found, _, took = answer(other, True)
        except Exception as error:
            logger.exception("release %s on trial could not answer", tried.trial.release)
            self._failed(tried, error)
            return
        tried.counted.answers += 1
        _, shown, _, usual = given
        tried.counted.timed("trial", found.source, took)
        tried.counted.timed("control", shown.source, usual)
        if shown.source in MADE:
            tried.counted.compared(likeness(shown.found, found.found))

    def _failed(self, tried: Tried, error: Exception) -> None:
        counted, trial = tried.counted, tried.trial
        counted.answers += 1
        counted.errors += 1
        if self.tried is tried and failing(trial.terms.guards, counted.answers, counted.errors, self._judges):
            self.fall_back(trial, f"{counted.errors} of {counted.answers} answers failed: {error!r}"[:500])
