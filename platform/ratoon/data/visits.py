"""Who comes when: sessions of a few interactions, spread over the days since each user appeared."""

import numpy as np

from ratoon.data.world import DAYS, Floats, Ints, World

SESSION = 4.0
"""Mean interactions in a session, where there are enough for all users."""

GAP_DAYS = 2 / 1440
"""Mean time between two interactions of a session: two minutes."""


def visits(world: World, events: int, random: np.random.Generator) -> tuple[Ints, Floats]:
    """Draw n = `events` visits, in order of time.

    Every user's first session is on arrival; further ones go to users by energy and time since they appeared.

    Returns:
        (n,) users; (n,) days, each later than its user's birth.
    """
    users = len(world.user_birth)
    mean = min(SESSION, max(1.0, events / users / 2))
    more = 64 + int(1.3 * events / mean)
    weight = world.user_energy * (DAYS - world.user_birth)
    again = random.choice(users, more, p=weight / weight.sum())
    who = np.concatenate([random.permutation(users), again])
    birth = world.user_birth[who]
    start = birth + np.where(np.arange(len(who)) < users, 0.0, (DAYS - birth) * random.uniform(0, 1, len(who)))
    length = 1 + random.poisson(mean - 1, len(who))
    session = np.repeat(np.arange(len(who)), length)[:events]
    gaps = GAP_DAYS * (0.05 + random.exponential(0.95, len(session)))
    elapsed = np.cumsum(gaps)
    first = np.searchsorted(session, session, side="left")
    day = start[session] + elapsed - elapsed[first] + gaps[first]
    order = np.argsort(day, kind="stable")
    return who[session][order], day[order]
