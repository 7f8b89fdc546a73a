"""`ratoon bench upkeep`: what each operation on a release saves and costs, relative to the release as it was."""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from ratoon import durable
from ratoon.bench.refreshes.home import Tell
from ratoon.bench.row import Row, not_run
from ratoon.bench.upkeep import augment, compression, distil, fusing, transfer, vectors
from ratoon.bench.upkeep.kept import Kept
from ratoon.bench.upkeep.scene import Scene, scene
from ratoon.domain.errors import UsageError

RESULTS = Path(__file__).parents[1] / "results" / "upkeep.json"

SETS = ("movietweetings-100k", "movielens-100k", "diginetica")
"""What the bars are for."""

SHARES: Mapping[str, float] = {"movietweetings-100k": 1.0, "movielens-100k": 1.0, "diginetica": 0.05}
"""The share of a set's users that the table is made with: what lets three seeds of all of it end within an hour or so."""

Figures = Mapping[str, Sequence[Mapping[str, float]]]
"""Set -> what was found there, by seed."""


@dataclass(frozen=True, slots=True)
class Group:
    """One operation's part of the table.

    Attributes:
        measure: what is found of one set and seed, by name.
        rows: the lines that those make; sets that were not there are missing.
        sets: which sets are asked.
    """

    measure: Callable[[Scene], Mapping[str, float]]
    rows: Callable[[Figures], list[Row]]
    sets: tuple[str, ...] = SETS


GROUPS: dict[str, Group] = {
    "augment": Group(augment.measure, augment.rows),
    "compression": Group(compression.measure, compression.rows),
    "distil": Group(distil.measure, distil.rows),
    "fuse": Group(fusing.measure, fusing.rows),
    "transfer": Group(transfer.measure, transfer.rows),
    "vectors": Group(vectors.measure, vectors.rows),
}
"""Name -> its part, in the table's order."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        sets: names of folders; all of SETS by default.
        only: names of groups; all by default.
        seeds: of each set, from 0.
        scale: a share of those users that SHARES says; the bars are for 1.
    """

    sets: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    seeds: int = 3
    scale: float = 1.0

    def share(self, name: str) -> float:
        """The share of a set's users."""
        return self.scale * SHARES.get(name, 1.0)


def measure(
    folder: Path, feature_repo: Path, size: Size, stamp: dict[str, str], tell: Tell, unfinished: Path
) -> dict[str, dict[str, Any]]:
    """The table: group -> stamp and rows. What is measured at full size on every set is kept.

    Args:
        folder: what holds the sets, each in a folder of its name.
        unfinished: the folder in which what is found lies until all is: a run that is cut off is gone on with.

    Raises:
        UsageError: there is no such group.
    """
    groups = {name: GROUPS[name] for name in size.only or GROUPS if name in GROUPS}
    if unknown := [name for name in size.only if name not in GROUPS]:
        raise UsageError("--only", expected=f"some of {', '.join(GROUPS)}", found=", ".join(unknown), fix="Name those.")
    sets, beside = size.sets or SETS, Kept(unfinished, stamp)
    absent = [name for name in sets if not (folder / name).is_dir()]
    there = [name for name in sets if name not in absent]
    found: dict[str, dict[str, list[Mapping[str, float]]]] = {name: {} for name in groups}
    for name, seed in product(there, range(size.seeds)):
        asked = {called: group for called, group in groups.items() if name in group.sets}
        for called, figures in _found(folder, feature_repo, (name, seed, size.share(name)), asked, beside, tell).items():
            found[called].setdefault(name, []).append(figures)
    missing = [asdict(not_run(f"{name}: every operation", "", f"{folder} has no folder {name}")) for name in absent]
    told = {}
    for called, group in groups.items():
        rows = [replace(row, against=_of(row.against, found[called], size)) for row in group.rows(found[called])]
        told[called] = {**stamp, "seeds": size.seeds, "rows": [asdict(row) for row in rows] + missing}
    if size.scale == 1 and not absent and not size.sets:
        durable.write(RESULTS, json.dumps({**kept(), **told}, indent=1).encode() + b"\n")
    beside.forget(product(groups, there, range(size.seeds)))
    return told


def _found(
    folder: Path, feature_repo: Path, which: tuple[str, int, float], groups: Mapping[str, Group], beside: Kept, tell: Tell
) -> dict[str, Mapping[str, float]]:
    """Figures of one set, seed and share of its users, group by group; what is kept already is not measured again."""
    name, seed, share = which
    kept = {called: beside.get(called, *which) for called in groups}
    found: dict[str, Mapping[str, float]] = {called: figures for called, figures in kept.items() if figures is not None}
    if len(found) == len(groups):
        return found
    with (
        tempfile.TemporaryDirectory(prefix="ratoon-bench-") as scratch,
        scene(Path(scratch), feature_repo, folder, name, seed, share, tell) as there,
    ):
        for called in [called for called in groups if called not in found]:
            tell(f"{name}, seed {seed}: {called}", 0.0)
            found[called] = groups[called].measure(there)
            beside.put(called, name, seed, share, found[called])
    return found


def _of(against: str, sets: Iterable[str], size: Size) -> str:
    """What a row is measured against, and with how many of whose users."""
    parts = "; ".join(f"{size.share(name):.0%} of the users of {name}" for name in sets if size.share(name) < 1)
    return "; ".join(filter(None, (against, parts)))


def kept() -> dict[str, dict[str, Any]]:
    """Group -> stamp and rows, as they were last measured at full size on every set."""
    stored: dict[str, dict[str, Any]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return stored
