"""One half of a catalogue's users, and what a release of the other half can take over from it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ratoon.bench.refreshes.home import Home
from ratoon.bench.refreshes.worlds import World
from ratoon.bench.row import Row, at_least
from ratoon.bench.upkeep.scene import K, Scene
from ratoon.domain.gate import compare
from ratoon.domain.quality import Answers
from ratoon.judging import Pair, questions
from ratoon.judging.asking import placed
from ratoon.refresh import considered
from ratoon.upkeep.operation import lately_of
from ratoon.upkeep.transfer import Transfer
from ratoon.workshop import opened

DRAWS = 500
"""Bootstrap resamples of users."""


def measure(scene: Scene) -> Mapping[str, float]:
    """Recall@50 of a cold release of one half of the users after 5 % of their events, and of one that starts from the other half.

    The other half's release has learnt its part of the set's history. Where that ends a new home opens with the same catalogue,
    learns what its own users do in the next slice, and is asked about the one after: nobody has seen the future.
    """
    world, folder = scene.home.world, scene.home.house.home.parent
    past, learnt, asked = world.bounds[:3]
    donor = _home(scene, folder / "donor", _part(world, "0", 0, (past,)))
    donor.append(0, donor.world.bounds[0])
    donor.bootstrap()
    receiver = _home(scene, folder / "receiver", _part(world, "1", past, (learnt, asked)))
    opening, end = receiver.world.bounds
    receiver.append(0, opening)
    receiver.bootstrap()
    receiver.append(opening, end)
    try:
        release, _ = receiver.current("rows")
        task, _ = considered(receiver.shop, receiver.house.stopwatch(), "upkeep")
        every = questions(receiver.shop.log, task.delta.interactions, receiver.shop.labels)
        live = lately_of(receiver.shop, task, every)

        def answered(pair: Pair) -> Answers:
            return placed(pair, every, K, live)

        cold, operation = opened(receiver.shop, release), Transfer(str(folder / "donor"), f"rows-{scene.seed}", items="same")
        warm = operation(receiver.shop, replace(task, past=receiver.shop.features.past(task.window)), cold).pair
        found = compare(answered(cold), answered(warm), draws=DRAWS, rng=np.random.default_rng([scene.seed, 2]))
        return {"cold": found.parent, "warm": found.candidate, "low": found.low, "high": found.high, "rows": found.rows}
    finally:
        donor.house.log.close()
        receiver.house.log.close()


def rows(figures: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Row]:
    """The gain on each set."""
    means = {name: {key: float(np.mean([one[key] for one in found])) for key in found[0]} for name, found in figures.items()}
    gain = {name: one["warm"] / one["cold"] - 1 if one["cold"] else 0.0 for name, one in means.items()}
    each = "; ".join(
        f"{name}: cold {one['cold']:.4f}, transferred {one['warm']:.4f}, 95 % interval of the difference "
        f"{one['low']:+.4f} to {one['high']:+.4f} over {one['rows']:.0f} questions"
        for name, one in means.items()
    )
    against = "a cold release after the same events, 5 % of this half's; ids of items are shared, no users"
    quantity = "transfer between halves of the users: gain of recall@50 over cold"
    return [at_least(f"{quantity}, {name}", value, 0.2, f"{against}; {each}") for name, value in gain.items()]


def _home(scene: Scene, folder: Path, world: World) -> Home:
    repo = scene.home.house.settings.paths.feature_repo
    return Home(folder, repo, world, scene.seed + 1, scene.seed, lambda _what, _share: None)


def _part(world: World, half: str, since: int, bounds: Sequence[int]) -> World:
    """What happens to one half of the users from a position on, with the whole catalogue; cut at these positions."""
    rows = world.events.select(["kind", "user_id"]).slice(0, bounds[-1]).to_pydict()
    kept = [
        place
        for place, (kind, user) in enumerate(zip(rows["kind"], rows["user_id"], strict=True))
        if user is None or (_half(user) == half and (kind != "interaction" or place >= since))
    ]
    cuts = tuple(int(np.searchsorted(kept, bound)) for bound in bounds)
    return World(world.name, world.kind, world.events.take(kept), cuts)


def _half(user: str) -> str:
    return str(hashlib.blake2b(f"half:{user}".encode(), digest_size=1).digest()[0] % 2)
