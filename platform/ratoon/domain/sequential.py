"""How certain means are that are looked at again and again while they grow.

No test of a fixed size will do there: each look would be another chance to be wrong. The limits here hold at all looks together
with probability 1 - alpha: the mixture sequential probability ratio test (Robbins 1970, Statistical Methods Related to the Law of
the Iterated Logarithm; Johari, Koomen, Pekelis and Walsh 2022, Always Valid Inference), and for means whose variance is itself
estimated they hold from large samples on (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, Time-uniform Central Limit Theory
and Asymptotic Confidence Sequences): conclude nothing from few.
"""

from dataclasses import dataclass
from math import log, sqrt

FAR = 10.0
"""How many times the rate of failures that is let pass counts as certainly too many."""


@dataclass(frozen=True, slots=True)
class Sample:
    """So many numbers, their sum and the sum of their squares."""

    n: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        """Their mean; 0 without any."""
        return self.total / self.n if self.n else 0.0

    @property
    def variance(self) -> float:
        """Of the mean, as if two more had come, one below it and one above: a few that are alike do not prove that all are."""
        spread = max(0.0, self.squares - self.n * self.mean**2) + 0.5
        return spread / (self.n + 2) ** 2


@dataclass(frozen=True, slots=True)
class Followed:
    """Users who were shown answers, how many, and how many of these an interaction named; with sums of squares and products.

    What is drawn is users, and one user's answers are alike: the rate is a ratio of two means over users.
    """

    users: int = 0
    shown: int = 0
    followed: int = 0
    shown_squares: int = 0
    followed_squares: int = 0
    products: int = 0

    @property
    def rate(self) -> float:
        """Interactions per answer, at most one each; 0 without answers."""
        return self.followed / self.shown if self.shown else 0.0

    @property
    def variance(self) -> float:
        """Of the rate, by the delta method (Deng, Knoblich and Lu 2018), with two more users of one answer, one followed."""
        users, shown, followed = self.users + 2, self.shown + 2, self.followed + 1
        rate = followed / shown
        squares = (self.followed_squares + 1) - 2 * rate * (self.products + 1) + rate**2 * (self.shown_squares + 2)
        return max(0.0, squares) / shown**2 * users / (users - 1)


def reach(variance: float, least: int, alpha: float) -> float:
    """Half the width, at this look, of an interval that has the mean at all looks; narrowest around `least` observations.

    Args:
        variance: of the mean, above 0; of numbers that differ by about one half.
        alpha: probability that it fails to have it at any look.
    """
    mixed = (2 * log(1 / alpha) + log(1 + 2 * log(1 / alpha))) / (4 * least)
    return sqrt(variance * (variance + mixed) / mixed * (2 * log(1 / alpha) + log((variance + mixed) / variance)))


def too_often(n: int, failed: int, let_pass: float, alpha: float) -> bool:
    """Whether so many failures of n are more than a share that is let pass explains.

    A sequential probability ratio test (Wald 1945, Sequential Tests of Statistical Hypotheses) of that share against FAR times
    it: of what fails as seldom as it may this is ever said with probability alpha at most, however often it is asked.

    Args:
        let_pass: above 0, below 1 / FAR.
    """
    far = let_pass * FAR
    ratio = failed * log(FAR) + (n - failed) * log((1 - far) / (1 - let_pass))
    return ratio >= log(1 / alpha)
