"""What another policy would have earned in the exploration slots: from the two logs to an estimate with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from ratoon.domain.errors import DataError
from ratoon.domain.labels import Types
from ratoon.domain.offpolicy import Valued, valued
from ratoon.ports import EventLog
from ratoon.serving.exposures.deciding import Scored, decided
from ratoon.serving.exposures.exposure import Kept
from ratoon.serving.exposures.joining import Coverage, coverage, followed, interactions_since
from ratoon.serving.exposures.stored import StoredExposures
from ratoon.serving.exposures.targets import popularity

Floats = npt.NDArray[np.float64]

Target = Callable[[Sequence[Kept], Sequence[Floats]], Sequence[Floats | None]]
"""Exposures and how popular their choices were -> the target's scores of the choices; None where it has none."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Attributes:
        surface: whose exposures.
        types: of interactions that are rewards; None for all.
        horizon: an interaction counts that happened up to so long after the answer.
        now: the present by the configured clock: what was shown less than `horizon` ago is left out.
    """

    surface: str
    types: Types
    horizon: timedelta
    now: datetime


@dataclass(frozen=True, slots=True)
class Worth:
    """The answer.

    Attributes:
        worth: per decision, that is per explored position of an answer.
        exposures: the explored ones that it is made of.
        young: explored ones that were left out, because their horizon has not passed.
        unranked: explored ones that were left out, because the target has no scores for them: it is valued on the others only.
        coverage: how much of what happened the log can speak of; what it cannot is missing from every value.
    """

    worth: Valued
    exposures: int
    young: int
    unranked: int
    coverage: Coverage


def worth(
    stored: StoredExposures,
    log: EventLog,
    counting: Types,
    target: Target | None,
    question: Question,
    *,
    draws: int,
    rng: np.random.Generator,
) -> Worth:
    """Value a target; None is the policy that logged, as it drew.

    Args:
        counting: the types of interactions that make popular; None for all.
        draws: of the bootstrap.

    Raises:
        DataError: nothing explored has been logged, or nothing of it can be valued yet; says what to do.
    """
    began = stored.began(question.surface)
    explored = list(stored.read(question.surface, explored=True))
    if began is None or not explored:
        raise _unexplored(question.surface, logged=began is not None)
    interactions = interactions_since(log, began, question.surface)
    ripe = [one for one in explored if one.time + question.horizon <= question.now]
    popular = popularity(ripe, log, interactions, counting)
    if target is None:
        chosen = [(one, Scored(None, counts)) for one, counts in zip(ripe, popular, strict=True)]
    else:
        scores = target(ripe, popular)
        rows = zip(ripe, scores, popular, strict=True)
        chosen = [(one, Scored(found, counts)) for one, found, counts in rows if found is not None]
    if not chosen:
        raise _nothing(len(explored), len(ripe), question)
    exposures, scored = [one for one, _ in chosen], [one for _, one in chosen]
    events = followed(exposures, interactions, question.horizon)
    decisions, predicted = decided(exposures, scored, events, question.types, rng)
    return Worth(
        worth=valued(decisions, predicted, draws=draws, rng=rng),
        exposures=len(exposures),
        young=len(explored) - len(ripe),
        unranked=len(ripe) - len(exposures),
        coverage=coverage(stored.read(question.surface), interactions),
    )


def _unexplored(surface: str, *, logged: bool) -> DataError:
    return DataError(
        f"exposures of {surface}",
        expected="answers in which something was left to chance",
        found="answers, but nothing explored" if logged else "none",
        fix=f"Turn exploration on under [surfaces.{surface}.exploration] in ratoon.toml, serve for a while, and ask again.",
    )


def _nothing(explored: int, ripe: int, question: Question) -> DataError:
    if not ripe:
        return DataError(
            "--horizon",
            expected="some explored answers that are older than it",
            found=f"{explored}, all of them younger than {question.horizon}",
            fix="Ask again later, or give a shorter one.",
        )
    return DataError(
        "--release",
        expected="feature values in the log, and items that the release knows",
        found=f"{ripe} explored answers of which none has both",
        fix="It can only be valued for users whose features were read; ask for a newer release, or --policy popular.",
    )
