"""A release on trial beside the current one: who is answered by it, and what is made of what it shows.

In shadow it answers a sample of requests too, and nobody sees it. In a canary it answers some users, the same ones as long as
the trial runs: users are drawn by a hash, so that each share is a random one and no state is kept.

How certain a figure is at any look: `ratoon.domain.sequential`.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import exp, log
from typing import Literal

from ratoon.domain.errors import UsageError
from ratoon.domain.sequential import FAR, Followed, Sample, reach, too_often

Mode = Literal["shadow", "canary"]
Call = Literal["go on", "fall back", "ready"]

GUARDED = 3
"""Limits that a trial is judged by at once: failures, latency, and overlap or interactions."""

NONE, NOBODY = Sample(), Followed()


@dataclass(frozen=True, slots=True)
class Guards:
    """What a release on trial must hold.

    Attributes:
        errors: share of its answers that may fail where the current release's do not.
        latency: how many times the time of the current release's stages its own may take, by geometric means.
        overlap: in shadow: least mean share of candidates that both would show.
        loss: in a canary: relative loss of interactions per answer that is let pass.
        alpha: probability that a trial that holds them all falls back at any time.
        least: answers, and in a canary users on either side, before which nothing is concluded from a mean.
    """

    errors: float = 0.001
    latency: float = 2.0
    overlap: float = 0.1
    loss: float = 0.1
    alpha: float = 0.05
    least: int = 200

    def __post_init__(self) -> None:
        """Refuse limits that nothing could hold or break; UsageError."""
        wanted = {
            "errors": (0 < self.errors < 1 / FAR, "above 0 and below 0.1"),
            "latency": (self.latency >= 1, "1 or more"),
            "overlap": (0 <= self.overlap < 1, "at least 0 and below 1"),
            "loss": (0 <= self.loss < 1, "at least 0 and below 1"),
            "alpha": (0 < self.alpha < 1, "above 0 and below 1"),
            "least": (self.least >= 2, "2 or more"),
        }
        for name, (fits, expected) in wanted.items():
            if not fits:
                found = str(getattr(self, name))
                raise UsageError(f"guards.{name}", expected=expected, found=found, fix="Leave it out for the usual one.")


@dataclass(frozen=True, slots=True)
class Terms:
    """How a release is tried.

    Attributes:
        percent: of a canary's users; 0 in shadow.
    """

    mode: Mode
    percent: float = 0.0
    guards: Guards = field(default_factory=Guards)

    @classmethod
    def parse(cls, text: str, guards: Guards | None = None) -> "Terms":
        """`shadow` or `canary:PERCENT`; UsageError if it is neither, or leaves nobody to compare with."""
        mode, _, share = text.partition(":")
        try:
            percent = float(share) if mode == "canary" else 0.0
        except ValueError:
            percent = -1.0
        if text == "shadow" or (mode == "canary" and 0 < percent < 100):
            return cls("canary" if mode == "canary" else "shadow", percent, guards or Guards())
        raise UsageError(
            "--trial",
            expected="shadow, or canary:PERCENT with more than 0 and less than 100 percent of users",
            found=repr(text),
            fix="Say `--trial shadow` to see it answer before anybody is shown it.",
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """A release that is tried.

    Attributes:
        release: its id.
        parent: the id of the release that it is compared with, and that it may replace.
        begun: when, by the machine's clock, UTC.
    """

    surface: str
    release: str
    parent: str
    begun: datetime
    terms: Terms

    @property
    def id(self) -> str:
        """Names it, 16 hex digits; the same release tried again is another trial, with other users."""
        said = json.dumps([self.surface, self.release, self.begun.isoformat()])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def told(self) -> str:
        """What is tried and what ends it, for people."""
        share = f" for {self.terms.percent:g} % of users" if self.terms.mode == "canary" else ""
        began = f"release {self.release[:12]} is on trial since {self.begun:%Y-%m-%d %H:%M} UTC, in {self.terms.mode}{share}"
        return f"{began}: `ratoon trial promote` publishes it, `ratoon trial end` forgets it"

    def chooser(self) -> Callable[[str], bool]:
        """Says whether a canary answers a user: always the same, in every process."""
        begun, below = hashlib.sha256(f"{self.surface}\0{self.id}\0".encode()), self.terms.percent / 100 * 2**64

        def chooses(user_id: str) -> bool:
            drawn = begun.copy()
            drawn.update(user_id.encode(errors="surrogatepass"))
            return int.from_bytes(drawn.digest()[:8]) < below

        return chooses

    def chooses(self, user_id: str) -> bool:
        """What its `chooser` says."""
        return self.chooser()(user_id)

    def to_json(self) -> str:
        """As JSON, keys sorted."""
        return json.dumps(asdict(self) | {"begun": self.begun.isoformat()}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Trial":
        """The inverse of `to_json`."""
        raw = json.loads(text)
        terms = raw["terms"] | {"guards": Guards(**raw["terms"]["guards"])}
        return cls(**raw | {"begun": datetime.fromisoformat(raw["begun"]), "terms": Terms(**terms)})


@dataclass(frozen=True, slots=True)
class Figures:
    """What a trial has shown so far.

    Attributes:
        answers, errors: of the release on trial: how many it was asked for, and how many of these failed.
        took, usual: logarithms of the seconds of its stages, and of the current release's.
        overlap: share of candidates that both would show, where both were asked.
        order: Spearman's rank correlation of those; no limit is on it.
        missing: the score of the current release's candidates that it would not show, over that of all of them; no limit either.
        trial, control: what followed from its answers and from the current release's.
        dropped: comparisons that were left out because there was no time.
    """

    answers: int = 0
    errors: int = 0
    took: Sample = NONE
    usual: Sample = NONE
    overlap: Sample = NONE
    order: Sample = NONE
    missing: Sample = NONE
    trial: Followed = NOBODY
    control: Followed = NOBODY
    dropped: int = 0

    @property
    def slower(self) -> float:
        """How many times the current release's time its stages take; 1 where neither was timed."""
        return exp(self.took.mean - self.usual.mean)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to be done, and why."""

    call: Call
    reasons: tuple[str, ...] = ()


def judged(terms: Terms, seen: Figures, judges: int = 1) -> Judged:
    """What the figures of a trial say now.

    Args:
        judges: how many processes judge by figures of their own; one of them is enough to end a trial, so they share alpha.
    """
    guards, alpha = terms.guards, terms.guards.alpha / GUARDED / judges
    broken = [f"{seen.errors} of {seen.answers} answers failed; {guards.errors:.2%} may"]
    broken = broken if failing(guards, seen.answers, seen.errors, judges) else []
    broken += _slow(guards, seen, alpha)
    broken += _elsewhere(guards, seen, alpha) if terms.mode == "shadow" else _worse(guards, seen, alpha)
    if broken:
        return Judged("fall back", tuple(broken))
    held = _resembles(guards, seen, alpha) if terms.mode == "shadow" else _no_worse(guards, seen, alpha)
    timed = min(seen.took.n, seen.usual.n) >= guards.least
    return Judged("ready", (held,)) if held and timed else Judged("go on")


def failing(guards: Guards, answers: int, errors: int, judges: int = 1) -> bool:
    """Whether more answers fail than is let pass; two of the first few are enough, see `too_often`."""
    return too_often(answers, errors, guards.errors, guards.alpha / GUARDED / judges)


def _slow(guards: Guards, seen: Figures, alpha: float) -> list[str]:
    if min(seen.took.n, seen.usual.n) < guards.least:
        return []
    certain = seen.took.mean - seen.usual.mean - reach(seen.took.variance + seen.usual.variance, guards.least, alpha)
    return (
        [f"stages take {seen.slower:.2f} times as long; {guards.latency:g} times may be"] if certain > log(guards.latency) else []
    )


def _elsewhere(guards: Guards, seen: Figures, alpha: float) -> list[str]:
    if seen.overlap.n < guards.least or seen.overlap.mean + reach(seen.overlap.variance, guards.least, alpha) >= guards.overlap:
        return []
    return [f"{seen.overlap.mean:.1%} of candidates are the same; {guards.overlap:.1%} must be"]


def _resembles(guards: Guards, seen: Figures, alpha: float) -> str:
    if seen.overlap.n < guards.least or seen.overlap.mean - reach(seen.overlap.variance, guards.least, alpha) < guards.overlap:
        return ""
    return f"{seen.overlap.mean:.1%} of candidates are the same"


def _worse(guards: Guards, seen: Figures, alpha: float) -> list[str]:
    if min(seen.trial.users, seen.control.users) < guards.least or not _beyond(guards, seen, alpha)[1] < 0:
        return []
    return [f"{_rates(seen)}; a loss of {guards.loss:.0%} may be"]


def _no_worse(guards: Guards, seen: Figures, alpha: float) -> str:
    if min(seen.trial.users, seen.control.users) < guards.least or not _beyond(guards, seen, alpha)[0] > 0:
        return ""
    return f"{_rates(seen)}: less than a loss of {guards.loss:.0%}"


def _rates(seen: Figures) -> str:
    return f"{seen.trial.rate:.4f} interactions per answer against {seen.control.rate:.4f}"


def _beyond(guards: Guards, seen: Figures, alpha: float) -> tuple[float, float]:
    """The least and the most by which the trial's rate can be above what is let pass of the control's."""
    share = 1 - guards.loss
    difference = seen.trial.rate - share * seen.control.rate
    width = reach(seen.trial.variance + share**2 * seen.control.variance, guards.least, alpha)
    return difference - width, difference + width
