"""Who is struck when, and how: drawn before anything runs, so that a seed gives the same blows again."""

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Victim = Literal["server", "worker"]
VICTIMS: tuple[Victim, ...] = ("server", "worker")
SIGNALS = (signal.SIGKILL, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Strike:
    """One blow.

    Attributes:
        at: seconds after the replay began.
        down: seconds between its end and its next start.
    """

    at: float
    victim: Victim
    signal: signal.Signals
    down: float


@dataclass(frozen=True, slots=True)
class Fate:
    """What chance may choose from.

    Attributes:
        gap: least and most seconds between two blows.
        down: least and most seconds that a victim stays away.
        victims: who may be struck; nobody if empty.
    """

    gap: tuple[float, float] = (8.0, 30.0)
    down: tuple[float, float] = (0.0, 2.0)
    victims: Sequence[Victim] = VICTIMS


def strikes(fate: Fate, seconds: float, seed: int) -> list[Strike]:
    """The blows of so many seconds, in order; each victim and each signal come in turns of a shuffled round."""
    drawn, found, at = random.Random(seed), list[Strike](), 0.0
    rounds = [(victim, number) for victim in fate.victims for number in SIGNALS]
    waiting = list[tuple[Victim, signal.Signals]]()
    while rounds and (at := at + drawn.uniform(*fate.gap)) < seconds:
        if not waiting:
            waiting = drawn.sample(rounds, len(rounds))
        found.append(Strike(at, *waiting.pop(), drawn.uniform(*fate.down)))
    return found
