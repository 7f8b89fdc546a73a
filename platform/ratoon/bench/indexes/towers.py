"""The world of the real towers: vectors of a release that learnt diginetica, of the next one, and of users who asked later.

They are made by `peers/real_towers.py`, once for a set, and kept beside the worlds of the mixture.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ratoon import durable
from ratoon.bench.indexes.truth import exact
from ratoon.bench.indexes.worlds import QUERIES, K, World
from ratoon.domain.embedding import Vectors
from ratoon.domain.errors import UsageError
from ratoon.domain.release import Metric

FORMAT, NAME, SEAL = 1, "towers-diginetica", "world.json"
WEEKS, DELTA, EPOCHS = 3, 20_000, 1
"""Weeks before the last that the first release learns, and how often; the clicks of the last week that the next one learns."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What two releases say.

    Attributes:
        items, after: of the same items by the first release and by the next one; shape (items, dim), float32.
        tuning, judged: of users by the first release, the tuning ones from before its watermark; shape (queries, dim), float32.
        metric: of the first release's towers.
        story: what the vectors came from, for the rows.
    """

    items: Vectors
    after: Vectors
    tuning: Vectors
    judged: Vectors
    metric: Metric
    story: str


def check(folder: Path) -> None:
    """See that a folder has weeks enough.

    Raises:
        UsageError: it has not.
    """
    found, least = _weeks(folder), WEEKS + 2  # an earlier week, those that are learnt, and the last
    if len(found) < least:
        fix = "Pass --towers with the folder of the set diginetica, as `ratoon data import` reads it."
        seen = f"{len(found)} in {folder}"
        raise UsageError("--towers", expected=f"at least {least} files period_*.txt", found=seen, fix=fix)


def opened(cache: Path) -> World:
    """The world that is kept."""
    said = story(cache)
    return World(cache / NAME, said["items"], said["dim"], said["metric"])


def there(cache: Path, folder: Path) -> bool:
    """Whether a world is kept that was made of this set, as it would be made now."""
    return (cache / NAME / SEAL).exists() and story(cache)["made_of"] == made_of(folder)


def story(cache: Path) -> dict[str, Any]:
    """What the seal says of the world that is kept."""
    said: dict[str, Any] = json.loads((cache / NAME / SEAL).read_text())
    return said


def made_of(folder: Path) -> dict[str, Any]:
    """What the world depends on; the set is told by the sizes of its files."""
    sizes = [path.stat().st_size for path in _weeks(folder)]
    return {"format": FORMAT, "weeks": WEEKS, "delta": DELTA, "epochs": EPOCHS, "k": K, "queries": QUERIES, "bytes": sizes}


def keep(cache: Path, drawn: Drawn, made_of: dict[str, Any], k: int = K) -> World:
    """Write the world's files; the seal comes last, and says what rounding items to float16 costs.

    Args:
        made_of: see there.
    """
    count, dim = drawn.items.shape
    folder = cache / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SEAL).unlink(missing_ok=True)
    world = World(folder, count, dim, drawn.metric)
    after, moved = unlike(drawn.items, drawn.after)
    world.write("items", [drawn.items])
    world.write("moved", [after])
    world.ask("tuning", drawn.tuning, k)
    truth = world.ask("judged", drawn.judged, k)
    unrounded = exact([drawn.items], drawn.judged, k)
    lost = float(np.abs(truth.scores - unrounded.scores).max() / np.abs(unrounded.scores).max())
    said = {"items": count, "dim": dim, "metric": drawn.metric, "made_of": made_of, "story": drawn.story, "moved": moved}
    said |= {"off": lost, "same": truth.same(unrounded)}
    durable.write(folder / SEAL, json.dumps(said).encode())
    return world


def unlike(items: Vectors, after: Vectors) -> tuple[Vectors, int]:
    """`after`, where an item that did not move has the vector of another of those; and how many moved by themselves."""
    still = np.flatnonzero((items.astype(np.float16) == after.astype(np.float16)).all(axis=1))
    changed = after.copy()
    changed[still] = items[np.roll(still, 1)] if len(still) > 1 else items[still - 1]
    return changed, len(items) - len(still)


def _weeks(folder: Path) -> list[Path]:
    return sorted(folder.glob("period_*.txt"))
