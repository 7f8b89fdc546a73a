"""What each visit picks: a cluster by the user's taste that day, then an item by its pull; never one twice.

Time goes in ticks of half a day. A visit that finds nothing new (its user has seen all that exists) comes again in the
next tick.
"""

import numpy as np

from ratoon.data.world import DAYS, Flags, Floats, Ints, World, pick

TICKS = 200
POPULAR, FAITHFUL, TRIES = 4, 9, 14
"""A visit draws so often by popularity, so often from one cluster, and so often at all, before it waits."""


def choose(world: World, who: Ints, day: Floats, random: np.random.Generator) -> tuple[Ints, Ints, Floats]:
    """Give each of n visits, in order of time, an item.

    Args:
        world: the truth.
        who: (n,) users.
        day: (n,) days, ascending; n is at most half of users x items.
        random: draws.

    Returns:
        (n,) items, each born before its visit; (n,) users; (n,) days. All (user, item) pairs differ.
    """
    seen = np.empty(0, dtype=np.int64)
    bounds = np.searchsorted(day, np.linspace(0, DAYS, TICKS + 1)[1:-1])
    late = np.empty(0, dtype=np.int64)
    picked: list[tuple[Ints, Ints, Floats]] = []
    for tick, (users, days) in enumerate(zip(np.split(who, bounds), np.split(day, bounds), strict=True)):
        begin = tick * DAYS / TICKS
        users = np.concatenate([late, users])
        days = np.concatenate([begin + DAYS / TICKS * random.uniform(0.01, 1, len(late)), days])
        what, seen = _tick(world, users, begin, seen, random)
        found = what >= 0
        picked.append((what[found], users[found], days[found]))
        late = users[~found]
    what, users, seen = _anything(world, len(late), seen, random)
    picked.append((what, users, random.uniform(DAYS - DAYS / TICKS, DAYS, len(late))))
    items, people, moments = (np.concatenate(parts) for parts in zip(*picked, strict=True))
    return items, people, moments


def _tick(world: World, users: Ints, begin: float, seen: Ints, random: np.random.Generator) -> tuple[Ints, Ints]:
    """(n,) items of one tick's visits, -1 where nothing new was found; and the sorted keys of all pairs so far."""
    what = np.full(len(users), -1, dtype=np.int64)
    taste, pull = world.taste(users, begin), world.pull(begin)
    cluster = pick(taste, random)
    for attempt in range(TRIES):
        waiting = np.flatnonzero(what < 0)
        if not len(waiting):
            break
        if attempt >= FAITHFUL:
            cluster[waiting] = pick(taste[waiting], random)
        weight = pull if attempt < POPULAR else (pull > 0).astype(np.float64)
        item = within(world, cluster[waiting], weight, random)
        key = users[waiting] * len(world.item_pull) + item
        fresh = _first(key) & ~_among(key, seen) & (weight[item] > 0)
        what[waiting[fresh]] = item[fresh]
        seen = np.sort(np.concatenate([seen, key[fresh]]), kind="stable")
    return what, seen


def within(world: World, cluster: Ints, weight: Floats, random: np.random.Generator) -> Ints:
    """(n,) one item of each of n clusters, by weight (I,); every cluster has an item with weight."""
    order = np.argsort(world.item_cluster, kind="stable")
    total = np.cumsum(weight[order])
    ends = np.searchsorted(world.item_cluster[order], np.arange(world.clusters), side="right")
    above = total[ends - 1]
    below = np.concatenate([[0.0], above[:-1]])
    point = below[cluster] + random.uniform(size=len(cluster)) * (above - below)[cluster]
    place = np.minimum(np.searchsorted(total, point, side="right"), len(order) - 1)
    return np.asarray(order[place], dtype=np.int64)


def _anything(world: World, count: int, seen: Ints, random: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """`count` pairs not seen yet, of anyone with anything: for worlds so small that people run out of items."""
    items = len(world.item_pull)
    keys = np.empty(0, dtype=np.int64)
    while len(keys) < count:
        key = random.integers(0, len(world.user_birth) * items, 2 * count)
        keys = np.concatenate([keys, key])
        keys = keys[_first(keys) & ~_among(keys, seen)]
    keys = keys[:count]
    return keys % items, keys // items, np.sort(np.concatenate([seen, keys]))


def _first(keys: Ints) -> Flags:
    """(n,) true where a key stands for the first time."""
    first = np.zeros(len(keys), dtype=np.bool_)
    first[np.unique(keys, return_index=True)[1]] = True
    return first


def _among(keys: Ints, ordered: Ints) -> Flags:
    """(n,) true where a key is in the ascending `ordered`."""
    if not len(ordered):
        return np.zeros(len(keys), dtype=np.bool_)
    place = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    return np.asarray(ordered[place] == keys)
