"""The methods without towers, asked the same questions, in processes of their own."""

from pathlib import Path

import numpy as np

from ratoon.bench.processes import Outcome, finished, watched
from ratoon.bench.refreshes.home import Tell
from ratoon.bench.refreshes.play import Played
from ratoon.bench.refreshes.retraining import retrained_at
from ratoon.bench.refreshes.rows import Baselines
from ratoon.bench.refreshes.worlds import World, past_of

SASREC = "SASRec"
SASREC_CPU_SECONDS = 400
LIMIT_SECONDS = 7_200


def others(scratch: Path, world: World, played: Played, tell: Tell) -> Baselines:
    """Ask all of them what the walk asked.

    Raises:
        StoreError: the baselines' script failed. SASRec's may: it then counts as not run, with the reason.
    """
    source, target, sequences = scratch / "world.npz", scratch / "answers.npz", scratch / "sasrec.npz"
    _write(source, world, played)
    tell("baselines", 0.0)
    said = finished("baselines", source, target, seconds=LIMIT_SECONDS)
    with np.load(target) as stored:
        ranks = {name: stored[name] for name in said["seconds"]}
    missing, seconds = dict(said["missing"]), dict(said["seconds"])
    tell(SASREC, 0.0)
    outcome = watched("sasrec", source, sequences, SASREC_CPU_SECONDS, seconds=LIMIT_SECONDS)
    seconds[SASREC] = float(outcome.said.get("seconds", 0.0))
    if why := _why_not(outcome):
        missing[SASREC], ranks[SASREC] = why, np.full(len(played.offsets), -1)
    else:
        with np.load(sequences) as stored:
            ranks[SASREC] = stored["ranks"]
    return Baselines(ranks, missing, seconds)


def _why_not(outcome: Outcome) -> str:
    return outcome.ended or str(outcome.said.get("missing", ""))


def _write(path: Path, world: World, played: Played) -> None:
    """The interactions, the slices that were walked, and the questions, for scripts that know nothing of Ratoon."""
    past, slices = past_of(world), max(played.slices)
    bounds = np.searchsorted(past.positions, world.bounds[: slices + 1])
    with path.open("wb") as file:
        np.savez(
            file,
            users=past.users,
            items=past.items,
            starts=bounds[:-1],
            stops=bounds[1:],
            asked=np.array([past.place(offset) for offset in played.offsets], np.int64),
            retrained=np.array([one for one in retrained_at(len(world.bounds) - 1) if one <= slices], np.int64),
            mask=np.int64(world.kind.mask_seen),
            sessions=np.int64(world.kind.sessions),
        )
