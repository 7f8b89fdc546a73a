"""An answer whose last positions are now and then left to chance, with the probability of everything that is shown.

What only ever shows its own best candidates learns nothing of the others, and cannot say what another policy would have
earned. Here each of the last `slots` positions is explored on its own with probability epsilon: instead of the candidate
ranked there it shows one of the `pool` candidates ranked after the answer, all alike, none twice in an answer.

So at a slot the candidate ranked there has propensity 1 - epsilon, and each of the pool has epsilon / pool: draws without
replacement are exchangeable, so whichever slots explore, the one that is drawn for a slot is uniform over the pool. All other
positions show what is ranked there, with propensity 1. These are the propensities of single positions (Li, Abbasi-Yadkori,
Kveton, Muthukrishnan, Vinay and Wen 2018, Offline Evaluation of Ranking Policies with Click Models): what is estimated with
them is right as far as what happens to an item does not depend on what stands at the other positions.
"""

from dataclasses import dataclass
from hashlib import blake2b
from random import Random

from ratoon.domain.errors import UsageError

_WORD = 2.0**64


@dataclass(frozen=True, slots=True)
class Exploration:
    """How an answer is explored.

    Attributes:
        slots: how many of its last positions, 1 or more.
        epsilon: how likely each of them shows a candidate from the pool; above 0 and below 1, so that nothing that could
            stand there has propensity 0.
        pool: how many of the candidates ranked after the answer are drawn from, `slots` or more.

    Raises:
        UsageError: one of them is out of range.
    """

    slots: int
    epsilon: float
    pool: int

    def __post_init__(self) -> None:
        """Refuse what gives no propensities."""
        if self.slots < 1:
            raise UsageError("exploration.slots", expected="1 or more", found=str(self.slots), fix="Or leave exploration off.")
        if not 0 < self.epsilon < 1:
            raise UsageError(
                "exploration.epsilon",
                expected="a probability above 0 and below 1",
                found=str(self.epsilon),
                fix="0.1 is a beginning; leave exploration off for none.",
            )
        if self.pool < self.slots:
            raise UsageError(
                "exploration.pool",
                expected=f"{self.slots} or more, one for each slot",
                found=str(self.pool),
                fix="Give a larger pool, or fewer slots.",
            )


@dataclass(frozen=True, slots=True)
class Slate:
    """What is shown of a ranked list.

    Attributes:
        places: for each position of the answer the place in the ranked list of what it shows, from 0.
        propensities: for each position how likely it showed just that.
        slots: how many of the last positions were left to chance; 0 where too few candidates are ranked after the answer.
        choices: the places that could be shown there: first the slots' own, in order, then the pool. Empty without slots.
    """

    places: tuple[int, ...]
    propensities: tuple[float, ...]
    slots: int
    choices: range


def explored(ranked: int, k: int, exploration: Exploration, rng: Random) -> Slate:
    """Draw what an answer of up to k positions shows.

    Fewer candidates than k + pool make the pool smaller, and a pool smaller than the slots leaves the last slots only.

    Args:
        ranked: how many candidates there are, best first; of more than k + pool the last are not looked at.
        k: how many positions the answer has at most.
    """
    pool = max(0, min(ranked - k, exploration.pool))
    slots = min(exploration.slots, pool, k)
    length = min(ranked, k)
    first = length - slots
    if not slots:
        return Slate(tuple(range(length)), (1.0,) * length, 0, range(0))
    chances = [rng.random() < exploration.epsilon for _ in range(slots)]
    drawn = iter(rng.sample(range(k, k + pool), sum(chances)))
    places = [next(drawn) if chance else place for place, chance in enumerate(chances, first)]
    propensities = [exploration.epsilon / pool if chance else 1 - exploration.epsilon for chance in chances]
    return Slate((*range(first), *places), (1.0,) * first + tuple(propensities), slots, range(first, k + pool))


def rng_of(request_id: str, salt: str) -> Random:
    """The chance of one request: the same id and salt give the same draws, in every process.

    So that a repeated request gets the same answer. Draws are only as independent as ids are different: a caller that gives
    all its requests one id explores nothing.

    Args:
        salt: one for each experiment, so that the draws of two of them have nothing to do with each other.
    """
    return Random(_word(request_id, f"explore {salt}"))


def kept(request_id: str, share: float, salt: str) -> bool:
    """Whether a request is in a sample of this share of all requests; decided alike in every process, and apart from `rng_of`.

    Args:
        share: 0 to 1.
    """
    return share >= 1 or _word(request_id, f"sample {salt}") < share * _WORD


def _word(request_id: str, use: str) -> int:
    """64 bits, evenly spread."""
    said = f"{len(use)} {use}{request_id}".encode(errors="surrogatepass")
    return int.from_bytes(blake2b(said, digest_size=8).digest(), "little")
