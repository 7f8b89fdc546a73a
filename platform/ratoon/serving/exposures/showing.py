"""From an answer to what is shown of it, and to the exposure that says so: what a request does between searching and writing."""

from dataclasses import dataclass, replace
from datetime import datetime

from ratoon.domain.exploration import Exploration, Slate, explored, rng_of
from ratoon.domain.query import Answer
from ratoon.serving.exposures.exposure import Exposure


@dataclass(frozen=True, slots=True)
class Chance:
    """How a surface explores; its search is asked for k + `exploration.pool` candidates.

    Attributes:
        salt: of this experiment; the same in every process.
    """

    exploration: Exploration
    salt: str

    def slate(self, ranked: int, k: int, request_id: str) -> Slate:
        """What a request shows of so many ranked candidates; the same again for the same request id."""
        return explored(ranked, k, self.exploration, rng_of(request_id, self.salt))


def exposed(
    answer: Answer, k: int, request_id: str, time: datetime, surface: str, user_id: str | None, chance: Chance | None = None
) -> tuple[Answer, Exposure]:
    """The answer of up to k candidates as it is shown, and the exposure to log.

    Args:
        answer: of up to k candidates, or of up to k + pool where there is chance.
        time: now, by the configured clock.
    """
    about = (request_id, time, surface, user_id, answer.release, answer.source)
    if chance is None:
        return answer, Exposure(*about, answer.found, features=answer.values)
    found = answer.found
    slate = chance.slate(len(found), k, request_id)
    shown = [found[place] for place in slate.places]
    choices = [found[place] for place in slate.choices]
    epsilon = chance.exploration.epsilon if slate.slots else 0.0
    exposure = Exposure(*about, shown, slate.propensities, choices, slate.slots, epsilon, answer.values)
    return replace(answer, found=shown), exposure
